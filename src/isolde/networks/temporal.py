"""A small network over time on a window network's hidden units; it sees no spectrum.

A window of 0.3 s is short for telling whether somebody sings. The head looks at the hidden units of
`past` frames before and `future` frames after the one that it answers for: a 1x1 convolution, two
over time (the second dilated), and one output. It pads nothing: a stream feeds silence.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.errors import ModelError
from isolde.networks.article import SLOPE


@dataclass(frozen=True)
class TemporalShape:
    """Sizes of a head.

    Attributes:
        inputs: hidden units of the window network.
        channels: of every layer.
        kernel: taps of both convolutions over time.
        dilation: of the second one.
        future: frames after the one that the answer is for, beyond the window network's own.
    """

    inputs: int = 64
    channels: int = 16
    kernel: int = 21
    dilation: int = 4
    future: int = 24

    @property
    def span(self) -> int:
        """Frames that an answer needs beyond one."""
        return (self.kernel - 1) * (1 + self.dilation)

    @property
    def past(self) -> int:
        """Frames before the one that the answer is for."""
        return self.span - self.future


class TemporalHead(nn.Module):
    """Hidden units (n, n_frames, inputs) to raw answers (n, n_frames - span)."""

    mean: Tensor
    std: Tensor

    def __init__(self, shape: TemporalShape, *, dropout: float = 0.2) -> None:
        """Make a head with PyTorch's initial values."""
        super().__init__()
        self.shape, self.dropout = shape, dropout
        c, k = shape.channels, shape.kernel
        self.squeeze = nn.Conv1d(shape.inputs, c, 1)
        self.near = nn.Conv1d(c, c, k)
        self.far = nn.Conv1d(c, c, k, dilation=shape.dilation)
        self.output = nn.Conv1d(c, 1, 1)
        self.register_buffer("mean", torch.zeros(shape.inputs))
        self.register_buffer("std", torch.ones(shape.inputs))

    def forward(self, hidden: Tensor) -> Tensor:
        """Answer i is for frame i + past."""
        x = ((hidden - self.mean) / self.std).transpose(1, 2)
        x = functional.dropout1d(x, self.dropout, self.training)
        for layer in (self.squeeze, self.near, self.far):
            x = functional.leaky_relu(layer(x), SLOPE)
        out: Tensor = self.output(x)[:, 0]
        return out


def _cut(graph: bytes) -> tuple[Any, str]:
    """The graph up to its hidden units, and their name: (batch, units, n, 1)."""
    import onnx

    model = onnx.load_from_string(graph)
    nodes = model.graph.node
    last = max((i for i, node in enumerate(nodes) if node.op_type == "Squeeze"), default=-1)
    if last < 0 or [n.op_type for n in nodes[last:]] != [
        "Squeeze",
        "Transpose",
        "MatMul",
        "Add",
        "Sigmoid",
    ]:
        raise ModelError("the graph does not end in a window network's head: export it anew")
    hidden = nodes[last].input[0]
    del nodes[last:]
    return model, hidden


def hidden_graph(graph: bytes) -> bytes:
    """A window network's graph (of `export.stateful_graph`) that gives its hidden units.

    Returns:
        The same contract, with outputs the hidden units after LeakyReLU, to train a head on.

    Raises:
        ModelError: when the graph is of another kind.
    """
    from onnx import helper, numpy_helper

    model, hidden = _cut(graph)
    add = model.graph.node.append
    model.graph.initializer.append(numpy_helper.from_array(np.array([3]), "units_axis"))
    add(helper.make_node("Squeeze", [hidden, "units_axis"], ["units"]))
    add(helper.make_node("Transpose", ["units"], ["mask"], perm=[0, 2, 1]))
    model.graph.output[0].type.tensor_type.shape.dim[2].ClearField("dim_value")
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "units"
    return bytes(model.SerializeToString())


def with_head(graph: bytes, head: TemporalHead) -> bytes:
    """A window network's graph (of `export.stateful_graph`) with a head in place of its own.

    The answers of the result are for the frame that is the network's look-ahead and
    `head.shape.future` before the newest one; before a song feed the network's past and
    `head.shape.span` frames of silence.

    Args:
        graph: of the window network.
        head: trained on its hidden units; not changed.

    Raises:
        ModelError: when the graph is of another kind.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    model, value = _cut(graph)
    body = model.graph
    shape = head.shape

    def constant(name: str, values: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> str:
        body.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        body.node.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def numbers(tensor: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]]":
        return tensor.detach().numpy()

    column = (1, shape.inputs, 1, 1)
    value = node("Sub", [value, constant("h_mean", numbers(head.mean).reshape(column))], "h_0")
    value = node("Div", [value, constant("h_std", numbers(head.std).reshape(column))], "h_1")
    end = constant("h_end", np.array([np.iinfo(np.int64).max]))
    axis = constant("h_axis", np.array([2]))
    layers = (
        ("squeeze", head.squeeze, 1),
        ("near", head.near, 1),
        ("far", head.far, shape.dilation),
        ("answer", head.output, 1),
    )
    for name, layer, dilation in layers:
        kernel = layer.weight.shape[2]
        kept = (kernel - 1) * dilation
        if kept:
            state = f"state_{name}"
            dims: list[Any] = ["batch", layer.weight.shape[1], kept, 1]
            for values, key in ((body.input, state), (body.output, f"next_{state}")):
                values.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, dims))
            value = node("Concat", [state, value], f"h_{name}_whole", axis=2)
            first = constant(f"h_{name}_first", np.array([-kept]))
            node("Slice", [value, first, end, axis], f"next_{state}")
        weight = constant(f"h_{name}_weight", numbers(layer.weight)[..., None])
        bias = constant(f"h_{name}_bias", numbers(layer.bias))  # type: ignore[arg-type]
        value = node(
            "Conv",
            [value, weight, bias],
            f"h_{name}",
            dilations=[dilation, 1],
            kernel_shape=[kernel, 1],
        )
        if name != "answer":
            value = node("LeakyRelu", [value], f"h_{name}_out", alpha=SLOPE)
    value = node("Squeeze", [value, constant("h_last", np.array([3]))], "h_answer_flat")
    value = node("Transpose", [value], "h_answer_rows", perm=[0, 2, 1])
    node("Sigmoid", [value], "mask")
    checker.check_model(model)
    return bytes(model.SerializeToString())
