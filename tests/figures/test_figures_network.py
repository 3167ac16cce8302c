"""A network read back from its graph is the same network; its maps are those of its layers."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from isolde.core.errors import ModelError  # noqa: E402
from isolde.networks.article import MASK, VAD, WindowNetwork, WindowShape  # noqa: E402
from isolde.networks.onnx.packing import packed  # noqa: E402
from isolde.networks.onnx.read_windows import feature_maps, network_of  # noqa: E402
from isolde.networks.onnx.windows import stateful_graph  # noqa: E402


# The graph keeps 1 / std, whose rounding is all that is lost with 32 bits.
@pytest.mark.slow
@pytest.mark.parametrize(("bits", "lost"), [(32, 1e-5), (16, 1e-3), (8, 1e-2)])
@pytest.mark.parametrize("shape", [VAD, MASK], ids=["vad", "mask"])
def test_the_network_comes_back_from_its_graph(
    shape: WindowShape, bits: int, lost: float, tmp_path: Path
):
    torch.manual_seed(1)
    network = WindowNetwork(shape).eval()
    network.mean.uniform_()
    network.std.uniform_(0.5, 2)
    path = tmp_path / "a.onnx"
    path.write_bytes(packed(stateful_graph(network), bits=bits))
    back = network_of(path)
    assert back.n_parameters == network.n_parameters
    windows = torch.rand(2, 25, 513)
    assert torch.allclose(back(windows), network(windows), atol=lost)


def test_the_maps_are_what_the_head_is_fed_with():
    torch.manual_seed(2)
    network = WindowNetwork(VAD).eval()
    window = torch.rand(25, 513)
    assert feature_maps(network, window.numpy(), layer=1).shape == (16, 513, 25)
    maps = torch.from_numpy(feature_maps(network, window.numpy()))
    assert maps.shape == (16, 171, 8)
    pooled = torch.nn.functional.max_pool2d(maps[None], 3)
    out = network.head(pooled.permute(0, 2, 3, 1).flatten(1))
    assert torch.allclose(out, network(window[None]), atol=1e-6)
    with pytest.raises(ModelError, match="1 to 4"):
        feature_maps(network, window.numpy(), layer=5)


def test_another_graph_is_refused(tmp_path: Path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["frames"], ["mask"])], "x", [value], [out])
    path = tmp_path / "a.onnx"
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(ModelError, match="no window network"):
        network_of(path)


def test_a_map_that_only_the_voice_moves_leans_to_the_voice():
    """The shipped model, if there is one, at a moment where the band is silent."""
    from isolde.figures.network import capture_network
    from isolde.models.catalogue import names

    if "vocals" not in names():
        pytest.skip("no model is shipped")
    t = np.arange(44_100) / 44_100
    voice = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in range(1, 9))
    voice = (0.1 * voice).astype(np.float32)[None]
    glimpse = capture_network(voice, voice, 44_100, at=0.5)
    assert glimpse.window.shape == (25, 513)
    assert glimpse.maps.shape == (16, 171, 8)
    assert np.allclose(glimpse.leaning, 1, atol=1e-3)
    assert sorted(glimpse.numbers) == list(range(1, 17))
