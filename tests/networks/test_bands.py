"""The band network: its graph equals it, its look-ahead is true, channels keep their place."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import demo_song as songs
from helpers.blocks import stems_of
from isolde.core.errors import InputError
from isolde.core.features import Features
from isolde.core.spectrum import GRID_22, analyse
from isolde.datasets.mixing.library import Entry
from isolde.models.card import Card
from isolde.models.catalogue import find, save
from isolde.models.masker import GraphMasker
from isolde.separation.stages.separator import Separator

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.models.graph import Graph  # noqa: E402
from isolde.networks.bands import BandNetwork, BandShape, n_bands  # noqa: E402
from isolde.networks.onnx.bands import SETTLING, band_graph  # noqa: E402
from isolde.networks.onnx.packing import packed  # noqa: E402
from isolde.training.export import publish  # noqa: E402
from isolde.training.loop import Run  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.sources import examples_of  # noqa: E402
from isolde.training.tasks.bands import BandTask  # noqa: E402
from isolde.training.tasks.validation import sounds_of  # noqa: E402
from isolde.training.tasks.windows import WindowTask  # noqa: E402

SMALL = BandShape(features=6, shared=3, mixed=8, hidden=7, delays=(2, 1))
STEREO = Features(signal="stereo")


def network_of(shape: BandShape = SMALL, *, seed: int = 0) -> BandNetwork:
    torch.manual_seed(seed)
    network = BandNetwork(shape).eval()
    network.mean.uniform_(0, 1)
    network.std.uniform_(0.5, 2)
    return network


def masker_of(network: BandNetwork, folder: Path, n_channels: int) -> GraphMasker:
    stems = ("vocals", "drums", "bass")[: max(1, network.shape.masks - 1)]
    card = Card(
        name="bands",
        summary="",
        stems=stems,
        residual="accompaniment",
        look_ahead=network.shape.look_ahead,
        past=SETTLING,
        features=STEREO,
        sha256="",
        licence="",
    )
    save(folder, card, band_graph(network))
    model = find(folder / "bands.onnx")
    return GraphMasker(model.graph(), model.card, n_channels=n_channels)


def spectra_of(n_channels: int, n_frames: int = 40, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (2, n_channels, n_frames, 513)
    real, imaginary = rng.normal(0, 0.01, shape).astype(np.float32)
    return (real + 1j * imaginary).astype(np.complex64)


@pytest.mark.parametrize("shape", [SMALL, BandShape(delays=(0, 0), masks=4, features=8)])
def test_the_graph_is_the_network_at_any_number_of_frames_a_call(shape: BandShape):
    network = network_of(shape)
    graph = Graph(band_graph(network))
    frames = np.random.default_rng(1).random((2, 30, 2048), np.float32)
    with torch.no_grad():
        raw = network(torch.from_numpy(frames))
        masks = network.read(raw)
    if shape.masks > 1:  # they sum to one, and the residual's stays at home
        np.testing.assert_allclose(masks.sum(dim=2).numpy(), 1, atol=1e-5)
        masks = masks[:, :, :-1]
    expected = masks.numpy().reshape(2, raw.shape[1], shape.outputs)
    whole, _ = graph(frames, graph.state(2))
    # float32, another order of sums
    np.testing.assert_allclose(whole[:, shape.look_ahead :], expected, atol=2e-6)
    state, parts = graph.state(2), []
    for start, end in ((0, 1), (1, 2), (2, 9), (9, 30)):
        part, state = graph(frames[:, start:end], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=2e-6)


def test_the_default_is_within_its_budget():
    network = BandNetwork(BandShape())
    assert sum(p.numel() for p in network.parameters()) <= 1_500_000
    assert n_bands() == 40 and BandShape().look_ahead == 12


def test_an_answer_hears_its_look_ahead_and_not_a_frame_more():
    network = network_of()
    frames = torch.rand(1, 24, 2048)
    ahead = network.shape.look_ahead
    frame = 10
    with torch.no_grad():
        before = network(frames)[:, frame]
        for distance, changes in ((ahead, True), (ahead + 1, False)):
            other = frames.clone()
            other[:, frame + distance] += 1
            after = network(other)[:, frame]
            assert bool((after != before).any()) is changes


def test_every_bin_of_a_band_hears_every_other_band():
    network = network_of()
    frames = torch.rand(1, 8, 2048)
    other = frames.clone()
    other[:, 3, -1] += 5  # the side of the highest bin
    with torch.no_grad():
        changed = (network(frames) != network(other))[0, 3]
    assert bool(changed.any(dim=0).all())


def test_channels_come_back_in_their_places(tmp_path: Path):
    """Six channels are three pairs; the masks of each pair are those of the pair alone."""
    network = network_of(BandShape(features=6, shared=3, mixed=8, hidden=7, masks=3))
    spectra = spectra_of(5)
    many = masker_of(network, tmp_path, 5)
    masks = np.concatenate([many.feed(spectra), many.flush()], axis=2)
    assert masks.shape == (2, 5, 40, 513)
    for pair in ([0, 1], [2, 3], [4]):
        alone = masker_of(network, tmp_path, len(pair))
        own = np.concatenate([alone.feed(spectra[pair]), alone.flush()], axis=2)
        np.testing.assert_allclose(masks[:, pair], own, atol=2e-6)


def test_validation_hears_the_masks_that_a_separator_makes(tmp_path: Path):
    network, spectra = network_of(), spectra_of(2)
    masker = masker_of(network, tmp_path, 2)
    masks = np.concatenate([masker.feed(spectra), masker.flush()], axis=2)[0]
    np.testing.assert_allclose(masks, BandTask(SMALL).masks(network, spectra), atol=2e-6)


def test_a_mono_song_is_a_stereo_song_of_two_equal_channels(tmp_path: Path):
    network, spectra = network_of(), spectra_of(1)
    mono, stereo = (masker_of(network, tmp_path, n) for n in (1, 2))
    left = stereo.feed(np.repeat(spectra, 2, axis=0))[:, :1]
    np.testing.assert_allclose(mono.feed(spectra), left, atol=2e-6)


def test_stems_sum_to_the_mixture_whatever_the_blocks(tmp_path: Path):
    network = network_of()
    mixture = np.random.default_rng(2).normal(0, 0.1, (2, 9000)).astype(np.float32)
    results = []
    for size in (9000, 700):
        separator = Separator.with_masks(
            masker_of(network, tmp_path, 2), sample_rate=22050, n_channels=2
        )
        stems = stems_of(separator, mixture, [size])
        np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-6)
        results.append(stems["vocals"])
    np.testing.assert_allclose(results[0], results[1], atol=2e-6)


@pytest.mark.parametrize("values", [{"features": 0}, {"delays": ()}, {"delays": (4, -1)}])
def test_a_shape_that_cannot_be_is_refused(values: dict):
    with pytest.raises(InputError):
        BandShape(**values)


def test_stereo_features_have_no_mel_form():
    with pytest.raises(InputError, match="mel"):
        Features(signal="stereo", mel=True)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    found = []
    for seed in (1, 2):
        stems = songs.make_song(seed, seconds=4.0, sample_rate=22050)
        vocals = stems.pop("vocals")
        pcm = [np.round(np.clip(a, -1, 1) * 32767).astype(np.int16) for a in
               (vocals, sum(stems.values()))]  # fmt: skip
        activity = np.ones(GRID_22.n_frames(vocals.shape[1]), np.bool_)
        found.append(Entry(f"song {seed}", f"artist {seed}", 11025.0, *pcm, activity))
    return found


def test_the_losses_are_what_they_say(entries: list[Entry]):
    """The error's energy by the three kept products is that of the masked spectra themselves."""
    mixer = examples_of(Recipe(BandTask(SMALL)), entries)
    network = network_of()
    ahead = network.shape.look_ahead
    task = BandTask(SMALL, snr=1.0, bce=0.0)
    batch = task.batch(mixer, [5], frames=10, step=0)
    vocals, accompaniment = mixer.sources([5], SETTLING + 10 + ahead)[0].numpy()
    mixture = vocals + accompaniment
    with torch.no_grad():
        mask = torch.sigmoid(network(batch.features)).numpy()[0, SETTLING:].transpose(1, 0, 2)
        loss = task.loss(network, batch, step=0).item()
    kept = slice(SETTLING, SETTLING + 10)
    v, x = vocals[:, kept], mixture[:, kept]
    floor = 0.01 * np.sum(np.abs(x) ** 2)
    left = np.sum(np.abs(mask * x - v) ** 2)
    expected = np.log10((left + floor) / (np.sum(np.abs(v) ** 2) + floor))
    assert loss == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["long", "short"])
def test_validation_and_card_have_the_synthesis_of_the_task(
    entries: list[Entry], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("isolde.training.tasks.bands.STATISTICS_EXAMPLES", 32)  # quick
    task, seen = BandTask(SMALL, synthesis=kind), []

    def halves(task, network, spectra):
        seen.append(spectra)
        return np.full(spectra.shape, 0.5, np.float32)

    twins = [replace(e, accompaniment=e.vocals) for e in entries]
    with mock.patch.object(BandTask, "masks", halves):
        median, _ = task.validate(network_of(), twins, step=0)
    assert median > 90  # half of two equal parts is one, through analysis and synthesis
    np.testing.assert_array_equal(seen[0], analyse(sounds_of(twins[0])[1], task.grid))
    recipe = Recipe(task=task, segments=1, frames=4, steps=1)
    Run(tmp_path, recipe, examples_of(recipe, entries)).train()
    card = publish(tmp_path, tmp_path, name="small", summary="", licence="").card
    assert card.grid.synthesis == kind


def test_weights_in_half_the_bytes_give_the_masks():
    shape = BandShape(delays=(1, 1, 1))
    network = network_of(shape)
    whole = band_graph(network)
    stored = packed(whole)
    assert len(stored) < 0.55 * len(whole)
    frames = np.random.default_rng(5).uniform(0, 2, (1, 30, 2048)).astype(np.float32)
    graphs = [Graph(file) for file in (whole, stored)]
    masks = [graph(frames, graph.state(1))[0] for graph in graphs]
    assert 0 < np.abs(masks[0] - masks[1]).max() < 0.01


def test_weights_of_eight_bits_give_nearly_the_masks():
    shape = BandShape(delays=(1, 1, 1))
    whole = band_graph(network_of(shape))
    stored = packed(whole, bits=8)
    assert len(stored) < 0.32 * len(whole)
    frames = np.random.default_rng(5).uniform(0, 2, (1, 30, 2048)).astype(np.float32)
    masks = [g(frames, g.state(1))[0] for g in map(Graph, (whole, stored))]
    assert 0 < np.abs(masks[0] - masks[1]).mean() < 0.01
    assert packed(whole, bits=32) == whole
    with pytest.raises(InputError, match="12 bits: take 32, 16, 8"):
        packed(whole, bits=12)


def test_a_synthesis_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="synthesis 'brief' is unknown"):
        BandTask(SMALL, synthesis="brief")
    with pytest.raises(InputError, match="long synthesis only"):
        Recipe(task=WindowTask(synthesis="short"), draw="songs")


def test_learning_lowers_the_loss(entries: list[Entry]):
    mixer = examples_of(Recipe(BandTask(SMALL)), entries)
    network = network_of().train()
    task = BandTask(SMALL, bce=1.0)
    batch = task.batch(mixer, range(2), frames=16, step=0)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = task.loss(network, batch, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


@pytest.fixture(scope="module")
def quartets() -> list[Entry]:
    found = []
    for seed in (1, 2):
        stems = songs.make_song(seed, seconds=4.0, sample_rate=22050)
        pcm = {k: np.round(np.clip(a, -1, 1) * 32767).astype(np.int16) for k, a in stems.items()}
        activity = np.ones(GRID_22.n_frames(pcm["vocals"].shape[1]), np.bool_)
        entry = Entry(f"song {seed}", "", 11025.0, pcm.pop("vocals"), None, activity, **pcm)
        found.append(entry)
    return found


@pytest.mark.slow
def test_a_quartet_is_learnt(quartets: list[Entry]):
    shape = BandShape(features=8, shared=3, mixed=12, hidden=8, delays=(1, 1), masks=4)
    task = BandTask(shape, learns="quartet", bce=0.5)
    assert (task.stems, task.residual) == (("vocals", "drums", "bass"), "other")
    examples = examples_of(Recipe(task), quartets)
    network = network_of(shape).train()
    batch = task.batch(examples, range(2), frames=16, step=0)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = task.loss(network, batch, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("values", [{"learns": "vocal"}, {"learns": "quartet"}, {"snr": -1.0}])
def test_a_task_that_cannot_be_is_refused(values: dict):
    with pytest.raises(InputError):
        BandTask(SMALL, **values)


def test_features_hold_left_right_mid_and_side():
    audio = np.random.default_rng(1).normal(0, 0.1, (2, 3000)).astype(np.float32)
    spectra = analyse(audio, GRID_22)[:, :, :513]
    values = STEREO(spectra).reshape(-1, 512, 4)
    left, right = spectra[:, :, :512]
    for i, source in enumerate((left, right, (left + right) / 2, (left - right) / 2)):
        np.testing.assert_allclose(values[..., i], np.log1p(2560 * np.abs(source)), atol=1e-5)
