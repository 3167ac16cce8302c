"""The article's networks: their exact sizes, and three ways to evaluate them that must agree."""

import numpy as np
import pytest

from isolde.core.errors import InputError, ModelError

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.models.graph import Graph  # noqa: E402
from isolde.networks.article import (  # noqa: E402
    MASK,
    VAD,
    WindowNetwork,
    WindowShape,
    windows_of,
)
from isolde.networks.onnx.packing import packed  # noqa: E402
from isolde.networks.onnx.windows import stateful_graph, window_graph  # noqa: E402
from isolde.networks.sliding import plan, slide  # noqa: E402

SHAPES = pytest.mark.parametrize("shape", [VAD, MASK], ids=["vad", "mask"])


def network_of(shape: WindowShape, *, dtype: torch.dtype = torch.float32) -> WindowNetwork:
    """A network whose every constant matters: random biases, means and deviations too."""
    torch.manual_seed(3)
    network = WindowNetwork(shape, dropout=(0, 0, 0)).to(dtype)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    network.mean.normal_()
    network.std.uniform_(0.5, 2)
    return network.eval()


def test_parameter_counts_are_the_articles():
    assert WindowNetwork(VAD).n_parameters == 123_985
    assert WindowNetwork(MASK).n_parameters == 323_233


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        (VAD, [160, 2320, 2320, 2320, 116_800, 65]),
        (MASK, [320, 4624, 9280, 9232, 233_600, 66_177]),
    ],
    ids=["vad", "mask"],
)
def test_each_layer_has_the_articles_size(shape: WindowShape, counts: list[int]):
    network = WindowNetwork(shape)
    layers = [*network.convolutions, network.hidden, network.output]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == counts


def test_initial_values_are_keras_s():
    """Glorot uniform: within sqrt(6 / (fan in + fan out)) and filling it; biases zero."""
    network = WindowNetwork(MASK)
    layer = network.convolutions[2]
    limit = (6 / (9 * 16 + 9 * 64)) ** 0.5
    largest = layer.weight.abs().max().item()
    assert 0.98 * limit < largest <= limit
    assert not layer.bias.any()


def test_flatten_runs_over_frequency_time_channel():
    """As in Keras: input i of the dense layer is (bin, column, channel), the last one fastest."""
    network = network_of(MASK)
    maps = torch.randn(1, 16, 57, 2)  # torch's order: channel, bin, column
    flat = maps.permute(0, 2, 3, 1).flatten(1)[0]
    for i in (0, 5, 17, 900, 1823):
        f, t, c = np.unravel_index(i, (57, 2, 16))
        assert flat[i] == maps[0, c, f, t]
    assert network.hidden.in_features == 57 * 2 * 16


def test_leaky_relu_has_keras_s_slope():
    network = network_of(VAD)
    x = torch.full((1, 64), -2.0)
    expected = network.output(x * 0.3)
    torch.testing.assert_close(network.top(x), expected)


@pytest.mark.slow
@SHAPES
@pytest.mark.parametrize("n_frames", [25, 26, 40])
def test_sliding_equals_the_window_exactly(shape: WindowShape, n_frames: int):
    """Outputs and gradients in float64; 1e-10 leaves six digits for the order of summation."""
    network = network_of(shape, dtype=torch.float64)
    frames = torch.randn(2, n_frames, 513, dtype=torch.float64, requires_grad=True)
    pick = torch.randn(2, n_frames - 24, shape.outputs, dtype=torch.float64)
    found = []
    for answers in (
        torch.stack([network(windows_of(f)) for f in frames]),
        slide(network, frames),
    ):
        network.zero_grad()
        frames.grad = None
        (answers * pick).sum().backward()
        found.append((answers.detach(), frames.grad, [p.grad for p in network.parameters()]))
    (a, da, pa), (b, db, pb) = found
    assert (a - b).abs().max() < 1e-10
    assert (da - db).abs().max() < 1e-10 * max(1, da.abs().max())
    for x, y in zip(pa, pb, strict=True):
        assert (x - y).abs().max() < 1e-10 * max(1, x.abs().max())


@SHAPES
def test_sliding_equals_the_window_in_float32(shape: WindowShape):
    network, frames = network_of(shape), torch.randn(1, 60, 513)
    with torch.no_grad():
        difference = network(windows_of(frames[0])) - slide(network, frames)[0]
    assert difference.abs().max() < 1e-5


def test_the_plan_has_the_kinds_that_the_algebra_names():
    """Maps per layer and the columns of the head, as derived by hand."""
    steps = plan()
    assert [len(level.maps) for level in steps.levels] == [1, 3, 4, 3, 4, 5, 2]
    taps = [sum(len(t) for t in level.used) for level in steps.levels]
    assert taps == [3, 6, 4, 6, 9, 5, 0]
    assert [offset for _, offset in steps.columns] == [0, 1]
    assert (steps.lead, steps.span) == (0, 24)


def test_the_interior_form_has_one_map_a_layer_and_needs_more_frames():
    steps = plan(exact=False)
    assert [len(level.maps) for level in steps.levels] == [1] * 7
    assert (steps.lead, steps.span) == (8, 33)
    network = network_of(MASK)
    with torch.no_grad():
        answers = slide(network, torch.randn(1, 40, 513), exact=False)
    assert answers.shape == (1, 7, 513)


def test_a_window_of_another_size_is_refused():
    with pytest.raises(ModelError, match="25, 513"):
        WindowNetwork(VAD)(torch.zeros(1, 24, 513))


@SHAPES
def test_the_graph_equals_the_window(shape: WindowShape):
    network = network_of(shape)
    graph = Graph(stateful_graph(network))
    frames = np.random.default_rng(0).normal(size=(2, 50, 513)).astype(np.float32)
    mask, _ = graph(frames, graph.state(2))
    with torch.no_grad():
        for one, answers in zip(frames, mask, strict=True):
            expected = torch.sigmoid(network(windows_of(torch.from_numpy(one)))).numpy()
            np.testing.assert_allclose(answers[24:], expected, atol=1e-5)


def test_the_graph_remembers_between_calls():
    """One frame a call, odd numbers of frames, and a thousand at once are the same stream."""
    graph = Graph(stateful_graph(network_of(MASK)))
    frames = np.random.default_rng(0).normal(size=(1, 1000, 513)).astype(np.float32)
    whole, _ = graph(frames, graph.state(1))
    for sizes in ([1] * 60, [7, 0, 1, 30, 2]):
        state, at = graph.state(1), 0
        for n in sizes:
            part, state = graph(frames[:, at : at + n], state)
            assert part.shape[1] == n
            np.testing.assert_allclose(part, whole[:, at : at + n], atol=1e-5)
            at += n


@SHAPES
def test_the_window_graph_is_the_network(shape: WindowShape):
    """The oracle that benchmarks run: same engine as the shared form, one window at a time."""
    import onnxruntime

    network = network_of(shape)
    session = onnxruntime.InferenceSession(
        window_graph(network), providers=["CPUExecutionProvider"]
    )
    windows = torch.randn(3, 25, 513)
    (mask,) = session.run(None, {"windows": windows.numpy()})
    with torch.no_grad():
        expected = torch.sigmoid(network(windows)).numpy()
    np.testing.assert_allclose(mask, expected, atol=1e-5)


def test_state_passed_in_is_not_changed():
    graph = Graph(stateful_graph(network_of(VAD)))
    state = graph.state(1)
    graph(np.ones((1, 3, 513), np.float32), state)
    assert not any(values.any() for values in state.values())


def test_a_file_that_is_no_graph_is_refused():
    with pytest.raises(ModelError, match="cannot be loaded"):
        Graph(b"this is no graph")


@pytest.mark.parametrize(("bits", "share"), [(16, 0.55), (8, 0.35)])
def test_weights_in_fewer_bytes_give_nearly_the_masks(bits: int, share: float):
    whole = stateful_graph(network_of(MASK))
    stored = packed(whole, bits=bits)
    assert len(stored) < share * len(whole)
    frames = np.random.default_rng(5).uniform(0, 2, (1, 30, 513)).astype(np.float32)
    masks = [graph(frames, graph.state(1))[0] for graph in map(Graph, (whole, stored))]
    assert 0 < np.abs(masks[0] - masks[1]).mean() < 0.01


def test_weights_of_32_bits_are_as_they_were_and_of_12_are_refused():
    whole = window_graph(network_of(VAD))
    assert packed(whole, bits=32) == whole
    with pytest.raises(InputError, match="12 bits: take 32, 16, 8"):
        packed(whole, bits=12)
