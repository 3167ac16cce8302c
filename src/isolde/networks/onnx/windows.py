"""A trained network as a stateful ONNX graph; it runs nothing.

    (frames (batch, n, bins), states...) -> (mask (batch, n, outputs), next states...)

for any n and batch. Answer i of a stream is for frame i - look_ahead; the first ones, until a whole
window has been fed, mean nothing. The graph is the plan of `sliding`, written in ONNX: where the
shared form in PyTorch takes shifted parts of a stretch, the graph joins each product to the last
frames of the calls before, its state, and takes the parts from there.
"""

from typing import Any

import numpy as np

from isolde.networks.article import POOL, SLOPE, WindowNetwork
from isolde.networks.onnx.nodes import TO_THE_END, Nodes, serialised
from isolde.networks.sliding import Level, plan, stacked_taps

TIME, CHANNEL = 2, 1


class _Builder(Nodes):
    """A graph in the making; tensors are (n, channel, time, bin)."""

    def maps_of(self, source: str, network: WindowNetwork) -> str:
        """Features (n, time, bin) as the first layer is fed with them, one channel."""
        centred = self.node("Sub", source, self.constant(network.mean.numpy()))
        scaled = self.node("Mul", centred, self.constant((1 / network.std).numpy()))
        return self.node("Unsqueeze", scaled, self.whole(1))

    def join(self, value: str, channels: int, frames: int, bins: int) -> str:
        """`value` behind its own last `frames` frames of the calls before."""
        if not frames:
            return value
        name = self.state(channels, frames, bins)
        whole = self.node("Concat", name, value, axis=TIME)
        self.part(whole, {TIME: (-frames, TO_THE_END)}, output=f"next_{name}")
        return whole

    def combine_shifted(
        self,
        sources: list[tuple[str, int, int, int]],
        maps: list[tuple[list[tuple[int, int, int]], int]],
        bins: int,
        combine: str,
    ) -> list[str]:
        """Combine time-shifted blocks of the sources, remembering what the shifts reach back to.

        Args:
            sources: (name, lag, blocks, channels of a block).
            maps: For each map its terms (source, block, shift) and its lag.
            bins: Number of bins of the sources.
            combine: "Sum" or "Max".
        """
        wholes, kept = [], []
        for i, (name, lag, blocks, channels) in enumerate(sources):
            reach = [
                m_lag - shift - lag for terms, m_lag in maps for s, _, shift in terms if s == i
            ]
            kept.append(max(reach, default=0))
            wholes.append(self.join(name, blocks * channels, kept[-1], bins))
        outputs = []
        for terms, m_lag in maps:
            parts = []
            for i, block, shift in terms:
                _, lag, blocks, channels = sources[i]
                start = lag + kept[i] - m_lag + shift
                behind = kept[i] - start
                ranges = {TIME: (start, -behind if behind else TO_THE_END)} if kept[i] else {}
                if blocks > 1:
                    ranges[CHANNEL] = (block * channels, (block + 1) * channels)
                parts.append(self.part(wholes[i], ranges) if ranges else wholes[i])
            outputs.append(self.node(combine, *parts) if len(parts) > 1 else parts[0])
        return outputs


def _convolve(
    builder: _Builder, sources: list[str], layer: Any, below: Level, level: Level, bins: int
) -> list[str]:
    """A convolution layer: each (tap, source) product once; tap 0, in every map, has the bias."""
    channels = layer.weight.shape[0]
    products = []
    for name, taps, lag in zip(sources, below.used, below.lag, strict=True):
        weight = builder.constant(stacked_taps(layer.weight, taps).numpy())
        bias = np.concatenate(
            [layer.bias.numpy() if tap == 0 else np.zeros(channels, np.float32) for tap in taps]
        )
        product = builder.node("Conv", name, weight, builder.constant(bias), pads=[0, 1, 0, 1])
        products.append((product, lag, len(taps), channels))
    maps = [
        ([(t.source, below.used[t.source].index(t.tap), t.shift) for t in terms], lag)
        for terms, lag in zip(level.maps, level.lag, strict=True)
    ]
    return builder.combine_shifted(products, maps, bins, "Sum")


def _convolve_input(
    builder: _Builder, frames: str, layer: Any, level: Level, bins: int
) -> list[str]:
    """The first layer: with one channel in, whole kernels cost less than sums of products."""
    kept = max(level.lag)
    whole = builder.join(frames, 1, kept, bins)
    maps = []
    for terms, lag in zip(level.maps, level.lag, strict=True):
        kernel = np.stack([layer.weight[..., t.tap + 1].numpy() for t in terms], axis=2)
        part = builder.part(whole, {TIME: (kept - lag, TO_THE_END)}) if lag < kept else whole
        inputs = [part, builder.constant(kernel), builder.constant(layer.bias.numpy())]
        maps.append(builder.node("Conv", *inputs, pads=[0, 1, 0, 1]))
    return maps


def _pool(
    builder: _Builder, sources: list[str], below: Level, level: Level, channels: int, bins: int
) -> list[str]:
    """Max over bins, then over time, then LeakyReLU."""
    narrow = [
        (builder.node("MaxPool", s, kernel_shape=[1, POOL], strides=[1, POOL]), lag, 1, channels)
        for s, lag in zip(sources, below.lag, strict=True)
    ]
    maps = [
        ([(t.source, 0, t.shift) for t in terms], lag)
        for terms, lag in zip(level.maps, level.lag, strict=True)
    ]
    pooled = builder.combine_shifted(narrow, maps, bins // POOL, "Max")
    return [builder.node("LeakyRelu", p, alpha=SLOPE) for p in pooled]


def _head(builder: _Builder, sources: list[str], network: WindowNetwork, last: Level) -> str:
    """The dense layers: a partial product for each column of the window, summed where it stands."""
    shape, steps = network.shape, plan(network.shape.n_frames)
    bins, columns = shape.pooled
    weights = network.hidden.weight.view(shape.hidden, bins, columns, shape.channels[-1])
    products = []
    for t, (i, _) in enumerate(steps.columns):
        kernel = weights[:, :, t].transpose(1, 2).unsqueeze(2).numpy()  # (hidden, channel, 1, bin)
        bias = network.hidden.bias.numpy() * np.float32(t == 0)
        name = builder.node("Conv", sources[i], builder.constant(kernel), builder.constant(bias))
        products.append((name, last.lag[i], 1, shape.hidden))
    terms = [(t, 0, offset) for t, (_, offset) in enumerate(steps.columns)]
    (hidden,) = builder.combine_shifted(products, [(terms, steps.span)], 1, "Sum")
    hidden = builder.node("LeakyRelu", hidden, alpha=SLOPE)
    hidden = builder.node("Squeeze", hidden, builder.whole(3))
    hidden = builder.node("Transpose", hidden, perm=[0, 2, 1])
    return builder.dense(hidden, network.output)


def window_graph(network: WindowNetwork) -> bytes:
    """Write the ONNX file of a network as the article runs it: one window, one answer.

    (windows (n, n_frames, bins)) -> (mask (n, outputs)). It is the oracle, and the thing to beat.

    Args:
        network: Network with trained weights; not changed.

    Returns:
        The serialised model.
    """
    import torch

    with torch.no_grad():
        builder, shape = _Builder(), network.shape
        maps = builder.maps_of("windows", network)
        layer: Any
        for i, layer in enumerate(network.convolutions):
            # (time, frequency) here, (frequency, time) in the network
            weight = builder.constant(layer.weight.transpose(2, 3).numpy())
            bias = builder.constant(layer.bias.numpy())
            maps = builder.node("Conv", maps, weight, bias, pads=[1, 1, 1, 1])
            maps = builder.node("LeakyRelu", maps, alpha=SLOPE)
            if i % 2:
                square = [POOL, POOL]
                maps = builder.node("MaxPool", maps, kernel_shape=square, strides=square)
        flat = builder.node("Transpose", maps, perm=[0, 3, 2, 1])  # bin, column, channel
        flat = builder.node("Flatten", flat)
        weight = builder.constant(network.hidden.weight.numpy())
        hidden = builder.node(
            "Gemm", flat, weight, builder.constant(network.hidden.bias.numpy()), transB=1
        )
        hidden = builder.node("LeakyRelu", hidden, alpha=SLOPE)
        weight = builder.constant(network.output.weight.numpy())
        out = builder.node(
            "Gemm", hidden, weight, builder.constant(network.output.bias.numpy()), transB=1
        )
        builder.node("Sigmoid", out, output="mask")
    window = ["n", shape.n_frames, shape.n_bins]
    return serialised(builder, {"windows": window}, {"mask": ["n", shape.outputs]})


def stateful_graph(network: WindowNetwork) -> bytes:
    """Write the ONNX file of a window network with sigmoid outputs, in its exact shared form.

    Args:
        network: Network with trained weights; not changed.

    Returns:
        The serialised model.
    """
    import torch

    with torch.no_grad():
        builder, shape = _Builder(), network.shape
        steps = plan(shape.n_frames)
        maps = [builder.maps_of("frames", network)]
        convolutions, bins, channels = iter(network.convolutions), shape.n_bins, 1
        for depth, level in enumerate(steps.levels[1:], 1):
            below = steps.levels[depth - 1]
            if level.kind == "convolution":
                layer: Any = next(convolutions)
                if depth == 1:
                    maps = _convolve_input(builder, maps[0], layer, level, bins)
                else:
                    maps = _convolve(builder, maps, layer, below, level, bins)
                channels = layer.weight.shape[0]
                if steps.levels[depth + 1].kind == "convolution":
                    maps = [builder.node("LeakyRelu", m, alpha=SLOPE) for m in maps]
            else:
                maps = _pool(builder, maps, below, level, channels, bins)
                bins //= POOL
        builder.node("Sigmoid", _head(builder, maps, network, steps.levels[-1]), output="mask")
    frames, mask = ["batch", "n", shape.n_bins], ["batch", "n", shape.outputs]
    return serialised(builder, {"frames": frames}, {"mask": mask})
