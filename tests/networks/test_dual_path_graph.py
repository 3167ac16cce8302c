"""The dual-path network: one form for training, streams and graphs; its file becomes a model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.blocks import stems_of
from helpers.sounds import noise
from isolde.activity import (
    MODEL,
    GatedMasker,
    MaskDetector,
    activity_model,
    find_activity,
    load_frame_detector,
)
from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import analyse
from isolde.core.signal.synthesis import synthesise
from isolde.models import catalogue
from isolde.models.catalogue import Model
from isolde.models.conditioning import Conditioner
from isolde.models.masker import make_masker
from isolde.separation.load import load_separator
from isolde.separation.stages.separator import Separator

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
pytest.importorskip("onnxscript", reason="needs the extra 'train'")

from isolde.networks.dual_path import CUTS, DualPathNetwork, DualPathShape  # noqa: E402
from isolde.networks.onnx.dual_path import SETTLING, Streaming  # noqa: E402
from isolde.networks.onnx.packing import packed  # noqa: E402
from isolde.networks.weights import NetworkFile, read_network, write_network  # noqa: E402
from isolde.training.export import publish  # noqa: E402
from isolde.training.tasks.dual_path import DualPathTask  # noqa: E402

pytestmark = pytest.mark.slow

torch.set_num_threads(1)  # these networks are too small for two
CUTS["tiny"] = ((2, 4), (4, 2))  # 16 bins, windows of 32 samples: an export in seconds
TINY = DualPathShape(cut="tiny", features=6, across=4, hidden=5, delays=(1, 0, 1), stack=2)


def network_of(shape: DualPathShape = TINY, *, seed: int = 0) -> DualPathNetwork:
    torch.manual_seed(seed)
    network = DualPathNetwork(shape).eval()
    with torch.no_grad():  # far from the zeros that biases and norms begin with
        for weights in network.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    network.mean.uniform_(0, 1)
    network.std.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    """The tiny network as a file, and that file as a model."""
    folder = tmp_path_factory.mktemp("dualpath")
    network = network_of()
    network.load_state_dict({k: v.half().float() for k, v in network.state_dict().items()})
    about = {"kind": "vocals", "hours": "1.500", "run": '{"seed": 3}'}
    write_network(folder / "tiny.safetensors", NetworkFile(network, about=about))
    return publish(
        folder / "tiny.safetensors", folder / "made", name="tiny", summary="", licence="CC0"
    )


@pytest.mark.parametrize(
    ("name", "message"), [("tiny", "exists already"), ("../up", "cannot be one")]
)
def test_a_file_is_no_model_beside_its_folder_or_over_another(
    model: Model, name: str, message: str
):
    path = model.path.parent.parent / "tiny.safetensors"
    before = model.path.read_bytes()
    with pytest.raises(InputError, match=message):
        publish(path, model.path.parent, name=name, summary="", licence="CC0")
    assert model.path.read_bytes() == before and not (path.parent / "up.onnx").exists()


def network_in(model: Model) -> DualPathNetwork:
    return read_network(model.path.parent.parent / "tiny.safetensors").network


SHAPES = [
    TINY,
    replace(TINY, stack=1, delays=(2, 1)),
    replace(TINY, masks=4, delays=(0,), stack=3),
]


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=5)
@given(cuts=st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_a_stream_in_any_pieces_is_the_whole(shape: DualPathShape, cuts: list[int]):
    network, n = network_of(shape), shape.stack * sum(cuts)
    frames = torch.rand(2, n, shape.n_bins * 4)
    state, at, parts, logits = network.state(2), 0, [], []
    with torch.no_grad():
        for steps in cuts:
            if steps:
                raw, present, state = network.stream(
                    frames[:, at : at + steps * shape.stack], state
                )
                parts.append(raw)
                logits.append(present)
            at += steps * shape.stack
        if n <= shape.look_ahead:
            return
        whole, presence = network(frames)
    ahead = shape.look_ahead
    assert whole.shape == (2, n - ahead, shape.masks * 2, shape.n_bins + 1)
    torch.testing.assert_close(torch.cat(parts, 1)[:, ahead:], whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat(logits, 1)[:, ahead:], presence, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_hears_its_look_ahead_and_not_a_frame_more(shape: DualPathShape):
    """The first frame of a stack waits for the last one too."""
    network, first = network_of(shape), 3 * shape.stack
    frames = torch.rand(1, 12 * shape.stack, shape.n_bins * 4)
    reach = shape.look_ahead + shape.stack - 1
    with torch.no_grad():
        before, present = (x[:, first] for x in network(frames))
        for distance, changes in ((reach, True), (reach + 1, False)):
            other = frames.clone()
            other[:, first + distance] += 1
            after, presence = (x[:, first] for x in network(other))
            assert bool((after != before).any()) is changes
            assert bool((presence != present).any()) is changes


def test_every_bin_of_a_band_hears_every_other_band():
    network, frames = network_of(), torch.rand(1, 12, TINY.n_bins * 4)
    other = frames.clone()
    other[:, 4, -1] += 5  # the side of the highest bin
    with torch.no_grad():
        changed = (network(frames)[0] != network(other)[0])[0, 4]
    assert bool(changed.any(dim=0).all())


def test_any_number_of_frames_trains_and_gradients_reach_every_weight():
    network = network_of()
    raw, logits = network(torch.rand(1, 15, TINY.n_bins * 4))  # no multiple of the stack
    assert raw.shape[1] == logits.shape[1] == 15 - TINY.look_ahead
    (network.read(raw).sum() + logits.sum()).backward()
    assert all(weights.grad is not None for weights in network.parameters())
    assert float(network.blocks[0].time.weight_hh_l0.grad.abs().sum()) > 0


def test_masks_of_four_stems_sum_to_one_and_the_residuals_stays_at_home():
    shape = replace(TINY, masks=4)
    network, frames = network_of(shape), torch.rand(2, 8, shape.n_bins * 4)
    streaming = Streaming(network, presence=True)
    with torch.no_grad():
        masks = network.read(network.stream(frames, network.state(2))[0])
        given, presence, *after = streaming(frames, list(network.state(2).values()))
    torch.testing.assert_close(masks.sum(dim=2), torch.ones(2, 8, 2, 17))
    torch.testing.assert_close(given, masks[:, :, :3].flatten(2))
    assert given.shape[2] == shape.outputs and presence.shape == (2, 8, 1)
    assert len(after) == len(network.state())
    assert 0 < float(presence.min()) and float(presence.max()) < 1


@pytest.mark.parametrize("answer", ["mask", "presence"])
def test_the_graph_is_the_network_at_any_number_of_frames_a_call(model: Model, answer: str):
    network, graph = network_in(model), model.graph(answer=answer)
    frames = np.random.default_rng(1).random((3, 30, 64), np.float32)
    with torch.no_grad():
        raw, logits, _ = network.stream(torch.from_numpy(frames), network.state(3))
        both = {"mask": network.read(raw).flatten(2), "presence": torch.sigmoid(logits)[..., None]}
    for cuts in ([30], [2, 2, 10, 16], [28, 2]):
        state, at, parts = graph.state(3), 0, []
        for n in cuts:
            part, state = graph(frames[:, at : at + n], state)
            parts.append(part)
            at += n
        np.testing.assert_allclose(
            np.concatenate(parts, 1), both[answer].numpy(), atol=1e-5, err_msg=str(cuts)
        )


def test_the_separator_does_what_the_network_says(model: Model):
    """From samples to samples, against the same by hand, whatever the blocks."""
    network, card = network_in(model), model.card
    audio = noise(2, 3001)
    spectra = analyse(audio, card.grid)
    heard = Conditioner(card.grid, level_db=card.level_db, lowest_hz=card.lowest_hz).feed(spectra)
    seen = np.pad(heard, ((0, 0), (SETTLING, card.look_ahead), (0, 0)))
    features = Features(signal="stereo")(seen)
    with torch.no_grad():
        masks = network.read(network(torch.from_numpy(features))[0])[0, SETTLING:, 0].numpy()
    expected = synthesise(spectra * masks.transpose(1, 0, 2), card.grid, audio.shape[1])
    for sizes in ([3001], [7, 333, 40]):
        separator = load_separator(model.path, sample_rate=22050, n_channels=2)
        vocals = stems_of(separator, audio, sizes)["vocals"]
        np.testing.assert_allclose(vocals, expected, atol=1e-5)


def masks_of(model: Model, spectra: np.ndarray) -> np.ndarray:
    masker = make_masker(model, n_channels=len(spectra))
    return np.concatenate([masker.feed(spectra), masker.flush()], axis=2)


def spectra_of(n_channels: int) -> np.ndarray:
    return analyse(noise(n_channels, 700), TINY.grid)


def test_channels_come_back_in_their_places(model: Model):
    """Five channels are three pairs, of which the last is mono; each has the masks it has alone."""
    spectra = spectra_of(5)
    masks = masks_of(model, spectra)
    assert masks.shape == (1, *spectra.shape)
    for pair in ([0, 1], [2, 3], [4]):
        np.testing.assert_allclose(masks[:, pair], masks_of(model, spectra[pair]), atol=2e-6)
    assert np.abs(masks[:, 0] - masks[:, 2]).max() > 0.01


def test_a_mono_song_is_a_stereo_song_of_two_equal_channels(model: Model):
    spectra = spectra_of(1)
    both = masks_of(model, np.repeat(spectra, 2, axis=0))
    np.testing.assert_allclose(masks_of(model, spectra), both[:, :1], atol=2e-6)


def test_validation_hears_the_masks_that_a_separator_makes(model: Model):
    spectra = spectra_of(2)
    expected = DualPathTask(TINY, n_fft=32).masks(network_in(model), spectra)
    np.testing.assert_allclose(masks_of(model, spectra)[0], expected, atol=1e-5)


def test_the_latency_holds_the_wait_for_a_whole_stack(model: Model):
    """Sample k is out when k + latency are in, and for one k not earlier."""
    separator = load_separator(model.path, sample_rate=22050, n_channels=1)
    n_fed, worst = 0, 0
    n_out = separator.feed(noise(1, 640))["vocals"].shape[1]
    for n_fed in range(641, 641 + 4 * TINY.grid.hop):
        worst = max(worst, n_fed - n_out)
        n_out += separator.feed(np.zeros((1, 1), np.float32))["vocals"].shape[1]
    assert worst == separator.latency
    assert separator.latency == TINY.grid.latency + (TINY.look_ahead + 1) * TINY.grid.hop


def test_the_card_says_what_the_file_told(model: Model):
    card = model.card
    assert (card.stems, card.residual) == (("vocals",), "accompaniment")
    assert (card.step, card.presence, card.look_ahead) == (2, True, 4)
    assert card.grid == TINY.grid and card.grid.n_fft == 32
    assert card.recipe["hours"] == 1.5 and card.recipe["run"] == {"seed": 3}
    assert card.recipe["net"]["delays"] == [1, 0, 1]


@pytest.mark.parametrize(("bits", "least", "most"), [(16, 0.0, 0.0), (8, 1e-5, 0.1)])
def test_fewer_bits_move_the_masks_little(
    model: Model, bits: int, least: float, most: float, tmp_path: Path, monkeypatch
):
    """Weights that come from a file are float16 already: 16 bits lose nothing."""
    monkeypatch.setattr("isolde.networks.onnx.packing.LEAST", 32)
    monkeypatch.setattr("isolde.networks.onnx.packing.MANY", 64)
    data = packed(model.path.read_bytes(), bits=bits)
    small = catalogue.save(tmp_path, replace(model.card, name="small"), data).graph()
    frames = np.random.default_rng(1).random((1, 20, 64), np.float32)
    full = model.graph()
    a, b = (g(frames, g.state(1))[0] for g in (full, small))
    assert least <= np.abs(a - b).max() <= most


@pytest.mark.parametrize("name", ["middle", "lean", "fine"])
def test_the_divisions_have_the_bins_of_a_grid(name: str):
    shape = DualPathShape(cut=name)
    assert shape.n_bins == (512 if name == "fine" else 1024)
    assert shape.grid.n_bins == shape.n_bins + 1 and shape.grid.n_fft == 4 * shape.grid.hop


def test_a_network_without_presence_says_so(tmp_path: Path):
    path = tmp_path / "mute.safetensors"
    write_network(path, NetworkFile(network_of(), presence=False, synthesis="short"))
    file = read_network(path)
    assert not file.presence and file.grid == replace(TINY.grid, synthesis="short")


def test_files_that_hold_no_such_network_are_refused(tmp_path: Path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    write_network(path, NetworkFile(network_of()))
    with safe_open(str(path), "pt") as file:
        about, weights = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    net = json.loads(about["net"])
    lost = {k: v for k, v in weights.items() if k != "norm.weight"}
    for message, state, told in (
        ("lacks the weights", lost, about),
        ("do not fit", weights, {**about, "net": json.dumps({**net, "hidden": 9})}),
        ("'depth' is unknown", weights, {**about, "net": json.dumps({**net, "depth": 9})}),
        ("windows of 2048", weights, {**about, "n_fft": "2048"}),
        ("holds no network", weights, {}),
        ("holds no network", weights, {**about, "n_fft": "many"}),
        ("cut 'broad' is unknown", weights, {"net": json.dumps({**net, "cut": "broad"})}),
    ):
        save_file(state, path, metadata=told)
        with pytest.raises(InputError, match=message) as caught:
            read_network(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(InputError, match="holds no network"):
        read_network(tmp_path / "text")


# --- presence


def test_activity_reads_the_presence_of_a_model_that_tells_it(model: Model, tmp_path: Path):
    """Its own grid, the music at its own level, one probability for each of its frames."""
    network, card, audio = network_in(model), model.card, noise(2, 3000)
    found = find_activity(audio, sample_rate=22050, model=model.path)
    assert found.frame_seconds == card.grid.frame_seconds
    conditioner = Conditioner(card.grid, level_db=card.level_db, lowest_hz=card.lowest_hz)
    heard = conditioner.feed(analyse(audio, card.grid))
    seen = np.pad(heard, ((0, 0), (SETTLING, card.look_ahead), (0, 0)))
    with torch.no_grad():
        logits = network(torch.from_numpy(Features(signal="stereo")(seen)))[1][0, SETTLING:]
    np.testing.assert_allclose(found.probabilities, torch.sigmoid(logits).numpy(), atol=1e-5)
    assert activity_model(model.path) == str(model.path)
    silent = replace(card, name="silent", presence=False)
    without = catalogue.save(tmp_path, silent, model.path.read_bytes())
    assert activity_model(without.path) == activity_model("rules") == MODEL
    assert isinstance(load_frame_detector(without.path, n_channels=2), MaskDetector)


def test_a_gate_hears_the_masks_of_its_own_grid(model: Model):
    """Stems sum, blocks change nothing, the latency holds; the gain is at most 1."""
    gated = GatedMasker(make_masker(model, n_channels=1))
    separator = Separator.with_masks(gated, sample_rate=22050, n_channels=1)
    audio = noise(1, 9000)
    results = []
    for size in (9000, 700):
        separator.reset()
        stems = stems_of(separator, audio, [size])
        assert np.abs(sum(stems.values()) - audio).max() < 2e-7
        results.append(stems["vocals"])
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    separator.reset()
    n_fed = n_out = 0
    for _ in range(60):
        n_out += separator.feed(noise(1, 500))["vocals"].shape[1]
        n_fed += 500
        assert n_out >= n_fed - separator.latency
