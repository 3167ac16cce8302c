"""Store a graph's weights in float16 or int8; the graph computes in float32."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError, MissingExtraError, ModelError

LEAST = 1024
"""Numbers that a constant must have to be worth it."""
LARGEST = 60000.0
"""Above it float16 has no numbers."""
MANY = 8192
"""Numbers that a constant must have to be stored as int8."""
BITS = (32, 16, 8)
STORED, ROUNDED, SCALE = "_stored", "_rounded", "_scale"
"""What is put behind the name of a constant: in the file, read from int8, each row's unit."""

Stored = tuple[NDArray[Any], NDArray[np.float32] | None]
"""A constant as it is stored, and the units of what is int8."""

_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def quantise(
    values: NDArray[np.float32], *, in_axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Store a kernel in int8, with the best unit for each output channel and place.

    Args:
        values: Kernel (channels, channels, height, width).
        in_axis: Axis of the input channels, which share a unit, 0 or 1.

    Returns:
        The codes, of the same shape, and the units, of size 1 on the axis of the input channels.
    """
    largest = np.maximum(np.abs(values).max(axis=in_axis, keepdims=True), 1e-12)
    best = np.zeros_like(largest)
    least = np.full(largest.shape, np.inf)
    for clip in _CLIPS:
        unit = largest * np.float32(clip / 127)
        codes = np.clip(np.round(values / unit), -127, 127)
        error = np.sum((codes * unit - values) ** 2, axis=in_axis, keepdims=True)
        best = np.where(error < least, unit, best)
        least = np.minimum(error, least)
    codes = np.clip(np.round(values / best), -127, 127).astype(np.int8)
    return codes, best.astype(np.float32)


def with_int8(graph: bytes, kernels: Mapping[str, int]) -> bytes:
    """Store kernels of a graph as int8, with a unit for each output channel and place.

    Args:
        graph: ONNX file.
        kernels: Name of each constant, and the axis of its input channels.

    Raises:
        MissingExtraError: onnx is not installed.
    """

    def small(name: str, values: NDArray[Any]) -> Stored | None:
        return quantise(values, in_axis=kernels[name]) if name in kernels else None

    return _stored(graph, small)


def packed(graph: bytes, *, bits: int = 16) -> bytes:
    """Store the large float32 constants of a graph in fewer bits.

    Each is turned back into float32 where it is read, once, when the graph is loaded. As float16 a
    weight moves by no more than 0.05 % of itself (or 3e-8); as int8 by 0.4 % of the largest of its
    row, each of which has a scale.

    Args:
        graph: ONNX file.
        bits: 32 leaves it as it is, 16 is float16, 8 is int8 for the largest constants and float16
            for the others.

    Raises:
        InputError: The number of bits is another one.
        MissingExtraError: onnx is not installed.
    """
    if bits not in BITS:
        raise InputError(f"weights of {bits} bits: take {', '.join(map(str, BITS))}")
    if bits == BITS[0]:
        return graph

    def small(name: str, values: NDArray[Any]) -> Stored | None:
        if values.dtype != np.float32 or values.size < LEAST or name.endswith(SCALE):
            return None
        if np.abs(values).max() > LARGEST:
            return None
        if bits == 16 or values.size < MANY:
            return values.astype(np.float16), None
        scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True), 1e-12) / 127
        return np.round(values / scale).astype(np.int8), scale.astype(np.float32)

    return _stored(graph, small)


def _stored(graph: bytes, small: Callable[[str, NDArray[Any]], Stored | None]) -> bytes:
    """A graph whose constants are stored as a function of name and values says.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", extra="train", purpose="writing a model") from None
    model = onnx.load_model_from_string(graph)
    nodes, scales = [], []
    for constant in model.graph.initializer:
        name = constant.name
        found = small(name, numpy_helper.to_array(constant))
        if found is None:
            continue
        values, scale = found
        read = name if scale is None else f"{name}{ROUNDED}"
        constant.CopyFrom(numpy_helper.from_array(values, f"{name}{STORED}"))
        nodes.append(helper.make_node("Cast", [f"{name}{STORED}"], [read], to=TensorProto.FLOAT))
        if scale is not None:
            scales.append(numpy_helper.from_array(scale, f"{name}{SCALE}"))
            nodes.append(helper.make_node("Mul", [read, f"{name}{SCALE}"], [name]))
    nodes.extend(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(scales)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def read_graph(path: Path) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Read the nodes of a graph, and its constants by name, as they are stored.

    Args:
        path: Path of an ONNX file.

    Raises:
        MissingExtraError: onnx is not installed.
        ModelError: The file is no graph.
    """
    try:
        from onnx import load, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", extra="train", purpose="reading a network") from None
    try:
        graph = load(path).graph
    except Exception as error:  # also protobuf's, which no other base class has
        raise ModelError(f"{path}: cannot be read as a graph ({error})") from None
    return list(graph.node), {c.name: numpy_helper.to_array(c) for c in graph.initializer}


def unpacked(path: Path) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Read the nodes and constants of a graph, as they were before `packed`.

    Args:
        path: Path of an ONNX file, packed or not.

    Returns:
        The nodes but for those that read packed constants, and constants by name, in the order in
        which they were written; the packed ones in float32.

    Raises:
        MissingExtraError: onnx is not installed.
        ModelError: The file is no graph.
    """
    all_nodes, held = read_graph(path)
    values = {}
    for name, stored in held.items():
        if name.endswith(STORED):
            name = name.removesuffix(STORED)
            stored = stored.astype(np.float32) * held.get(f"{name}{SCALE}", np.float32(1))
        if not name.endswith(SCALE):
            values[name] = stored
    nodes = [n for n in all_nodes if n.output[0].removesuffix(ROUNDED) not in values]
    return nodes, values
