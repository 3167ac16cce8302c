"""The band network: bands of bins, a memory for each, and a dense layer across them; no window.

    features (n, n_frames, 512 x 4) -> masks (n, n_frames, 2, 513)

The 512 bins are cut into 40 bands, narrow where the voice's partials lie apart and wide above. Each
band's numbers become N features. Three blocks follow: a GRU over time, with the same weights for
every band, and a bottleneck layer that sees all bands at once. A GRU looks ahead because what it
says about a frame is read some frames later. The last layer turns each band's features into masks,
one for the left and one for the right channel.

Band splitting: Luo and Yu, "Music source separation with band-split RNN", 2022. A dense layer
across frequency: Choi et al., "Investigating U-Nets with various intermediate blocks", 2020.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.core.errors import InputError
from isolde.core.spectrum import GRID_22
from isolde.networks.article import SLOPE

SIGNALS = 4
"""Numbers in a bin: left, right, mid and side."""
N_BINS = GRID_22.n_bins - 1
"""The bin at 11,025 Hz takes the mask of the one below."""
WIDTHS = ((4, 16), (8, 8), (16, 8), (32, 8))
"""(bins in a band, bands), from 0 Hz up."""


@dataclass(frozen=True)
class BandShape:
    """Sizes of a band network.

    Attributes:
        features: Features of each band.
        shared: Features of each band that the other bands see.
        mixed: Units of the layer that sees all bands.
        hidden: Units of each band's last hidden layer.
        delays: For each block, frames after the one that its answer is for.
        masks: Masks per channel: 1, whose complement is the residual, or one for each stem, the
            residual's too, which sum to 1.
    """

    features: int = 64
    shared: int = 16
    mixed: int = 192
    hidden: int = 96
    delays: tuple[int, ...] = (4, 4, 4)
    masks: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.features, self.shared, self.mixed, self.hidden, self.masks) < 1:
            raise InputError(f"a band network of sizes {asdict(self)}: give sizes of at least 1")
        if not self.delays or min(self.delays) < 0:
            raise InputError(f"delays {self.delays}: give frames, 0 or more, for each block")

    @property
    def look_ahead(self) -> int:
        """Frames after the one that an answer is for."""
        return sum(self.delays)

    @property
    def outputs(self) -> int:
        """Numbers of a graph's answer: (masks but the residual's, channels, bins)."""
        return max(1, self.masks - 1) * 2 * GRID_22.n_bins


def n_bands() -> int:
    """Count the bands."""
    return sum(count for _, count in WIDTHS)


class BandLinear(nn.Module):
    """A dense layer for each band: (..., bands, inputs) -> (..., bands, outputs)."""

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        """Make it with Glorot's initial values."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(bands, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(bands, outputs))
        bound = (6 / (inputs + outputs)) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each band's own layer."""
        flat = x.reshape(-1, *x.shape[-2:]).transpose(0, 1)
        out = torch.baddbmm(self.bias[:, None], flat, self.weight)
        return out.transpose(0, 1).reshape(*x.shape[:-1], -1)


class Block(nn.Module):
    """A GRU over time for each band, then a bottleneck across the bands; both add to what is."""

    def __init__(self, shape: BandShape, delay: int) -> None:
        """Make a block whose GRU answers `delay` frames late."""
        super().__init__()
        self.delay = delay
        self.memory = nn.GRU(shape.features, shape.features)
        self.gather = nn.Linear(shape.features, shape.shared)
        self.mix = nn.Linear(n_bands() * shape.shared, shape.mixed)
        self.unmix = nn.Linear(shape.mixed, n_bands() * shape.shared)
        self.spread = nn.Linear(shape.shared, shape.features)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n_frames, n, bands, features) into as many; answer i is for frame i - delay."""
        frames, n, bands, features = x.shape
        said, _ = self.memory(x.reshape(frames, n * bands, features))
        late = functional.pad(x, (0, 0, 0, 0, 0, 0, self.delay, 0))[:frames]
        x = late + said.view(frames, n, bands, features)
        shared = functional.leaky_relu(self.gather(x), SLOPE).flatten(2)
        mixed = functional.leaky_relu(self.mix(shared), SLOPE)
        back = functional.leaky_relu(self.unmix(mixed), SLOPE).view(frames, n, bands, -1)
        out: Tensor = x + self.spread(back)
        return out


class BandNetwork(nn.Module):
    """Features of stretches of a stereo song to masks."""

    mean: Tensor
    std: Tensor

    def __init__(self, shape: BandShape) -> None:
        """Make a network with random weights."""
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(N_BINS * SIGNALS))
        self.register_buffer("std", torch.ones(N_BINS * SIGNALS))
        self.inward = nn.ModuleList(
            BandLinear(count, width * SIGNALS, shape.features) for width, count in WIDTHS
        )
        self.blocks = nn.ModuleList(Block(shape, delay) for delay in shape.delays)
        self.hidden = BandLinear(n_bands(), shape.features, shape.hidden)
        self.outward = nn.ModuleList(
            BandLinear(count, shape.hidden, width * 2 * shape.masks) for width, count in WIDTHS
        )

    def embed(self, frames: Tensor) -> Tensor:
        """Turn (n, n_frames, 2048) into (n_frames, n, bands, features)."""
        x = ((frames - self.mean) / self.std).transpose(0, 1)
        parts, start = [], 0
        for layer, (width, count) in zip(self.inward, WIDTHS, strict=True):
            end = start + width * count * SIGNALS
            parts.append(layer(x[..., start:end].reshape(*x.shape[:2], count, -1)))
            start = end
        return functional.leaky_relu(torch.cat(parts, dim=-2), SLOPE)

    def encode(self, frames: Tensor) -> Tensor:
        """Turn (n, n_frames, 2048) into (n_frames, n, bands, features), look_ahead frames late."""
        x = self.embed(frames)
        for block in self.blocks:
            x = block(x)
        return x

    def answer(self, x: Tensor) -> Tensor:
        """Turn (n_frames, n, bands, features) into raw masks (n, n_frames, masks * 2, 513)."""
        x = functional.leaky_relu(self.hidden(x), SLOPE)
        parts, start = [], 0
        for layer, (width, count) in zip(self.outward, WIDTHS, strict=True):
            raw = layer(x[..., start : start + count, :])
            parts.append(raw.reshape(*x.shape[:2], count * width, self.shape.masks * 2))
            start += count
        whole = torch.cat([*parts, parts[-1][..., -1:, :]], dim=-2)
        return whole.permute(1, 0, 3, 2)

    def read(self, raw: Tensor) -> Tensor:
        """Turn raw masks (n, n_frames, masks * 2, 513) into masks (n, n_frames, masks, 2, 513)."""
        raw = raw.reshape(*raw.shape[:2], self.shape.masks, 2, GRID_22.n_bins)
        return torch.sigmoid(raw) if self.shape.masks == 1 else torch.softmax(raw, dim=2)

    def forward(self, frames: Tensor) -> Tensor:
        """Give raw masks, for `read`; answer i is for frame i, read `look_ahead` frames later.

        Args:
            frames: (n, n_frames, 2048) features, a bin's four signals side by side.

        Returns:
            (n, n_frames - look_ahead, masks * 2, 513).
        """
        return self.answer(self.encode(frames)[self.shape.look_ahead :])
