"""Write the graph of "mid", the mean of both channels in both; needs `pip install onnx`."""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

SIZE = 16384  # samples of a window, as in the card

shape = [1, 2, SIZE]
nodes = [
    helper.make_node("ReduceMean", ["mixture"], ["mid"], axes=[1], keepdims=1),
    helper.make_node("Concat", ["mid", "mid"], ["vocals"], axis=1),
]
graph = helper.make_graph(
    nodes,
    "mid",
    [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("vocals", TensorProto.FLOAT, shape)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
Path(sys.argv[1]).write_bytes(model.SerializeToString())
