"""Masks on spectrum bins: the ideal ones, how a network's is read, and the treble above it.

A mask says for each bin and frame which share of the mixture is voice, in [0, 1].
"""

from math import ceil

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64, Float32

TREBLE_FROM = 8000
"""Hertz at which the band begins whose mask decides for the treble that no network sees."""

_TINY = np.float32(1e-20)


def binary_mask(
    vocals: Float32, accompaniment: Float32, *, threshold_db: float = 0.0, floor_db: float = -100.0
) -> Float32:
    """Compute the ideal binary mask: 1 where the voice predominates.

    The article gives its rule as "unorthodox" and no more. Ours: 1 where the voice is at least
    `threshold_db` above the accompaniment and above `floor_db`, else 0.

    Args:
        vocals: Magnitudes, any shape, 1 = full-scale sine.
        accompaniment: Magnitudes of the same shape.
        threshold_db: Voice to accompaniment, in dB.
        floor_db: Level below which a bin is silent and belongs to nobody, in dB of full scale.

    Returns:
        0.0 or 1.0, of the same shape.
    """
    ratio, floor = 10 ** (threshold_db / 20), 10 ** (floor_db / 20)
    return ((vocals >= ratio * accompaniment) & (vocals > floor)).astype(np.float32)


def ratio_mask(vocals: Float32, accompaniment: Float32, *, power: float = 2.0) -> Float32:
    """Compute the ideal ratio mask |V|^p / (|V|^p + |A|^p), 0 where both are silent.

    Args:
        vocals: Magnitudes, any shape.
        accompaniment: Magnitudes of the same shape.
        power: Exponent p; 1 is the magnitude ratio, 2 the power ratio (Wiener-like).
    """
    v, a = vocals**power, accompaniment**power
    return (v / np.maximum(v + a, _TINY)).astype(np.float32)


def phase_sensitive_mask(
    vocals: Complex64, mixture: Complex64, *, low: float = 0.0, high: float = 1.0
) -> Float32:
    """Compute Re(V / X) within [low, high]: of all real masks the one nearest to the voice.

    Erdogan et al., "Phase-sensitive and recognition-boosted speech separation", 2015.
    """
    power = mixture.real**2 + mixture.imag**2
    mask = (vocals * mixture.conj()).real / np.maximum(power, _TINY)
    clipped: Float32 = np.clip(mask, low, high).astype(np.float32)
    return clipped


STRONGEST = 16.0
"""Greatest strength of a soft mask."""


def check_strength(strength: float) -> None:
    """Refuse a strength that no soft mask is raised to.

    Raises:
        InputError: It is not above 0, or above `STRONGEST`.
    """
    if not 0 < strength <= STRONGEST:
        raise InputError(
            f"strength {strength:g} is out of range: give above 0 to {STRONGEST:g}; 1 is neutral, "
            "2 takes more away"
        )


def readout(
    mask: Float32, kind: str = "soft", *, threshold: float = 0.5, strength: float = 1.0
) -> Float32:
    """Say what a network's mask does to the mixture.

    Args:
        mask: (..., n_bins) in [0, 1].
        kind: "soft" uses the mask as it is, "binary" asks whether it reaches `threshold`.
        threshold: Threshold in (0, 1), for "binary".
        strength: Above 0, up to `STRONGEST`; the soft mask is raised to it: 2 takes more away, 0.5
            leaves more.

    Raises:
        InputError: For another kind, or a threshold or strength out of range.
    """
    if kind not in ("soft", "binary"):
        raise InputError(f"mask '{kind}' is unknown: take 'soft' or 'binary'")
    if not 0 < threshold < 1:
        raise InputError(f"threshold {threshold} is not between 0 and 1")
    check_strength(strength)
    if kind == "binary":
        return (mask >= threshold).astype(np.float32)
    return mask if strength == 1 else mask ** np.float32(strength)


def extend_treble(mask: Float32, grid: Grid) -> Float32:
    """Extend a mask for the lower bins, which a model sees, to all bins of a grid.

    Above those there is one value a frame: the mean of the mask from 8 kHz up. Consonants and
    breath, which is what a voice has up there, fill that band too; where nobody sings it is near 0.
    A mask that ends below 8 kHz goes on as its last bin.

    Args:
        mask: Mask (..., n_bins) of the bins from 0 Hz up.
        grid: Grid whose bins the mask is for.

    Returns:
        Mask (..., grid.n_bins).
    """
    above = grid.n_bins - mask.shape[-1]
    if not above:
        return mask
    first = min(ceil(TREBLE_FROM / grid.bin_hz), mask.shape[-1] - 1)
    treble = mask[..., first:].mean(axis=-1, keepdims=True)
    return np.concatenate([mask, np.broadcast_to(treble, (*mask.shape[:-1], above))], axis=-1)
