"""A U-Net that answers for the newest frame: the plain one's answers, in any pieces, as a graph."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import analyse
from isolde.models.catalogue import Model
from isolde.models.graph import Graph
from isolde.separation.load import load_separator

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
pytest.importorskip("onnxscript", reason="needs the extra 'train'")

from helpers.unets import networks_of  # noqa: E402
from isolde.networks.onnx.unet_stream import unet_stream_graph  # noqa: E402
from isolde.networks.unet import UNetShape, UNetShared, shares_of  # noqa: E402
from isolde.networks.unet_stream import UNetStream  # noqa: E402
from isolde.training.checkpoint import Checkpoint  # noqa: E402
from isolde.training.export import publish, read_run  # noqa: E402
from isolde.training.loop import RECIPE, STATE  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.tasks.unet_stream import UNetStreamTask  # noqa: E402

SHAPES = [
    UNetShape((4, 8, 8), n_bins=128, masks=1),
    UNetShape((4, 6), n_bins=32, masks=4),
    UNetShape((3,), n_bins=16, masks=1),
]
SMALL = SHAPES[0]
TASK = UNetStreamTask(SMALL, window=32, context=6)


def stream_of(plain: UNetShared, shape: UNetShape) -> UNetStream:
    """The stream with its weights."""
    stream = UNetStream(shape).eval()
    stream.load_state_dict(plain.state_dict())
    return stream


def magnitudes_of(shape: UNetShape, n: int, *, seed: int = 1, batch: int = 1) -> torch.Tensor:
    """Some magnitudes, (batch, 2, n, n_bins)."""
    generator = torch.Generator().manual_seed(seed)
    return 0.01 * torch.rand(batch, 2, n, shape.n_bins, generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_answer_is_the_plain_networks_for_a_song_that_ends_there(shape: UNetShape):
    plain = networks_of(shape)
    magnitudes = magnitudes_of(shape, 45)
    with torch.no_grad():
        answers = stream_of(plain, shape)(magnitudes)
        for last in (0, 1, 2, 3, 7, 8, 20, 43, 44):
            silence = torch.zeros(1, 2, 64 + -(last + 1) % shape.multiple, shape.n_bins)
            heard = torch.cat([silence, magnitudes[:, :, : last + 1]], 2)
            expected = plain(heard)[..., -1, :]
            torch.testing.assert_close(answers[..., last, :], expected, rtol=1e-4, atol=1e-5)


def test_a_song_in_pieces_is_the_whole_and_only_the_last_answers_can_be_asked_for():
    stream = stream_of(networks_of(SMALL), SMALL)
    magnitudes = magnitudes_of(SMALL, 50, batch=2)
    with torch.no_grad():
        whole = stream(magnitudes)
        state, parts, at = stream.state(2), [], 0
        for n in (1, 2, 1, 17, 3, 26):
            piece = magnitudes[:, :, at : at + n].transpose(1, 2)
            logits, state = stream.stream(piece, state)
            parts.append(logits.permute(0, 2, 3, 1, 4))
            at += n
        assert at == 50
        torch.testing.assert_close(torch.cat(parts, 3), whole)
        torch.testing.assert_close(stream(magnitudes, answers=9), whole[..., -9:, :])


def test_silence_changes_no_state():
    stream = stream_of(networks_of(SMALL), SMALL)
    with torch.no_grad():
        _, state = stream.stream(torch.zeros(1, 30, 2, SMALL.n_bins), stream.state())
    assert max(float(values.abs().max()) for values in state.values()) < 1e-6


def test_two_networks_are_no_stream():
    with pytest.raises(InputError, match="masks is 0"):
        UNetStream(UNetShape((4,), n_bins=16))
    with pytest.raises(InputError, match="masks is 0"):
        UNetStreamTask(UNetShape((4,), n_bins=16), window=32)
    with pytest.raises(InputError, match="hear what follows"):
        UNetStream(UNetShape((4,), n_bins=16, masks=1, residual=True))
    with pytest.raises(InputError, match="hear what follows"):
        UNetStreamTask(UNetShape((4,), n_bins=16, masks=1, residual=True), window=32)
    with pytest.raises(InputError, match="context is -1"):
        replace(TASK, context=-1)
    with pytest.raises(InputError, match="which hears windows"):
        UNetStreamTask(UNetShape((4,), n_bins=16, masks=4), window=32, follows="vocals")


def test_its_features_are_the_magnitudes_of_pairs():
    audio = noise(3, 3000)
    spectra = analyse(audio, TASK.grid)
    features = Features(signal="pair")
    heard = features(spectra)
    assert features.streams(3) == 2 and heard.shape == (2, spectra.shape[1], 2 * SMALL.n_bins)
    np.testing.assert_allclose(heard[0, :, : SMALL.n_bins], np.abs(spectra[0, :, :-1]))
    np.testing.assert_allclose(heard[0, :, SMALL.n_bins :], np.abs(spectra[1, :, :-1]))
    np.testing.assert_allclose(heard[1, :, SMALL.n_bins :], np.abs(spectra[2, :, :-1]))


@pytest.fixture(scope="module", params=[1, 4])
def model(tmp_path_factory, request) -> Model:
    """What a run that holds the weights of a network for windows is exported as."""
    folder = tmp_path_factory.mktemp("stream")
    (folder / "run").mkdir()
    shape = replace(SMALL, masks=request.param)
    state = networks_of(shape).state_dict()
    average = {key: state[key] for key, _ in UNetStream(shape).named_parameters()}
    Checkpoint(network=state, average=average).save(folder / "run" / STATE)
    recipe = Recipe(UNetStreamTask(shape, window=32))
    (folder / "run" / RECIPE).write_text(json.dumps(recipe.to_dict()))
    return publish(folder / "run", folder, name="tiny", summary="", licence="CC0")


@pytest.mark.slow
def test_its_model_is_a_stream_that_answers_at_once(model: Model):
    card = model.card
    assert (card.kind, card.look_ahead, card.past, card.window) == ("stream", 0, 0, None)
    assert (card.features.signal, card.grid.synthesis) == ("pair", "short")
    separator = load_separator(model.path, sample_rate=22050, n_channels=2)
    assert separator.latency == card.grid.n_fft // 2  # the short synthesis alone


@pytest.mark.slow
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_its_graph_is_the_network_for_any_pieces_and_channels(model: Model, n_channels: int):
    network, _, _ = read_run(model.path.parent / "run")
    graph, rng = model.graph(), np.random.default_rng(0)
    frames = rng.random((2, 23, 2 * SMALL.n_bins), np.float32) * np.float32(0.01)
    with torch.no_grad():
        heard = torch.from_numpy(frames).unflatten(2, (2, -1)).transpose(1, 2)
        masks = shares_of(network(heard).permute(0, 3, 1, 2, 4), axis=2)
    named = masks[:, :, : len(model.card.stems)]
    state, parts = graph.state(2), []
    for at, n in ((0, 1), (1, 10), (11, 12)):
        answers, state = graph(frames[:, at : at + n], state)
        parts.append(answers)
    found = np.concatenate(parts, 1).reshape(2, 23, -1, 2, SMALL.n_bins + 1)
    np.testing.assert_allclose(found[..., :-1], named.numpy(), atol=1e-5)
    np.testing.assert_array_equal(found[..., -1], found[..., -2])
    audio = noise(n_channels, 9000)
    whole = load_separator(model.path, sample_rate=44100, n_channels=n_channels).whole([audio])
    pieces = load_separator(model.path, sample_rate=44100, n_channels=n_channels).whole(
        [audio[:, :1], audio[:, 1:4000], audio[:, 4000:]]
    )
    for stem, samples in whole.items():
        assert samples.shape == audio.shape
        assert null_depth(samples, pieces[stem]) < -110


@pytest.mark.slow
def test_large_kernels_in_int8_change_little(monkeypatch: pytest.MonkeyPatch):
    stream = stream_of(networks_of(SMALL), SMALL)
    exact = unet_stream_graph(stream)
    monkeypatch.setattr("isolde.networks.onnx.unet_stream.INT8_FROM", 50)
    small = unet_stream_graph(stream)
    assert len(small) < len(exact)
    frames = np.random.default_rng(0).random((1, 30, 2 * SMALL.n_bins), np.float32) / 100
    masks = [graph(frames, graph.state(1))[0] for graph in (Graph(exact), Graph(small))]
    assert 0 < np.abs(masks[0] - masks[1]).max() < 0.03
