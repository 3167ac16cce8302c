"""Nodes and constants of an ONNX graph under construction, and its file; it knows no network."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

OPSET = 17
IR_VERSION = 9
TO_THE_END = np.iinfo(np.int64).max

Dims = dict[str, list[Any]]


def numbers(tensor: Tensor) -> NDArray[np.float32]:
    """Convert a weight to float32 for a graph."""
    return np.asarray(tensor.detach().numpy(), np.float32)


@dataclass
class Nodes:
    """A graph under construction.

    Attributes:
        nodes: Nodes in their order.
        constants: Constants in theirs.
        states: Sizes of each state without those of the batch; the node that names its output
            `next_` and the state's name says how it goes on.
    """

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    states: Dims = field(default_factory=dict)

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant; give its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; give the name of its first output."""
        from onnx import helper

        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def whole(self, *sizes: int) -> str:
        """Add a constant of whole numbers; give its name."""
        return self.constant(np.array(sizes, np.int64))

    def state(self, *sizes: int) -> str:
        """Add a state of (batch, *sizes); give its name."""
        name = f"state_{len(self.states)}"
        self.states[name] = list(sizes)
        return name

    def dense(self, value: str, layer: nn.Linear) -> str:
        """Add a dense layer on the last axis; give its name."""
        product = self.node("MatMul", value, self.constant(numbers(layer.weight.T)))
        return self.node("Add", product, self.constant(numbers(layer.bias)))

    def part(
        self, value: str, ranges: dict[int, tuple[int, int]], output: str | None = None
    ) -> str:
        """Add a slice along some axes; give its name."""
        columns = zip(*((a, *r) for a, r in ranges.items()), strict=True)
        axes, starts, ends = (self.constant(np.array(c, np.int64)) for c in columns)
        return self.node("Slice", value, starts, ends, axes, output=output)


def serialised(nodes: Nodes, inputs: Dims, outputs: Dims) -> bytes:
    """Write the file of a finished graph of float tensors, checked.

    Args:
        nodes: Graph, whose states become inputs and outputs behind the others.
        inputs: Sizes of the inputs by name.
        outputs: Sizes of the outputs by name.
    """
    from onnx import TensorProto, checker, helper

    def tensors(dims: Dims) -> list[Any]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, d) for n, d in dims.items()]

    states: Dims = {name: ["batch", *sizes] for name, sizes in nodes.states.items()}
    inputs = {**inputs, **states}
    outputs = {**outputs, **{f"next_{name}": sizes for name, sizes in states.items()}}
    graph = helper.make_graph(
        nodes.nodes, "isolde", tensors(inputs), tensors(outputs), nodes.constants
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return bytes(model.SerializeToString())
