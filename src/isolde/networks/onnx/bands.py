"""A trained band network as a stateful ONNX graph (the contract is in `export`); it runs nothing.

States are each GRU's memory and the frames that wait for its answer. The features' means and
deviations go into the first layer's weights.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from isolde.core.spectrum import GRID_22
from isolde.networks.article import SLOPE
from isolde.networks.bands import (
    N_BINS,
    SIGNALS,
    WIDTHS,
    BandLinear,
    BandNetwork,
    Block,
    n_bands,
)
from isolde.networks.onnx.nodes import TO_THE_END, Nodes, numbers, serialised

SETTLING = 8
"""Frames of silence to feed before a song."""


class BandWriter(Nodes):
    """Writes the layers; tensors are (n_frames, streams, bands, features)."""

    def __init__(self, network: BandNetwork) -> None:
        """Begin with an empty graph."""
        super().__init__()
        self.network, self.shape = network, network.shape
        self.sizes = ""  # the name of (n, streams), once there is an input

    def leaky(self, value: str) -> str:
        """Add a LeakyReLU."""
        return self.node("LeakyRelu", value, alpha=SLOPE)

    def dense_by_band(
        self, value: str, weight: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> str:
        """Turn (bands, rows, inputs) into (bands, rows, outputs)."""
        product = self.node("MatMul", value, self.constant(weight))
        return self.node("Add", product, self.constant(bias[:, None]))

    def embed(self, frames: str) -> str:
        """Turn (streams, n, 2048) into (bands, n * streams, features)."""
        parts, start = [], 0
        for layer, (width, count) in zip(self.network.inward, WIDTHS, strict=True):
            assert isinstance(layer, BandLinear)
            inputs = width * SIGNALS
            end = start + count * inputs
            mean, std = (
                numbers(v[start:end]).reshape(count, inputs)
                for v in (self.network.mean, self.network.std)
            )
            weight = numbers(layer.weight) / std[:, :, None]
            bias = numbers(layer.bias) - np.einsum("ki,kio->ko", mean, weight)
            x = self.part(frames, {2: (start, end)})
            x = self.node("Reshape", x, self.whole(-1, count, inputs))
            x = self.node("Transpose", x, perm=[1, 0, 2])
            parts.append(self.dense_by_band(x, weight, bias))
            start = end
        return self.leaky(self.node("Concat", *parts, axis=0))

    def remember(self, flat: str, layer: torch.nn.GRU, *sizes: int) -> str:
        """Run a GRU over (n, rows, features), its state (streams, *sizes); (n, 1, rows, ...)."""
        memory = self.state(*sizes)
        names = [f"{part}_{kind}_l0" for part in ("weight", "bias") for kind in ("ih", "hh")]
        values = [numbers(getattr(layer, name)) for name in names]

        def gates(v: NDArray[np.float32]) -> NDArray[np.float32]:
            r, z, new = np.split(v, 3)  # PyTorch's order; ONNX has z, r, new
            return np.concatenate([z, r, new])

        w_ih, w_hh, b_ih, b_hh = map(gates, values)
        said, after = f"said_{memory}", f"after_{memory}"
        begin = self.node("Reshape", memory, self.whole(1, -1, layer.hidden_size))
        inputs = [self.constant(v[None]) for v in (w_ih, w_hh, np.concatenate([b_ih, b_hh]))]
        self.node("GRU", flat, *inputs, "", begin, output=said, hidden_size=layer.hidden_size,
                  linear_before_reset=1)  # fmt: skip
        self.nodes[-1].output.append(after)
        self.node("Reshape", after, self.whole(-1, *sizes), output=f"next_{memory}")
        return said

    def delay_by(self, x: str, delay: int, *sizes: int) -> str:
        """Give `x` (n, streams, *sizes) as it was `delay` frames ago."""
        if not delay:
            return x
        waiting = self.state(delay, *sizes)
        swapped = [1, 0, *range(2, 2 + len(sizes))]
        joined = self.node("Concat", self.node("Transpose", waiting, perm=swapped), x, axis=0)
        kept = self.part(joined, {0: (-delay, TO_THE_END)})
        self.node("Transpose", kept, perm=swapped, output=f"next_{waiting}")
        return self.part(joined, {0: (0, -delay)})

    def block(self, x: str, layer: Block, seq: str, four: str, shared: str) -> str:
        """Turn `x` into as much, (n, streams, bands, features); the others are such shapes."""
        bands, features = n_bands(), self.shape.features
        said = self.remember(self.node("Reshape", x, seq), layer.memory, bands, features)
        x = self.delay_by(x, layer.delay, bands, features)
        x = self.node("Add", x, self.node("Reshape", said, four))
        seen = self.leaky(self.dense(x, layer.gather))
        seen = self.node("Reshape", seen, self.whole(0, 0, -1))
        mixed = self.leaky(self.dense(seen, layer.mix))
        back = self.leaky(self.dense(mixed, layer.unmix))
        back = self.node("Reshape", back, shared)
        return self.node("Add", x, self.dense(back, layer.spread))

    def encode(self, frames: str) -> str:
        """Turn (streams, n, 2048) into (n, streams, bands, features), after all blocks."""
        frames = self.node("Transpose", frames, perm=[1, 0, 2])
        self.sizes = self.node("Shape", frames, start=0, end=2)
        n = self.node("Shape", frames, start=0, end=1)
        bands, features = n_bands(), self.shape.features
        seq = self.node("Concat", n, self.whole(-1, features), axis=0)
        four = self.node("Concat", self.sizes, self.whole(bands, features), axis=0)
        shared = self.node("Concat", self.sizes, self.whole(bands, self.shape.shared), axis=0)
        x = self.node("Transpose", self.embed(frames), perm=[1, 0, 2])
        x = self.node("Reshape", x, four)
        for block in self.network.blocks:
            assert isinstance(block, Block)
            x = self.block(x, block, seq, four, shared)
        return x

    def finish(self, rows: str, outputs: int) -> bytes:
        """Give the file, whose answer is `rows` (n * streams, ...) as (streams, n, outputs)."""
        shape = self.node("Concat", self.sizes, self.whole(-1), axis=0)
        answer = self.node("Reshape", rows, shape)
        self.node("Transpose", answer, perm=[1, 0, 2], output="mask")
        return serialised(
            self,
            {"frames": ["batch", "n", N_BINS * SIGNALS]},
            {"mask": ["batch", "n", outputs]},
        )

    def answer(self, x: str) -> str:
        """Turn (n, streams, bands, features) into raw masks (n * streams, masks * 2, 513)."""
        network, sides = self.network, 2 * self.shape.masks
        x = self.node("Reshape", x, self.whole(-1, n_bands(), self.shape.features))
        x = self.node("Transpose", x, perm=[1, 0, 2])
        x = self.leaky(
            self.dense_by_band(x, numbers(network.hidden.weight), numbers(network.hidden.bias))
        )
        parts, start = [], 0
        for layer, (width, count) in zip(network.outward, WIDTHS, strict=True):
            assert isinstance(layer, BandLinear)
            # sides first, so that a band's bins come out side by side
            weight, bias = (
                np.moveaxis(numbers(v).reshape(*v.shape[:-1], width, sides), -1, -2)
                for v in (layer.weight, layer.bias)
            )
            band = self.part(x, {0: (start, start + count)})
            raw = self.dense_by_band(band, weight.reshape(count, -1, sides * width),
                              bias.reshape(count, -1))  # fmt: skip
            raw = self.node("Reshape", raw, self.whole(count, -1, sides, width))
            raw = self.node("Transpose", raw, perm=[1, 2, 0, 3])
            parts.append(self.node("Reshape", raw, self.whole(0, 0, -1)))
            start += count
        last = self.part(parts[-1], {2: (-1, TO_THE_END)})
        return self.node("Concat", *parts, last, axis=2)

    def read(self, raw: str) -> str:
        """Turn raw masks (n * streams, masks * 2, 513) into masks, without the residual's."""
        masks = self.shape.masks
        if masks == 1:
            return self.node("Sigmoid", raw)
        apart = self.node("Reshape", raw, self.whole(0, masks, 2 * GRID_22.n_bins))
        return self.part(self.node("Softmax", apart, axis=1), {1: (0, masks - 1)})


def band_graph(network: BandNetwork) -> bytes:
    """Write the ONNX file of a band network; feed it `SETTLING` frames of silence before a song.

    Args:
        network: Network with trained weights; not changed.

    Returns:
        The serialised model: frames (streams, n, 2048) and states to masks
        (streams, n, masks * 2 * 513) and states; of several masks, that sum to 1, the last one, the
        residual's, is left out.
    """
    w = BandWriter(network)
    masks = w.read(w.answer(w.encode("frames")))
    return w.finish(masks, network.shape.outputs)
