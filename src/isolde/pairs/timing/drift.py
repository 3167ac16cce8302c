"""Two clocks that run at slightly different speeds: fit the line between them, and undo it.

Never searches: it gets times that belong together and audio to be moved.

The relation is t_mix = offset + (1 + drift) * t_partner, one drift for a whole song (it comes from
two converters' crystals or from a tape machine), one offset per piece between two edits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32
from isolde.pairs.fir import convolve
from isolde.pairs.whiten import Float64

SINC_TAPS = 64  # fractional delay: Kaiser-windowed sinc, error below -90 dB up to 0.9 Nyquist
SNAP = 5e-5  # samples: nearer to a whole one than this needs no filter (errors below -80 dB)
LIMIT_PPM = 2500.0  # a drift beyond this is another speed, not another clock


@dataclass(frozen=True)
class Fit:
    """Straight lines of one slope through residual delays.

    Attributes:
        slope: Slope in seconds per second, shared.
        intercepts: Intercepts in seconds at time 0, one per group.
        slope_error: Standard error of the slope.
        rms: Spread in seconds of the inliers around their lines.
        inliers: Which points the lines explain.
    """

    slope: float
    intercepts: tuple[float, ...]
    slope_error: float
    rms: float
    inliers: tuple[bool, ...]


def fit_lines(
    times: Float64,
    delays: Float64,
    weights: Float64,
    groups: Sequence[int],
    *,
    tolerance: float,
) -> Fit:
    """Fit delay = intercept[group] + slope * time, unmoved by outliers.

    Start: the Theil-Sen slope (the weighted median of the slopes of all pairs within a group) and
    the median intercepts. Then least squares on the points within `tolerance` of the lines, and
    with a tolerance that follows their spread (three sigma by the median), until it settles.

    Args:
        times: Times (n,) in seconds.
        delays: Delays (n,) in seconds.
        weights: Weights (n,) positive.
        groups: Group of each point, (n,), 0 ... n_groups - 1.
        tolerance: Tolerance in seconds; points further off than this are outliers for sure.

    Returns:
        The fit; a group without points has the intercept 0.
    """
    group = np.asarray(groups, int)
    n_groups = int(group.max()) + 1 if len(group) else 0
    slope = _theil_sen(times, delays, weights, group)
    rest = delays - slope * times
    offsets = np.array([_median(rest[group == g], weights[group == g]) for g in range(n_groups)])
    inlier = np.abs(rest - offsets[group]) < tolerance
    spread = tolerance
    for _ in range(10):
        if inlier.sum() < 2:
            break
        slope, offsets = _least_squares(times, delays, weights * inlier, group, n_groups, slope)
        off = delays - slope * times - offsets[group]
        sigma = 1.4826 * float(np.median(np.abs(off[inlier])))
        spread = min(tolerance, max(3.5 * sigma, 2e-5))
        new = np.abs(off) < spread
        if bool((new == inlier).all()):
            break
        inlier = new
    off = delays - slope * times - offsets[group] if n_groups else delays
    used = int(inlier.sum())
    rms = float(np.sqrt(np.mean(off[inlier] ** 2))) if used else float("inf")
    error = float("inf")
    if used > n_groups + 1:
        centred = times.copy()
        for g in range(n_groups):
            mine = (group == g) & inlier
            centred[group == g] -= times[mine].mean() if mine.any() else 0.0
        span = float(np.sum(centred[inlier] ** 2))
        sigma2 = float(np.sum(off[inlier] ** 2)) / max(1, used - n_groups - 1)
        error = float(np.sqrt(sigma2 / span)) if span > 0 else float("inf")
    intercepts = tuple(float(o) for o in offsets)
    return Fit(slope, intercepts, error, rms, tuple(bool(b) for b in inlier))


def _median(values: Float64, weights: Float64) -> float:
    """Weighted median; 0 for nothing."""
    if not len(values):
        return 0.0
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _theil_sen(times: Float64, delays: Float64, weights: Float64, group: np.ndarray) -> float:
    """Weighted median of the slopes of all pairs of points of one group, at most 400 points."""
    step = max(1, len(times) // 400)
    t, d, w, g = times[::step], delays[::step], weights[::step], group[::step]
    i, j = np.triu_indices(len(t), 1)
    far = (g[i] == g[j]) & (np.abs(t[i] - t[j]) > 0.5)
    i, j = i[far], j[far]
    if not len(i):
        return 0.0
    # a pair far apart knows the slope better: weight by distance
    weight = w[i] * w[j] * np.abs(t[j] - t[i])
    return _median((d[j] - d[i]) / (t[j] - t[i]), weight)


def _least_squares(
    times: Float64,
    delays: Float64,
    weights: Float64,
    group: np.ndarray,
    n_groups: int,
    slope: float,
) -> tuple[float, Float64]:
    """Weighted least squares for one slope and an intercept per group (closed form)."""
    mean_t, mean_d = np.zeros(n_groups), np.zeros(n_groups)
    for g in range(n_groups):
        w = weights * (group == g)
        if w.sum() > 0:
            mean_t[g], mean_d[g] = np.average(times, weights=w), np.average(delays, weights=w)
    t, d = times - mean_t[group], delays - mean_d[group]
    span = float(np.sum(weights * t * t))
    if span > 0.1 * float(weights.max()):  # too short to know a slope: keep the one we had
        slope = float(np.sum(weights * t * d)) / span
    return slope, mean_d - slope * mean_t


def warp(audio: Float32, sample_rate: float, rate: float, drift: float) -> Float32:
    """Put audio on the mix's clock: undo the drift and change the rate in one step.

    A partner recorded at `sample_rate` by its own clock runs at sample_rate / (1 + drift) by the
    mix's clock, since t_mix = (1 + drift) * t_partner. One soxr resampling does both.

    Args:
        audio: Audio (n_channels, n_samples).
        sample_rate: Sample rate in Hz, nominal, of `audio`.
        rate: Sample rate in Hz, wanted.
        drift: Dimensionless (1e-6 = 1 ppm).

    Returns:
        (n_channels, about n_samples * (1 + drift) * rate / sample_rate) float32.
    """
    import soxr  # type: ignore[import-untyped]

    source = sample_rate / (1.0 + drift)
    if source == rate or audio.shape[1] == 0:
        return audio
    rows = [soxr.resample(np.ascontiguousarray(c), source, rate, quality="VHQ") for c in audio]
    return np.stack(rows).astype(np.float32, copy=False)


def place(audio: Float32, start: float, n_samples: int) -> Float32:
    """Move audio by a fractional number of samples into a frame of a given length.

    Args:
        audio: Audio (n_channels, n).
        start: Where audio's sample 0 falls in the frame, in samples; any real number.
        n_samples: Length of the frame.

    Returns:
        (n_channels, n_samples) float32; zeros where `audio` has nothing to say.
    """
    whole = int(np.floor(start))
    fraction = start - whole
    if SNAP < fraction < 1 - SNAP:
        k = np.arange(SINC_TAPS) - (SINC_TAPS // 2 - 1)
        taps = np.sinc(k - fraction) * _kaiser((k - fraction) / (SINC_TAPS / 2))
        audio = convolve(audio, (taps / taps.sum())[None])
        whole -= SINC_TAPS // 2 - 1
    elif fraction > 0.5:
        whole += 1
    out = np.zeros((audio.shape[0], n_samples), np.float32)
    first, last = max(0, whole), min(n_samples, whole + audio.shape[1])
    if last > first:
        out[:, first:last] = audio[:, first - whole : last - whole]
    return out


def _kaiser(x: NDArray[np.floating[Any]]) -> Float64:
    """Kaiser window (beta 9) at positions x in [-1, 1]."""
    return np.asarray(np.i0(9.0 * np.sqrt(np.maximum(0.0, 1 - x * x))) / np.i0(9.0), np.float64)
