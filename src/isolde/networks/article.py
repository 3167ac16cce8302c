"""The article's three networks, layer for layer; how to evaluate them cheaply is in `sliding`.

A network looks at a window of 513 bins by 25 frames and answers for its middle frame. Keras of 2019
set the details: 3x3 convolutions with zeros at the window's own edges, LeakyReLU of slope 0.3,
Glorot-uniform kernels and zero biases, 3x3 max-pooling without padding, and a flatten that runs
over (frequency, time, channel).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isolde.core.errors import InputError, ModelError

SLOPE = 0.3  # Keras's default for LeakyReLU, not PyTorch's 0.01
KERNEL = 3
POOL = 3


@dataclass(frozen=True)
class WindowShape:
    """All that sets a window network's size.

    Attributes:
        channels: Output channels of each convolution; a pool follows every second one.
        hidden: Units of the first dense layer.
        outputs: Units of the last layer.
        n_bins: Number of bins of a frame.
        n_frames: Number of frames of a window.
    """

    channels: tuple[int, int, int, int]
    hidden: int
    outputs: int
    n_bins: int = 513
    n_frames: int = 25

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(*self.channels, self.hidden, self.outputs) < 1:
            raise InputError(
                f"channels {self.channels}, hidden {self.hidden}, outputs {self.outputs}: give at "
                "least 1 of each"
            )
        if min(self.pooled) < 1:
            raise InputError(
                f"n_bins is {self.n_bins} and n_frames {self.n_frames}: give {POOL * POOL} or more"
            )

    @property
    def pooled(self) -> tuple[int, int]:
        """Bins and columns that are left after both pools."""
        return self.n_bins // POOL // POOL, self.n_frames // POOL // POOL


VAD = WindowShape(channels=(16, 16, 16, 16), hidden=64, outputs=1)
"""The vocal activity detector: 123,985 parameters."""

MASK = WindowShape(channels=(32, 16, 64, 16), hidden=128, outputs=513)
"""The mask network: 323,233 parameters, one sigmoid for each bin. The article's step before it, the
regression of magnitudes, has the same layers, read without a sigmoid."""


class WindowNetwork(nn.Module):
    """The article's trunk and head. Outputs are raw; the caller applies the sigmoid.

    Inputs are normalised per bin first, (x - mean) / std, with constants that are not parameters;
    a frame is normalised alike wherever it stands in a window.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, shape: WindowShape, *, dropout: tuple[float, float, float] = (0.25, 0.25, 0.5)
    ) -> None:
        """Make a network with Keras's initial values.

        Args:
            shape: Sizes of the layers.
            dropout: Rates after the first pool, the second pool and the first dense layer.
        """
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        sizes = (1, *shape.channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(sizes[i], sizes[i + 1], KERNEL, padding="same") for i in range(4)
        )
        bins, columns = shape.pooled
        self.hidden = nn.Linear(bins * columns * shape.channels[-1], shape.hidden)
        self.output = nn.Linear(shape.hidden, shape.outputs)
        self.register_buffer("mean", torch.zeros(shape.n_bins))
        self.register_buffer("std", torch.ones(shape.n_bins))
        for layer in (*self.convolutions, self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters())

    def normalise(self, frames: Tensor) -> Tensor:
        """Normalise frames (..., n_frames, n_bins) for the first layer."""
        return (frames - self.mean) / self.std

    def forward(self, windows: Tensor) -> Tensor:
        """Evaluate each window on its own, as the article defines it.

        Args:
            windows: Features (n_windows, n_frames, n_bins).

        Returns:
            (n_windows, outputs), raw.

        Raises:
            ModelError: A window has another size.
        """
        if windows.ndim != 3 or windows.shape[1:] != (self.shape.n_frames, self.shape.n_bins):
            raise ModelError(
                f"windows of shape {tuple(windows.shape)} do not fit: "
                f"give (n, {self.shape.n_frames}, {self.shape.n_bins})"
            )
        maps = self.normalise(windows).transpose(1, 2).unsqueeze(1)  # (n, 1, bins, frames)
        for i, convolution in enumerate(self.convolutions):
            maps = functional.leaky_relu(convolution(maps), SLOPE)
            if i % 2:
                maps = functional.max_pool2d(maps, POOL)
                maps = functional.dropout(maps, self.dropout[i // 2], self.training)
        return self.head(maps.permute(0, 2, 3, 1).flatten(1))

    def head(self, flat: Tensor) -> Tensor:
        """Apply the two dense layers to (..., bins * columns * channels)."""
        return self.top(self.hidden(flat))

    def top(self, hidden: Tensor) -> Tensor:
        """Apply what follows the first dense layer to (..., hidden) before its LeakyReLU."""
        hidden = functional.leaky_relu(hidden, SLOPE)
        out: Tensor = self.output(functional.dropout(hidden, self.dropout[2], self.training))
        return out


def windows_of(frames: Tensor, n_frames: int = 25) -> Tensor:
    """Give every window of a stretch of frames, sliding by one.

    Args:
        frames: (n, n_bins).
        n_frames: Number of frames of a window.

    Returns:
        (n - n_frames + 1, n_frames, n_bins), a view.
    """
    return frames.unfold(0, n_frames, 1).transpose(1, 2)
