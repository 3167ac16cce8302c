"""A trained band network as a stateful ONNX graph (the contract is in `export`); it runs nothing.

States are each GRU's memory and the frames that wait for its answer. The features' means and
deviations go into the first layer's weights.
"""

import numpy as np
import torch
from numpy.typing import NDArray

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
from isolde.networks.nodes import TO_THE_END, Dims, Nodes, serialised
from isolde.spectrum import N_MODEL_BINS

SETTLING = 8
"""Frames of silence to feed before a song."""


def _numbers(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().numpy(), np.float32)


class _Writer(Nodes):
    """Writes the layers; tensors are (n_frames, streams, bands, features)."""

    def __init__(self, network: BandNetwork) -> None:
        super().__init__()
        self.network, self.shape = network, network.shape
        self.states: dict[str, list[int]] = {}

    def whole(self, *sizes: int) -> str:
        return self.constant(np.array(sizes, np.int64))

    def leaky(self, value: str) -> str:
        return self.node("LeakyRelu", value, alpha=SLOPE)

    def dense(self, value: str, layer: torch.nn.Linear) -> str:
        product = self.node("MatMul", value, self.constant(_numbers(layer.weight.T)))
        return self.node("Add", product, self.constant(_numbers(layer.bias)))

    def banded(self, value: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """(bands, rows, inputs) -> (bands, rows, outputs)."""
        product = self.node("MatMul", value, self.constant(weight))
        return self.node("Add", product, self.constant(bias[:, None]))

    def embed(self, frames: str) -> str:
        """(streams, n, 2048) -> (bands, n * streams, features)."""
        parts, start = [], 0
        for layer, (width, count) in zip(self.network.inward, WIDTHS, strict=True):
            assert isinstance(layer, BandLinear)
            inputs = width * SIGNALS
            end = start + count * inputs
            mean, std = (
                _numbers(v[start:end]).reshape(count, inputs)
                for v in (self.network.mean, self.network.std)
            )
            weight = _numbers(layer.weight) / std[:, :, None]
            bias = _numbers(layer.bias) - np.einsum("ki,kio->ko", mean, weight)
            x = self.part(frames, {2: (start, end)})
            x = self.node("Reshape", x, self.whole(-1, count, inputs))
            x = self.node("Transpose", x, perm=[1, 0, 2])
            parts.append(self.banded(x, weight, bias))
            start = end
        return self.leaky(self.node("Concat", *parts, axis=0))

    def state(self, *sizes: int) -> str:
        name = f"state_{len(self.states)}"
        self.states[name] = list(sizes)
        return name

    def block(self, x: str, layer: Block, seq: str, four: str, shared: str) -> str:
        """`x` and the result (n, streams, bands, features); the others are such shapes."""
        bands, features = n_bands(), self.shape.features
        memory = self.state(bands, features)
        names = [f"{part}_{kind}_l0" for part in ("weight", "bias") for kind in ("ih", "hh")]
        values = [_numbers(getattr(layer.memory, name)) for name in names]

        def gates(v: NDArray[np.float32]) -> NDArray[np.float32]:
            r, z, new = np.split(v, 3)  # PyTorch's order; ONNX has z, r, new
            return np.concatenate([z, r, new])

        w_ih, w_hh, b_ih, b_hh = map(gates, values)
        said, after = f"said_{memory}", f"after_{memory}"
        begin = self.node("Reshape", memory, self.whole(1, -1, features))
        flat = self.node("Reshape", x, seq)
        inputs = [self.constant(v[None]) for v in (w_ih, w_hh, np.concatenate([b_ih, b_hh]))]
        self.node("GRU", flat, *inputs, "", begin, output=said, hidden_size=features,
                  linear_before_reset=1)  # fmt: skip
        self.nodes[-1].output.append(after)
        self.node("Reshape", after, self.whole(-1, bands, features), output=f"next_{memory}")
        if layer.delay:
            waiting = self.state(layer.delay, bands, features)
            before = self.node("Transpose", waiting, perm=[1, 0, 2, 3])
            joined = self.node("Concat", before, x, axis=0)
            kept = self.part(joined, {0: (-layer.delay, TO_THE_END)})
            self.node("Transpose", kept, perm=[1, 0, 2, 3], output=f"next_{waiting}")
            x = self.part(joined, {0: (0, -layer.delay)})
        x = self.node("Add", x, self.node("Reshape", said, four))
        seen = self.leaky(self.dense(x, layer.gather))
        seen = self.node("Reshape", seen, self.whole(0, 0, -1))
        mixed = self.leaky(self.dense(seen, layer.mix))
        back = self.leaky(self.dense(mixed, layer.unmix))
        back = self.node("Reshape", back, shared)
        return self.node("Add", x, self.dense(back, layer.spread))

    def answer(self, x: str) -> str:
        """(n, streams, bands, features) -> raw masks (n * streams, masks * 2, 513)."""
        network, sides = self.network, 2 * self.shape.masks
        x = self.node("Reshape", x, self.whole(-1, n_bands(), self.shape.features))
        x = self.node("Transpose", x, perm=[1, 0, 2])
        x = self.leaky(
            self.banded(x, _numbers(network.hidden.weight), _numbers(network.hidden.bias))
        )
        parts, start = [], 0
        for layer, (width, count) in zip(network.outward, WIDTHS, strict=True):
            assert isinstance(layer, BandLinear)
            # sides first, so that a band's bins come out side by side
            weight, bias = (
                np.moveaxis(_numbers(v).reshape(*v.shape[:-1], width, sides), -1, -2)
                for v in (layer.weight, layer.bias)
            )
            band = self.part(x, {0: (start, start + count)})
            raw = self.banded(band, weight.reshape(count, -1, sides * width),
                              bias.reshape(count, -1))  # fmt: skip
            raw = self.node("Reshape", raw, self.whole(count, -1, sides, width))
            raw = self.node("Transpose", raw, perm=[1, 2, 0, 3])
            parts.append(self.node("Reshape", raw, self.whole(0, 0, -1)))
            start += count
        last = self.part(parts[-1], {2: (-1, TO_THE_END)})
        return self.node("Concat", *parts, last, axis=2)

    def read(self, raw: str) -> str:
        """Raw masks (n * streams, masks * 2, 513) to masks, without the residual's."""
        masks = self.shape.masks
        if masks == 1:
            return self.node("Sigmoid", raw)
        apart = self.node("Reshape", raw, self.whole(0, masks, 2 * N_MODEL_BINS))
        return self.part(self.node("Softmax", apart, axis=1), {1: (0, masks - 1)})


def band_graph(network: BandNetwork) -> bytes:
    """The ONNX file of a band network; feed it `SETTLING` frames of silence before a song.

    Args:
        network: trained weights; not changed.

    Returns:
        the serialised model: frames (streams, n, 2048) and states to masks
        (streams, n, masks * 2 * 513) and states; of several masks, that sum to 1, the last one, the
        residual's, is left out.
    """
    w, shape = _Writer(network), network.shape
    frames = w.node("Transpose", "frames", perm=[1, 0, 2])  # (n, streams, 2048)
    sizes = w.node("Shape", frames, start=0, end=2)
    n = w.node("Shape", frames, start=0, end=1)
    seq = w.node("Concat", n, w.whole(-1, shape.features), axis=0)
    four = w.node("Concat", sizes, w.whole(n_bands(), shape.features), axis=0)
    shared = w.node("Concat", sizes, w.whole(n_bands(), shape.shared), axis=0)
    x = w.node("Transpose", w.embed(frames), perm=[1, 0, 2])
    x = w.node("Reshape", x, four)
    for block in network.blocks:
        assert isinstance(block, Block)
        x = w.block(x, block, seq, four, shared)
    masks = w.node("Reshape", w.read(w.answer(x)), w.node("Concat", sizes, w.whole(-1), axis=0))
    w.node("Transpose", masks, perm=[1, 0, 2], output="mask")
    states: Dims = {name: ["batch", *dims] for name, dims in w.states.items()}
    return serialised(
        w,
        {"frames": ["batch", "n", N_BINS * SIGNALS], **states},
        {"mask": ["batch", "n", shape.outputs], **{f"next_{k}": v for k, v in states.items()}},
    )
