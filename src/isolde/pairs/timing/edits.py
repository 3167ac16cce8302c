"""Find the edits of a mix: which piece of the partner sounds at which time of the mix.

Never moves audio: it gets both on one clock (drift undone) and returns spans with an offset each.

Every line (a lag at which something was found) is scored in windows along the whole mix; the best
path through the windows pays for changing lines, so that a repeated sample does not pull it off the
song's main line. What no line explains is searched once more in the whole partner.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isolde.core.stage import Float32
from isolde.pairs.timing.offset import HIT_Z, WINDOW, Haystack
from isolde.pairs.whiten import Float64, loud_windows

SPAN, HOP = 2.0, 0.5  # seconds: window and step of the scores along the mix
REACH = 0.006  # seconds: how far a line may be off at this stage
SEEN_Z = 5.0  # a window in which a line is heard
CHANGE = 15.0  # price of changing lines, in units of z
SAME = 0.004  # seconds: lags nearer than this are one line
MAX_LINES = 12
ROUNDS = 3  # of searches for what no line explains


@dataclass(frozen=True)
class Piece:
    """A span of the mix that uses the partner at one offset.

    Attributes:
        start: Seconds of the mix.
        end: Seconds of the mix.
        offset: Offset in seconds; t_mix = offset + (1 + drift) * t_partner.
        seen: Fraction of the windows with a sounding partner in which it was heard.
    """

    start: float
    end: float
    offset: float
    seen: float


def shifted(partner: Float32, lag: float, rate: float, n_samples: int) -> Float32:
    """Move by whole samples.

    Args:
        partner: Partner (n,).
        lag: Lag in seconds, where its sample 0 goes.
        rate: Sample rate in Hz.
        n_samples: Length of the result.

    Returns:
        (n_samples,) float32.

    Examples:
        >>> shifted(np.ones(3, np.float32), 0.5, 4, 6).tolist()
        [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    """
    out = np.zeros(n_samples, np.float32)
    at = round(lag * rate)
    first, last = max(0, at), min(n_samples, at + len(partner))
    if last > first:
        out[first:last] = partner[first - at : last - at]
    return out


def line_scores(
    mix: Float32, partner: Float32, rate: float, lag: float
) -> tuple[Float64, Float64, float]:
    """Score one line in every window of the mix.

    z = max over a few ms of |sum x v| / sqrt(sum x^2 v^2): 2 for strangers, 20 and more for kin.

    Args:
        mix: Mix (n_samples,) whitened.
        partner: Partner (n,) whitened, drift undone.
        rate: Sample rate in Hz.
        lag: Lag in seconds.

    Returns:
        (z per window, 0 where the partner is silent; power of the partner per window; best lag in
        seconds, the median over the windows where it is heard).
    """
    far = round(REACH * rate)
    v = shifted(partner, lag, rate, len(mix))
    n, step = round(SPAN * rate), round(HOP * rate)
    starts = np.arange(0, max(1, len(mix) - n // 2), step)
    ends = np.minimum(starts + n, len(mix))

    def sums(product: Float32) -> Float64:
        total = np.concatenate([[0.0], np.cumsum(product, dtype=np.float64)])
        return np.asarray(total[ends] - total[starts], np.float64)

    sigma = np.sqrt(sums(np.square(mix) * np.square(v)))
    power = sums(np.square(v)) / n
    best, where = np.zeros(len(starts)), np.zeros(len(starts))
    padded = np.pad(mix, (far, far))
    for k in range(2 * far + 1):
        c = np.abs(sums(padded[k : k + len(mix)] * v))
        better = c > best
        best[better], where[better] = c[better], k - far
    z = best / np.maximum(sigma, 1e-12)
    silent = (sigma < 1e-9) | (power < 0.03 * float(np.square(partner).mean() + 1e-20))
    z[silent] = 0.0
    heard = z > 1.5 * SEEN_Z
    at = round(lag * rate) / rate
    better_lag = at + float(np.median(where[heard])) / rate if heard.any() else lag
    return z, np.where(silent, 0.0, power), better_lag


def trace(
    mix: Float32,
    partner: Float32,
    rate: float,
    lags: Sequence[float],
) -> list[Piece]:
    """Divide the mix into pieces that use the partner at one lag each.

    Args:
        mix: Mix (n_samples,) whitened.
        partner: Partner (n,) whitened, drift undone.
        rate: Sample rate in Hz.
        lags: Lags in seconds; the lines known so far, the best one first.

    Returns:
        Pieces that tile the whole mix; none if no line is heard anywhere.
    """
    lines: list[tuple[float, Float64, Float64]] = []

    def add(lag: float) -> bool:
        if len(lines) >= MAX_LINES or any(abs(lag - known) < SAME for known, _, _ in lines):
            return False
        z, power, lag = line_scores(mix, partner, rate, lag)
        if not (z > SEEN_Z).any() or any(abs(lag - known) < SAME for known, _, _ in lines):
            return False
        lines.append((lag, z, power))
        return True

    for lag in lags:
        add(lag)
    haystack: Haystack | None = None
    for _ in range(ROUNDS):
        heard = np.max([z for _, z, _ in lines], axis=0) > SEEN_Z if lines else np.zeros(0, bool)
        rest = mix.copy()
        for k in np.flatnonzero(heard):
            rest[int(k * HOP * rate) : int((k * HOP + SPAN) * rate)] = 0
        windows = loud_windows(rest, rate, seconds=WINDOW, count=8, spacing=WINDOW, range_db=6)
        new = False
        for start in windows:
            first = round(start * rate)
            needle = mix[first : first + round(WINDOW * rate)]
            haystack = haystack or Haystack(partner, rate)
            for at, z in haystack.find(needle, peaks=1):
                if z > 1.3 * HIT_Z:
                    new = add(first / rate - at) or new
        if not new:
            break
    if not lines:
        return []
    path = _best_path(np.array([z for _, z, _ in lines]), np.array([p > 0 for _, _, p in lines]))
    return _pieces(mix, partner, rate, lines, path)


def tile(
    kept: Sequence[tuple[float, float]], spans: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Stretch the kept spans forward over the gaps, and the first one back to the start.

    Args:
        kept: Some of `spans`, (start, end) in seconds, in order.
        spans: What tiled the mix.

    Returns:
        As many as `kept`; they tile the mix.
    """
    starts = [spans[0][0], *[a for a, _ in kept[1:]]]
    ends = [*starts[1:], spans[-1][1]]
    return list(zip(starts, ends, strict=True))


def _best_path(z: Float64, sounding: np.ndarray) -> list[int]:
    """Viterbi over windows; states are the lines and, last, none of them (-1)."""
    gain = np.where(sounding, np.clip(z, 0, 15) - SEEN_Z, 0.0)
    gain = np.vstack([gain, np.full((1, z.shape[1]), -0.01)])
    n_lines, n = gain.shape
    total, back = gain[:, 0].copy(), np.zeros((n_lines, n), int)
    for t in range(1, n):
        jump = int(total.argmax())
        stay = total >= total[jump] - CHANGE
        back[:, t] = np.where(stay, np.arange(n_lines), jump)
        total = np.where(stay, total, total[jump] - CHANGE) + gain[:, t]
    path = [int(total.argmax())]
    for t in range(n - 1, 0, -1):
        path.append(int(back[path[-1], t]))
    return [p if p < n_lines - 1 else -1 for p in reversed(path)]


def _pieces(
    mix: Float32,
    partner: Float32,
    rate: float,
    lines: Sequence[tuple[float, Float64, Float64]],
    path: Sequence[int],
) -> list[Piece]:
    """Runs of one line become pieces; the cut between two lines is put where it fits best."""
    runs: list[list[int]] = []  # line, first window, last window (that are heard)
    for k, line in enumerate(path):
        if line < 0 or lines[line][1][k] <= SEEN_Z:
            continue
        if runs and runs[-1][0] == line:
            runs[-1][2] = k
        else:
            runs.append([line, k, k])
    pieces = []
    start, end_of_mix = 0.0, len(mix) / rate
    for r, (line, first, last) in enumerate(runs):
        end = end_of_mix
        if r + 1 < len(runs):
            other, begins, _ = runs[r + 1]
            a, b = last * HOP, begins * HOP + SPAN
            end = _cut(mix, partner, rate, lines[line][0], lines[other][0], min(a, b), max(a, b))
        z, power = lines[line][1][first : last + 1], lines[line][2][first : last + 1]
        seen = float((z[power > 0] > SEEN_Z).mean())
        pieces.append(Piece(start, end, lines[line][0], seen))
        start = end
    return [p for p in pieces if p.end > p.start]


def _cut(
    mix: Float32,
    partner: Float32,
    rate: float,
    lag_a: float,
    lag_b: float,
    start: float,
    end: float,
) -> float:
    """Put the change from line a to line b where the likelihood is highest.

    With x = g v + noise of power 1, the log-likelihood ratio of a block is the sum of
    g x v - g^2 v^2 / 2; the cut maximises (blocks of a before it) + (blocks of b after it).
    """
    block = max(1, round(0.02 * rate))
    first, last = max(0, round(start * rate)), min(len(mix), round(end * rate))
    count = max(1, (last - first) // block)
    last = min(len(mix), first + count * block)
    x = mix[first:last]
    scores = []
    for lag in (lag_a, lag_b):
        v = shifted(partner, lag - first / rate, rate, len(x))
        g = float(np.sum(x * v)) / (float(np.sum(v * v)) + 1e-9)
        edges = np.arange(0, len(x), block)
        scores.append(
            np.add.reduceat(g * x * v - g * g * v * v / 2, edges) if len(x) else np.zeros(1)
        )
    a, b = scores
    total = np.concatenate([[0.0], np.cumsum(a)]) + np.concatenate(
        [np.cumsum(b[::-1])[::-1], [0.0]]
    )
    return (first + int(total.argmax()) * block) / rate
