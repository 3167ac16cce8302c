"""A graph's weights in half the bytes, for its file only: it computes as before, in float32."""

from isolde.errors import MissingExtraError

LEAST = 1024
"""Numbers that a constant must have to be worth it."""
LARGEST = 60000.0
"""Above it float16 has no numbers."""


def halved(graph: bytes) -> bytes:
    """The same graph with its large float32 constants stored as float16.

    Each is turned back into float32 where it is read, once, when the graph is loaded. A weight
    moves by no more than 0.05 % of itself (or 3e-8).

    Args:
        graph: an ONNX file.

    Raises:
        MissingExtraError: when onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", extra="train", purpose="writing a model") from None
    import numpy as np

    model = onnx.load_model_from_string(graph)
    casts = []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < LEAST or np.abs(values).max() > LARGEST:
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
