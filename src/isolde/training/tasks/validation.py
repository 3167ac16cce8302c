"""Scores of masks on whole songs; it never trains and knows no network."""

from collections.abc import Callable, Iterable

import numpy as np

from isolde.core.signal.masks import readout
from isolde.core.signal.spectrum import GRID_22, Grid, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Complex64, Float32
from isolde.datasets.mixing.library import FULL_SCALE, Entry
from isolde.evaluation.metrics import ratios

Masks = Callable[[Complex64], Float32]
"""From a mixture's spectra (n_channels, n, 513) to the vocals' mask (1 or n_channels, n, 513)."""

Activity = Callable[[Complex64], Float32]
"""From a mixture's spectra to the probability (n,) that the voice sounds in a frame."""


def sounds_of(entry: Entry) -> tuple[Float32, Float32]:
    """Read the vocals and the mixture of a song, (2, n_samples) each, at 22,050 Hz."""
    assert entry.vocals is not None and entry.accompaniment is not None
    vocals = entry.vocals.astype(np.float32) / np.float32(FULL_SCALE)
    return vocals, vocals + entry.accompaniment.astype(np.float32) / np.float32(FULL_SCALE)


def usdr(
    masks: Masks, entries: Iterable[Entry], *, kind: str = "soft", grid: Grid = GRID_22
) -> tuple[float, float]:
    """Measure the median and mean uSDR of the vocals over songs, separated by masks, in dB."""
    scores = []
    for entry in entries:
        vocals, mixture = sounds_of(entry)
        spectra = analyse(mixture, grid)
        mask = readout(masks(spectra), kind)
        estimate = synthesise(spectra * mask, grid, mixture.shape[1])
        scores.append(ratios.usdr(vocals, estimate))
    return float(np.nanmedian(scores)), float(np.nanmean(scores))


def accuracy(activity: Activity, entries: Iterable[Entry]) -> tuple[float, float]:
    """Measure the share of frames with `activity` right at 0.5: median and mean over songs."""
    shares = []
    for entry in entries:
        found = activity(analyse(sounds_of(entry)[1], GRID_22)) > 0.5
        n = min(len(found), len(entry.activity))
        shares.append(float(np.mean(found[:n] == entry.activity[:n])))
    return float(np.median(shares)), float(np.mean(shares))
