"""Nodes and constants of an ONNX graph in the making, and its file; it knows no network."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 17
IR_VERSION = 9
TO_THE_END = np.iinfo(np.int64).max

Dims = dict[str, list[Any]]


@dataclass
class Nodes:
    """What has been added so far."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

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

    def part(
        self, value: str, ranges: dict[int, tuple[int, int]], output: str | None = None
    ) -> str:
        """Add a slice along some axes; give its name."""
        columns = zip(*((a, *r) for a, r in ranges.items()), strict=True)
        axes, starts, ends = (self.constant(np.array(c, np.int64)) for c in columns)
        return self.node("Slice", value, starts, ends, axes, output=output)


def serialised(nodes: Nodes, inputs: Dims, outputs: Dims) -> bytes:
    """Write the file of a finished graph of float tensors, checked."""
    from onnx import TensorProto, checker, helper

    def tensors(dims: Dims) -> list[Any]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, d) for n, d in dims.items()]

    graph = helper.make_graph(
        nodes.nodes, "isolde", tensors(inputs), tensors(outputs), nodes.constants
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return bytes(model.SerializeToString())
