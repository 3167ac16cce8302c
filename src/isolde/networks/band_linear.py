"""A dense layer with weights of its own for each band of a spectrum; it cuts no spectrum."""

import torch
from torch import Tensor, nn


class BandLinear(nn.Module):
    """A dense layer for each band: (..., bands, inputs) -> (..., bands, outputs)."""

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        """Initialise the weights as Glorot does."""
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
