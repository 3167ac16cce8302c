"""U-Nets as one ONNX graph, large kernels in int8; it knows neither files nor sound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.networks.onnx.nodes import Nodes, serialised
from isolde.networks.onnx.packing import quantise
from isolde.networks.residual import SLOPE as BLOCK_SLOPE
from isolde.networks.residual import Residual
from isolde.networks.unet import (
    EPSILON,
    N_CHANNELS,
    SLOPE,
    STRIDE,
    UNet,
    UNetPair,
    UNetShape,
    UNetShared,
)

Weights = Mapping[str, NDArray[np.float32]]

MAGNITUDES = "magnitudes"
"""Name of the input."""

INT8_FROM = 100_000
"""Numbers from which a kernel is stored as int8: nearly all of them.

Measured on every second of 94 songs with `vocals-large`: 0.035 dB of the voice lost at worst,
0.001 won in the mean. Spleeter's own weights bear less: all kernels in int8, a unit for each
output channel, lose 0.056 dB in the mean and 0.148 at worst; with those under 300,000 in float16
and a unit for each output channel and place of the kernel 0.02.
"""


@dataclass
class _Builder(Nodes):
    """A graph in the making, whose kernels are stored small."""

    int8_from: int = 0

    def kernel(self, values: NDArray[np.float32], *, out_axis: int) -> str:
        """A kernel, stored small and read as float32 once, when the graph is loaded."""
        if not self.int8_from:
            return self.constant(values)
        if values.size < self.int8_from:
            return self._as_float(self.constant(values.astype(np.float16)))
        codes, scale = quantise(values, in_axis=1 - out_axis)
        return self.node("Mul", self._as_float(self.constant(codes)), self.constant(scale))

    def _as_float(self, value: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", value, to=TensorProto.FLOAT)

    def normalised(self, weights: Weights, key: str, source: str) -> str:
        """Batch normalisation with the statistics of the training."""
        parts = [
            self.constant(weights[f"{key}.{part}"])
            for part in ("weight", "bias", "running_mean", "running_var")
        ]
        return self.node("BatchNormalization", source, *parts, epsilon=EPSILON)

    def dense_kernel(self, source: str, weights: Weights, key: str) -> str:
        """A dense layer without a bias, on the last axis."""
        return self.node("MatMul", source, self.kernel(weights[f"{key}.weight"].T, out_axis=1))

    def residual(self, source: str, weights: Weights, key: str) -> str:
        """A residual block."""
        around = {"pads": [1, 1, 1, 1]}
        first = self.convolved("Conv", source, weights, f"{key}.first", out_axis=0, **around)
        near = self.node("LeakyRelu", first, alpha=BLOCK_SLOPE)
        narrow = self.dense_kernel(near, weights, f"{key}.narrow")
        narrow = self.node("LeakyRelu", narrow, alpha=BLOCK_SLOPE)
        heard = self.node("Add", near, self.dense_kernel(narrow, weights, f"{key}.wide"))
        change = self.convolved("Conv", heard, weights, f"{key}.second", out_axis=0, **around)
        return self.node("Add", source, change)

    def convolved(
        self, kind: str, source: str, weights: Weights, key: str, *, out_axis: int, **around: Any
    ) -> str:
        """A convolution, or a transposed one, with its bias."""
        kernel = self.kernel(weights[f"{key}.weight"], out_axis=out_axis)
        bias = self.constant(weights[f"{key}.bias"])
        return self.node(kind, source, kernel, bias, **around)


def _add_network(build: _Builder, network: UNet) -> str:
    """One U-Net from `magnitudes` to its logits."""
    weights = {k: v.detach().numpy() for k, v in network.state_dict().items()}
    source, skips = MAGNITUDES, []
    around = {"pads": [1, 1, 2, 2], "strides": [STRIDE, STRIDE]}
    for layer, down in enumerate(network.down):
        key = f"down.{layer}"
        skips.append(
            build.convolved("Conv", source, weights, f"{key}.conv", out_axis=0, **around)
        )  # the join takes what is not yet normalised
        if down.norm is not None:
            flat = build.normalised(weights, f"{key}.norm", skips[-1])
            source = build.node("LeakyRelu", flat, alpha=SLOPE)
        if isinstance(network.down_blocks[layer], Residual):
            source = build.residual(source, weights, f"down_blocks.{layer}")
    source = skips.pop()
    for layer in range(len(network.up)):
        key = f"up.{layer}"
        made = build.convolved(
            "ConvTranspose", source, weights, f"{key}.conv", out_axis=1, **around
        )
        source = build.normalised(weights, f"{key}.norm", build.node("Relu", made))
        if isinstance(network.up_blocks[layer], Residual):
            source = build.residual(source, weights, f"up_blocks.{layer}")
        if skips:
            source = build.node("Concat", skips.pop(), source, axis=1)
    last = {"pads": [3, 3, 3, 3], "dilations": [2, 2]}
    return build.convolved("Conv", source, weights, "last", out_axis=0, **last)


def _add_gains(build: _Builder, logits: str, stems: Sequence[str]) -> None:
    """The stems' magnitudes by masks that sum to one: separators read shares of powers."""
    if len(stems) == 2:
        masks = [build.node("Sigmoid", z) for z in (logits, build.node("Neg", logits))]
    else:
        first = build.constant(np.array([0], np.int64))
        apart = [
            build.part(logits, {1: (N_CHANNELS * i, N_CHANNELS * (i + 1))})
            for i in range(len(stems))
        ]
        joined = [build.node("Unsqueeze", part, first) for part in apart]
        shares = build.node("Softmax", build.node("Concat", *joined, axis=0), axis=0)
        masks = [
            build.node("Squeeze", build.part(shares, {0: (i, i + 1)}), first)
            for i in range(len(stems))
        ]
    for mask, stem in zip(masks, stems, strict=True):
        build.node("Mul", build.node("Sqrt", mask), MAGNITUDES, output=stem)


def unet_graph(
    masker: UNetPair | UNetShared,
    shape: UNetShape,
    stems: Sequence[str],
    *,
    int8_from: int = INT8_FROM,
) -> bytes:
    """Write the graph of U-Nets.

    Args:
        masker: Networks to write.
        shape: Shape of each.
        stems: Names of all stems, the one that the masks leave last.
        int8_from: Numbers from which a kernel is stored as int8, smaller ones as float16; 0: all
            as float32.

    Returns:
        An ONNX file: `magnitudes` (batch, 2, n_frames, n_bins) in, in Spleeter's unit; for each
        stem its magnitudes of the same shape out, whose powers are to each other as the masks;
        n_frames is a multiple of what the shape says.
    """
    build = _Builder(int8_from=int8_from)
    if isinstance(masker, UNetShared):
        _add_gains(build, _add_network(build, masker.net), stems)
    else:
        for stem, network in zip(stems, (masker.vocals, masker.accompaniment), strict=True):
            gain = build.node("Sigmoid", _add_network(build, network))
            build.node("Mul", gain, MAGNITUDES, output=stem)
    axes = ["batch", N_CHANNELS, "n_frames", shape.n_bins]
    return serialised(build, {MAGNITUDES: axes}, dict.fromkeys(stems, axes))
