"""The presence network: its graph equals it, its trunk stays, and it learns who sings when."""

from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from isolde.activity.detector import FrameDetector
from isolde.core.errors import ModelError
from isolde.core.features import Features
from isolde.core.spectrum import GRID_22, analyse
from isolde.datasets.mixing.library import Entry
from isolde.models.card import Card

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.models.graph import Graph  # noqa: E402
from isolde.networks.bands import BandNetwork, BandShape  # noqa: E402
from isolde.networks.onnx.bands import SETTLING, band_graph  # noqa: E402
from isolde.networks.onnx.presence import presence_graph  # noqa: E402
from isolde.networks.onnx.read_bands import band_network_of  # noqa: E402
from isolde.networks.presence import PresenceNetwork, PresenceShape  # noqa: E402
from isolde.training.mixing.mixer import Mixer  # noqa: E402
from isolde.training.mixing.settings import MixSettings  # noqa: E402
from isolde.training.mixing.timeline import PAIR, Timeline  # noqa: E402
from isolde.training.tasks.presence import PresenceTask  # noqa: E402

TRUNK = BandShape(features=6, shared=3, mixed=8, hidden=7, delays=(2, 1))
SHAPE = PresenceShape(trunk=TRUNK, spans=(1, 5, 9), hidden=8, hole=1, reach=1)
STEREO = Features(signal="stereo")


def trunk_of(shape: BandShape = TRUNK) -> BandNetwork:
    torch.manual_seed(1)
    network = BandNetwork(shape).eval()
    network.mean.uniform_(0, 1)
    network.std.uniform_(0.5, 2)
    return network


def network_of() -> PresenceNetwork:
    network = PresenceNetwork(SHAPE).eval()
    network.trunk.load_state_dict(trunk_of().state_dict())
    return network


@pytest.mark.parametrize("masks", [1, 4])
def test_a_band_network_comes_back_from_its_graph(masks: int, tmp_path: Path):
    shape = BandShape(features=6, shared=3, mixed=8, hidden=7, delays=(2, 0), masks=masks)
    network = trunk_of(shape)
    path = tmp_path / "trunk.onnx"
    path.write_bytes(band_graph(network))
    again = band_network_of(path, shape)
    frames = torch.rand(2, 20, 2048)
    with torch.no_grad():
        torch.testing.assert_close(again(frames), network(frames), atol=2e-6, rtol=1e-5)
    with pytest.raises(ModelError, match="no band network of this shape"):
        band_network_of(path, BandShape())


def test_the_graph_is_the_network_at_any_number_of_frames_a_call():
    network = network_of()
    graph = Graph(presence_graph(network))
    frames = np.random.default_rng(1).random((2, 30, 2048), np.float32)
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(frames))).numpy()
    whole, _ = graph(frames, graph.state(2))
    np.testing.assert_allclose(whole[:, SHAPE.look_ahead :, 0], expected, atol=2e-6)
    state, parts = graph.state(2), []
    for start, end in ((0, 1), (1, 4), (4, 30)):
        part, state = graph(frames[:, start:end], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=2e-6)


def test_an_answer_hears_its_look_ahead_and_not_a_frame_more():
    network, frames, frame = network_of(), torch.rand(1, 24, 2048), 9
    with torch.no_grad():
        before = network(frames)[:, frame]
        for distance, changes in ((SHAPE.look_ahead, True), (SHAPE.look_ahead + 1, False)):
            other = frames.clone()
            other[:, frame + distance] += 1
            assert bool((network(other)[:, frame] != before).any()) is changes


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_a_detector_hears_what_the_task_hears(n_channels: int):
    network = network_of()
    card = Card(
        name="presence",
        summary="",
        stems=(),
        residual="",
        look_ahead=SHAPE.look_ahead,
        past=SETTLING,
        features=STEREO,
        sha256="",
        licence="",
    )
    audio = np.random.default_rng(3).normal(0, 0.1, (n_channels, 9000)).astype(np.float32)
    spectra = analyse(audio, GRID_22)
    detector = FrameDetector(Graph(presence_graph(network)), card, n_channels=n_channels)
    found = np.concatenate([detector.feed(spectra[:, :7]), detector.feed(spectra[:, 7:]),
                            detector.flush()])  # fmt: skip
    np.testing.assert_allclose(found, PresenceTask(SHAPE).activity(network, spectra), atol=2e-6)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    found = []
    for seed in (1, 2):
        stems = songs.make_song(seed, seconds=6.0, sample_rate=22050)
        vocals = stems.pop("vocals")
        pcm = [np.round(np.clip(a, -1, 1) * 32767).astype(np.int16) for a in
               (vocals, sum(stems.values()))]  # fmt: skip
        activity = np.zeros(GRID_22.n_frames(vocals.shape[1]), np.bool_)
        for start, end in songs.activity(seed, seconds=6.0):
            activity[round(start * 86.13) : round(end * 86.13)] = True
        found.append(Entry(f"song {seed}", f"artist {seed}", 11025.0, *pcm, activity))
    return found


@pytest.mark.slow
def test_the_head_learns_and_the_trunk_stays(entries: list[Entry], tmp_path: Path):
    path = tmp_path / "trunk.onnx"
    path.write_bytes(band_graph(trunk_of()))
    (tmp_path / "trunk.json").write_text(
        Card(
            name="trunk",
            summary="",
            stems=("vocals",),
            residual="accompaniment",
            look_ahead=3,
            past=SETTLING,
            features=STEREO,
            sha256="",
            licence="",
        ).to_json()
    )
    task = PresenceTask(SHAPE, trunk=str(path))
    mixer = Mixer(Timeline(entries, stems=PAIR), MixSettings(voiced=0.0, no_voice=0.5), seed=1)
    torch.manual_seed(2)
    network = task.build().train()
    task.prepare(network, mixer)
    trunk = {k: v.clone() for k, v in network.trunk.state_dict().items()}
    batch = task.batch(mixer, range(4), frames=40, step=0)
    assert 0 < float(batch.sounds.mean()) < 1
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = task.loss(network, batch, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    for name, value in network.trunk.state_dict().items():
        assert torch.equal(value, trunk[name]), name
