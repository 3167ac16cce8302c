"""A residual block between the layers of a U-Net, over neighbours and over all bins.

Two convolutions with a dense layer over the bins between them, as in Choi et al., "Investigating
U-Nets with various intermediate blocks for spectrogram-based singing voice separation" (ISMIR
2020): a voice's harmonics lie far apart, out of a convolution's reach.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 3
SLOPE = 0.2
"""Slope of the leaky rectifiers."""
NARROWER = 4
"""How many times fewer numbers than bins the dense layer goes through."""
NARROWEST = 16
"""The fewest of them."""


class Residual(nn.Module):
    """A residual block that changes nothing at first: it may be added to a trained network."""

    def __init__(self, channels: int, n_bins: int) -> None:
        """Make random weights, but for the last convolution's, which are zeros.

        Args:
            channels: Number of channels.
            n_bins: Number of bins that its layer has.
        """
        super().__init__()
        narrow = max(NARROWEST, n_bins // NARROWER)
        self.first = nn.Conv2d(channels, channels, KERNEL, padding="same")
        self.narrow = nn.Linear(n_bins, narrow, bias=False)
        self.wide = nn.Linear(narrow, n_bins, bias=False)
        self.second = nn.Conv2d(channels, channels, KERNEL, padding="same")
        with torch.no_grad():
            for parameter in self.second.parameters():
                parameter.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, t, n_bins) to the same."""
        near = functional.leaky_relu(self.first(x), SLOPE)
        far = self.wide(functional.leaky_relu(self.narrow(near), SLOPE))
        changed: Tensor = x + self.second(near + far)
        return changed
