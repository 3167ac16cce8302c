"""Losses of masked spectra, which several tasks weigh; it knows no network."""

from collections.abc import Callable

import torch
from torch import Tensor

from isolde.core.signal.spectrum import Grid

FLOOR, EMPTY = 0.01, 1e-9
"""Energies that an error, or a voice, counts at least, of the mixture's and absolute: silence can
be learnt but does not outweigh all else."""

LOUD_POWER = 0.4
"""Power of |X|^2 by which a bin's cross-entropy counts."""


def energy_of(spectra: Tensor, grid: Grid) -> Tensor:
    """Compute the energy of the sound of spectra (..., 2, n_frames, n_bins): (...).

    A masked spectrum is no sound's: what overlapping frames disagree on is lost when they are
    added. With the long windows that is computed, and counted in the energy of the bins, which is
    3/4 n_fft that of the sound (Parseval: n_fft / 2 bins, Hann windows whose squares sum to 3/2);
    with the short ones the bins' own energy stands for it.
    """
    if grid.synthesis != "long":
        return spectra.abs().square().sum((-3, -2, -1))
    window = torch.hann_window(grid.n_fft, device=spectra.device)
    frames = spectra.transpose(-1, -2).flatten(0, -3)
    sound = torch.istft(frames, grid.n_fft, grid.hop, window=window, center=True)
    return sound.view(*spectra.shape[:-2], -1).square().sum((-2, -1)) * (0.75 * grid.n_fft)


def log_error(
    estimate: Tensor, stem: Tensor, mixture: Tensor, *, energy: Callable[[Tensor], Tensor]
) -> Tensor:
    """Compute the error's energy over the stem's, in tens of dB, the mean over all stems.

    Args:
        estimate: (..., 2, n_frames, n_bins) complex.
        stem: What it should be.
        mixture: Mixture of both.
        energy: Function that computes the energy of spectra.
    """
    floor = FLOOR * energy(mixture) + EMPTY
    return torch.log10((energy(estimate - stem) + floor) / (energy(stem) + floor)).mean()


def share_of(stem: Tensor, mixture: Tensor) -> Tensor:
    """Compute the best real mask in [0, 1] of each bin."""
    power = mixture.abs().square()
    return ((mixture.conj() * stem).real / power.clamp_min(1e-12)).clamp(0, 1)


def bin_weights(mixture: Tensor) -> Tensor:
    """Weigh each bin of spectra (..., 2, n_frames, n_bins), 1 in the mean."""
    weight = mixture.abs().square() ** LOUD_POWER
    return weight / (weight.mean((-3, -2, -1), keepdim=True) + EMPTY)
