"""Score an aligned pair second by second, and accept or reject each second with a reason.

Never changes audio. It gets the mix and the partner as it should sound in the mix, and returns
numbers, verdicts with reasons, and spans.

The numbers of a second: the gain by least squares (1 = exactly there, 0 = not there at all) with
its standard error, coherence, cancellation 10 log10(E[x] / E[x - p]), and the correlation of the
remainder x - p with the partner (0 when nothing of it is left).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from isolde.core.stage import Float32
from isolde.pairs.whiten import Float64

GAIN_SLACK = 0.25  # the gain may be off by this much, plus three standard errors
FAINT_ERROR = 0.4  # a standard error above this says nothing about the second
QUIET_DB = -22.0  # relative to the partner's loud seconds: breath, bleed and tails
QUIET_SLACK = 0.8  # off by this much, such a second is still 24 dB below the loud ones
SILENT_DB = -45.0  # relative to the partner's loud seconds
SHORTEST = 2.0  # seconds of a span worth keeping
ABSENT = 0.5  # a gain below this, by two standard errors, means that the mix lacks the partner
EXPECTED = "heard as expected"  # reason of a second whose gain fits
SILENT = "the partner is silent"  # reason of a second without sound of the partner


@dataclass(frozen=True)
class Scores:
    """Per-second scores; all arrays (n_seconds,).

    Attributes:
        level_db: Level of the partner in the mix, dB relative to full scale (rms), -120 at
            least.
        gain: Gain of the partner in the mix by least squares.
        gain_error: Its standard error.
        coherence: 0 ... 1, of mix and partner, weighted towards where the backing is weak.
        cancellation_db: How much quieter the mix gets without the partner.
        correlation: -1 ... 1, of (mix - partner) with the partner.
        accepted: The verdict.
        reasons: Reasons of the verdicts, also of accepted seconds.
    """

    level_db: Float64
    gain: Float64
    gain_error: Float64
    coherence: Float64
    cancellation_db: Float64
    correlation: Float64
    accepted: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """A stretch of the mix with one verdict.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        accepted: Whether it may be trained on.
        reason: The reasons of its seconds, the commonest first.
    """

    start: float
    end: float
    accepted: bool
    reason: str


def score(
    mix: Float32,
    partner: Float32,
    sample_rate: float,
    *,
    covered: Float64,
    cuts: Sequence[float] = (),
) -> Scores:
    """Score every second.

    Args:
        mix: Mix (n_channels, n_samples).
        partner: The same shape: in its place, with the level and colour of the mix.
        sample_rate: Sample rate in Hz.
        covered: Fraction of each second for which the partner's file has audio, (n_seconds,).
        cuts: Times in seconds at which the mix was edited.

    Returns:
        The scores; n_seconds = ceil(duration).
    """
    n_seconds = int(np.ceil(mix.shape[1] / sample_rate))
    numbers = np.zeros((6, n_seconds))
    for s in range(n_seconds):
        a, b = round(s * sample_rate), min(mix.shape[1], round((s + 1) * sample_rate))
        numbers[:, s] = _second(mix[:, a:b], partner[:, a:b], sample_rate)
    level, gain, error, coherence, cancellation, correlation = numbers
    loud = float(np.percentile(level[level > -100], 90)) if (level > -100).any() else -120.0
    silent = level < max(loud + SILENT_DB, -70.0)
    edited = {int(c) for c in cuts}
    quiet = level < loud + QUIET_DB
    verdicts = [
        _verdict(gain[s], error[s], bool(silent[s]), bool(quiet[s]), float(covered[s]), s in edited)
        for s in range(n_seconds)
    ]
    return Scores(
        level, gain, error, coherence, cancellation, correlation,
        np.array([v for v, _ in verdicts], bool), tuple(r for _, r in verdicts),
    )  # fmt: skip


def _second(x: Float32, p: Float32, sample_rate: float) -> tuple[float, ...]:
    """Level, gain, its error, coherence, cancellation, correlation of one second."""
    from scipy.ndimage import uniform_filter

    rest = x - p
    e_x, e_p, e_r = (float(np.square(y, dtype=np.float64).mean()) for y in (x, p, rest))
    level = 10 * np.log10(e_p + 1e-12)
    cancellation = 10 * np.log10((e_x + 1e-12) / (e_r + 1e-12))
    inner = float(np.mean(rest.astype(np.float64) * p))
    correlation = inner / np.sqrt(e_r * e_p) if e_r * e_p > 1e-24 else 0.0
    n = 2 ** round(np.log2(0.046 * sample_rate))
    if e_p < 1e-12 or x.shape[1] < n:
        return level, 0.0, float("inf"), 0.0, cancellation, correlation
    window = np.hanning(n + 1)[:-1].astype(np.float32)
    hop = n // 2
    spectra = [
        np.fft.rfft(np.lib.stride_tricks.sliding_window_view(y, n, axis=1)[:, ::hop] * window)
        for y in (x, p)
    ]
    big_x, big_p = spectra
    weight = 1.0 / (
        uniform_filter(np.abs(big_x - big_p) ** 2, size=(1, 3, 5))
        + 1e-3 * np.abs(big_x) ** 2
        + 1e-9
    )
    power = float((weight * np.abs(big_p) ** 2).sum())
    cross = float((weight * (big_x * np.conj(big_p)).real).sum())
    total = float((weight * np.abs(big_x) ** 2).sum())
    if power <= 0:
        return level, 0.0, float("inf"), 0.0, cancellation, correlation
    gain = cross / power
    # var of a weighted mean: sum w^2 |p|^2 |noise|^2 / 2 (real part), 1.5 for the frames' overlap
    variance = 0.75 * float(
        (weight**2 * np.abs(big_p) ** 2 * np.abs(big_x - gain * big_p) ** 2).sum()
    )
    error = float(np.sqrt(variance)) / power
    coherence = abs(cross) / (float(np.sqrt(power * total)) + 1e-30)
    return level, gain, error, coherence, cancellation, correlation


def _verdict(
    gain: float, error: float, silent: bool, quiet: bool, covered: float, edited: bool
) -> tuple[bool, str]:
    """Accept or reject one second."""
    if covered < 0.9:
        return False, "the partner's file has nothing for this time"
    if silent:
        return True, SILENT
    if edited:
        return False, "the mix is cut here"
    if error > FAINT_ERROR:
        return True, "the partner is too faint under the mix to be checked here"
    if abs(gain - 1.0) <= GAIN_SLACK + 3 * error:
        return True, EXPECTED
    if quiet and abs(gain - 1.0) <= QUIET_SLACK:
        return True, "quiet, and roughly as expected"
    if gain < ABSENT:
        return False, "the partner sounds, but the mix does not hold it"
    return False, f"the level is off by a factor of {gain:.2f}"


def denied(scores: Scores, covered: Float64) -> float:
    """Compute the share of the partner's sound that the mix certainly does not hold.

    Songs built of samples hold each other's bars to the microsecond. A line through some of them
    proves one recording, but not one song: what the partner sings elsewhere must be there too.
    Seconds within 10 dB of the partner's loud ones count fully, quieter ones by their energy, and
    only those in which the mix lets the partner be heard.

    Args:
        scores: Scores from `score`.
        covered: Fractions (n_seconds,) as `score` had them.

    Returns:
        In [0, 1]; 0 if nothing can be judged.
    """
    judged = (covered >= 0.9) & (scores.gain_error <= FAINT_ERROR)
    energy = 10 ** (scores.level_db / 10)
    if not judged.any():
        return 0.0
    weight = np.minimum(1.0, 10.0 * energy / np.percentile(energy[judged], 90)) * judged
    absent = scores.gain + 2 * scores.gain_error < ABSENT
    return float(weight[absent].sum() / weight.sum())


def spans(scores: Scores, duration: float) -> list[Span]:
    """Join seconds to spans; accepted spans shorter than SHORTEST between others are rejected.

    Args:
        scores: Scores from `score`.
        duration: Seconds of the mix.

    Returns:
        Spans that tile [0, duration].
    """
    good = scores.accepted.copy()
    checked = np.array([r == EXPECTED for r in scores.reasons])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    dropped: set[int] = set()
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        if b - a < SHORTEST and not (a == 0 and b == len(good)):
            dropped |= set(range(a, b))
        elif not checked[a:b].any() and len(edges) > 2 and {*scores.reasons[a:b]} != {SILENT}:
            dropped |= set(range(a, b))  # nothing in it could be checked, and a neighbour failed
    good[list(dropped)] = False
    result: list[Span] = []
    bounds = [0, *[k for k in range(1, len(good)) if good[k] != good[k - 1]], len(good)]
    for a, b in pairwise(bounds):
        if b <= a:
            continue
        names = [
            "too short or too uncertain between rejected spans"
            if k in dropped
            else scores.reasons[k]
            for k in range(a, b)
        ]
        ranked = sorted(set(names), key=lambda r: (-names.count(r), r))
        result.append(Span(float(a), min(float(b), duration), bool(good[a]), "; ".join(ranked)))
    return result
