"""A graph's weights in a half or a quarter of the bytes, for its file: it computes in float32."""

from isolde.errors import InputError, MissingExtraError

LEAST = 1024
"""Numbers that a constant must have to be worth it."""
LARGEST = 60000.0
"""Above it float16 has no numbers."""
MANY = 8192
"""Numbers that a constant must have to be stored as int8."""
BITS = (32, 16, 8)


def packed(graph: bytes, *, bits: int = 16) -> bytes:
    """The same graph with its large float32 constants stored in fewer bits.

    Each is turned back into float32 where it is read, once, when the graph is loaded. As float16 a
    weight moves by no more than 0.05 % of itself (or 3e-8); as int8 by 0.4 % of the largest of its
    row, each of which has a scale.

    Args:
        graph: an ONNX file.
        bits: 32 leaves it as it is, 16 is float16, 8 is int8 for the largest constants and float16
            for the others.

    Raises:
        InputError: another number of bits.
        MissingExtraError: when onnx is not installed.
    """
    if bits not in BITS:
        raise InputError(f"weights of {bits} bits: take {', '.join(map(str, BITS))}")
    if bits == BITS[0]:
        return graph
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", extra="train", purpose="writing a model") from None
    import numpy as np

    model = onnx.load_model_from_string(graph)
    nodes, scales = [], []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < LEAST or np.abs(values).max() > LARGEST:
            continue
        name = constant.name
        stored, read = f"{name}_stored", name
        if bits == 8 and values.size >= MANY:
            scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True), 1e-12) / 127
            scales.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
            constant.CopyFrom(
                numpy_helper.from_array(np.round(values / scale).astype(np.int8), stored)
            )
            read = f"{name}_rounded"
        else:
            constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        nodes.append(helper.make_node("Cast", [stored], [read], to=TensorProto.FLOAT))
        if read != name:
            nodes.append(helper.make_node("Mul", [read, f"{name}_scale"], [name]))
    nodes.extend(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(scales)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
