"""Find where a partner lies in a mix: first anywhere within the song, then to some microseconds.

Never decides whether the pair is right: it returns times with a score of how far they stand out.

Coarse: windows of the partner (3 s, loud ones) are correlated with the WHOLE mix, both whitened, at
4 kHz. Voice 5 dB below the backing gives a peak of 50 standard deviations; the highest of a million
wrong lags stays below 9. A drift smears the peak (2000 ppm over 3 s is 6 ms), so windows are tried
at several drifts, the last good one first.
Fine: 2 s windows, already aligned to some milliseconds, at 16 kHz; the peak of the correlation is
found between the samples by Newton's method on the cross-spectrum.

Both look for short windows, since a drift or a cut would smear the peak of a whole song; whether a
stem lies in its own mixture at one delay is asked of the whole, in `datasets.check.alignment`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isolde.core.signal.peaks import vertex
from isolde.core.stage import Float32
from isolde.pairs.timing.drift import LIMIT_PPM, fit_lines, warp
from isolde.pairs.whiten import Float64, loud_windows

COARSE_RATE = 4000.0  # Hz
WINDOW = 3.0  # seconds of a coarse window
LONGEST = 1.01 * WINDOW  # seconds of one with any drift
BANK = tuple(d * 1e-6 for d in (0, 500, -500, 1000, -1000, 1500, -1500, 2000, -2000))
HIT_Z = 7.0  # weaker peaks are chance
SURE_Z = 20.0  # no need to try other drifts
TOLERANCE = 0.003  # seconds by which a hit may be off its line
FINE_WINDOW, FINE_HOP = 2.0, 1.0  # seconds: window and step of the fine search


@dataclass(frozen=True)
class Hit:
    """A window of the partner, found in the mix.

    Attributes:
        partner: Centre of the window in the partner, in seconds.
        mix: Centre of the window in the mix, in seconds.
        drift: Drift at which it was tried (dimensionless, a step of the bank).
        z: Height of the peak in standard deviations of the correlation.
    """

    partner: float
    mix: float
    drift: float
    z: float


@dataclass(frozen=True)
class Line:
    """t_mix = offset + (1 + drift) * t_partner, and how many windows say so.

    Attributes:
        offset: Offset in seconds.
        drift: Dimensionless.
        windows: Number of different windows that agree.
        z: Sum of their peaks.
    """

    offset: float
    drift: float
    windows: int
    z: float


class Haystack:
    """A long whitened signal, transformed once, to search for windows of WINDOW in it."""

    def __init__(self, signal: Float32, rate: float) -> None:
        """Transform the signal.

        Args:
            signal: Signal (n_samples,) whitened.
            rate: Sample rate in Hz.
        """
        from scipy import fft

        self.rate = rate
        self._n = len(signal)
        self._size = int(fft.next_fast_len(self._n + int(LONGEST * rate) + 2, real=True))
        self._spectrum = fft.rfft(signal, self._size)
        block = round(0.25 * rate)
        power = np.add.reduceat(np.square(signal), np.arange(0, max(1, self._n), block))
        reach = max(1, round(LONGEST / 0.25))
        near = np.convolve(power, np.ones(reach))  # power under a window that starts at the lag
        loud = near > 0.2 * float(near.max())
        self._loud = np.repeat(loud, block)  # from lag -LONGEST on, where the signal has sound
        self._before = (reach - 1) * block

    def find(self, needle: Float32, *, peaks: int = 3) -> list[tuple[float, float]]:
        """Correlate with every lag.

        Args:
            needle: Needle (n,) whitened, at the same rate.
            peaks: How many to give, at least 10 ms apart.

        Returns:
            (seconds in the haystack where the needle starts, z), highest first.
        """
        from scipy import fft

        c = fft.irfft(self._spectrum * np.conj(fft.rfft(needle, self._size)), self._size)
        c = np.concatenate([c[-len(needle) :], c[: self._n]])  # negative lags first
        height = np.abs(c)
        # the scatter of chance, where the haystack is not silent (silence would make it look small)
        start = max(0, len(needle) - self._before)
        n = min(len(height) - start, len(self._loud))
        heard = height[start : start + n][self._loud[:n]]
        sigma = float(np.median(heard[:: max(1, len(heard) // 200_000)])) / 0.6745 if n else 0.0
        found = []
        gap = int(0.01 * self.rate)
        for _ in range(peaks if sigma > 0 else 0):
            k = int(height.argmax())
            y = [float(h) for h in height[max(0, k - 1) : k + 2]]
            shift = vertex(*y) if len(y) == 3 else 0.0
            found.append(((k + shift - len(needle)) / self.rate, float(height[k]) / sigma))
            height[max(0, k - gap) : k + gap + 1] = 0
        return found


def coarse(
    mix: Haystack,
    partner: Float32,
    partner_white: Float32,
    *,
    count: int = 12,
    bank: Sequence[float] = BANK,
) -> list[Hit]:
    """Look for loud windows of the partner anywhere in the mix.

    Args:
        mix: The whitened mix at COARSE_RATE.
        partner: Partner (n_samples,) at COARSE_RATE, to choose windows from.
        partner_white: Partner (n_samples,), whitened.
        count: Windows at most.
        bank: Drifts to try (dimensionless).

    Returns:
        Hits with z >= HIT_Z, up to three per window (music repeats).
    """
    rate = mix.rate
    spacing = max(1.5, len(partner) / rate / 24)
    hits: list[Hit] = []
    order = list(bank)
    for start in loud_windows(partner, rate, seconds=WINDOW, count=count, spacing=spacing):
        first = round(start * rate)
        needle = partner_white[first : first + round(WINDOW * rate)]
        centre = (first + len(needle) / 2) / rate
        best: tuple[float, float, list[tuple[float, float]], int] = (0.0, 0.0, [], 0)
        for drift in order:
            bent = warp(needle[None], rate, rate, drift)[0]
            found = mix.find(bent)
            if found and found[0][1] > best[0]:
                best = (found[0][1], drift, found, len(bent))
            if best[0] > SURE_Z:
                break
        z, drift, found, n = best
        for lag, height in found:
            if height >= HIT_Z and height >= 0.4 * z:
                hits.append(Hit(centre, lag + n / 2 / rate, drift, height))
        if z > 1.5 * HIT_Z:
            order.sort(key=lambda d: abs(d - drift))
    return hits


def consensus(hits: Sequence[Hit]) -> Line | None:
    """Find the line that most hits lie on.

    Every hit in turn is the anchor; the others agree if they lie within what its drift step leaves
    open (350 ppm of the distance); a robust line through them then has to hold to TOLERANCE.

    Args:
        hits: Hits from `coarse`.

    Returns:
        The line with the highest sum of z over different windows; None without hits.
    """
    if not hits:
        return None
    u, m, z = (np.array([getattr(h, k) for h in hits]) for k in ("partner", "mix", "z"))
    drifts = np.array([h.drift for h in hits])
    best: Line | None = None
    for i, anchor in enumerate(hits):
        near = np.abs(drifts - anchor.drift) < 6e-4
        off = m - anchor.mix - (1 + anchor.drift) * (u - anchor.partner)
        agree = near & (np.abs(off) < TOLERANCE + 3.5e-4 * np.abs(u - anchor.partner))
        agree[i] = True
        delay = m - (1 + anchor.drift) * u
        fit = fit_lines(
            u[agree], delay[agree], z[agree], [0] * int(agree.sum()), tolerance=TOLERANCE
        )
        slope = fit.slope if abs(fit.slope) < 4e-4 else 0.0
        offset = (
            fit.intercepts[0]
            if slope == fit.slope
            else float(anchor.mix - (1 + anchor.drift) * anchor.partner)
        )
        drift = anchor.drift + slope
        on = np.abs(m - offset - (1 + drift) * u) < TOLERANCE
        windows = {float(x) for x in u[on]}
        total = sum(float(z[on & (u == x)].max()) for x in windows)
        if abs(drift) <= LIMIT_PPM * 1e-6 and windows and (best is None or total > best.z):
            best = Line(offset, drift, len(windows), total)
    return best


def local_delays(
    mix: Float32,
    partner: Float32,
    rate: float,
    *,
    spans: Sequence[tuple[float, float]],
    reach: float,
) -> tuple[Float64, Float64, Float64, list[int]]:
    """Measure what is left of the delay, window by window, between the samples.

    Args:
        mix: Mix (n_samples,) whitened.
        partner: Partner (n_samples,) whitened, already in its place in the mix.
        rate: Sample rate in Hz.
        spans: Spans (start, end) seconds of the mix, each a group.
        reach: Greatest delay looked for, in seconds.

    Returns:
        (times, delays, z, groups): centres in seconds; seconds by which the partner comes too
        early (positive: move it later); peak over its standard deviation, which is
        sqrt(sum mix^2 partner^2). Windows in which the partner is silent are left out.
    """
    from scipy import fft

    n, step, far = round(FINE_WINDOW * rate), round(FINE_HOP * rate), round(reach * rate)
    power = float(np.square(partner).mean()) if len(partner) else 0.0
    size = int(fft.next_fast_len(n + far + 1, real=True))
    omega = 2 * np.pi * np.arange(size // 2 + 1) / size
    rows: list[tuple[float, float, float, int]] = []
    for group, (start, end) in enumerate(spans):
        first, last = max(0, round(start * rate)), min(len(mix), round(end * rate))
        for at in range(first, max(first, last - n // 2), step):
            x, v = mix[at : min(at + n, last)], partner[at : min(at + n, last)]
            if float(np.square(v).mean()) < 0.1 * power:
                continue
            sigma = float(np.sqrt(np.sum(np.square(x, dtype=np.float64) * np.square(v))))
            if sigma < 1e-9:
                continue
            cross = fft.rfft(x, size) * np.conj(fft.rfft(v, size))
            c = fft.irfft(cross, size)
            c = np.abs(np.concatenate([c[-far:], c[: far + 1]]))
            k = int(c.argmax())
            delay = _newton(cross, omega, float(k - far))
            rows.append(((at + len(x) / 2) / rate, delay / rate, float(c[k]) / sigma, group))
    table = np.array([r[:3] for r in rows], np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2], [r[3] for r in rows]


def _newton(cross: np.ndarray, omega: Float64, lag: float) -> float:
    """Climb from the highest sample to the top of the band-limited correlation.

    c(tau) = Re sum S e^{i omega tau}; c' and c'' are sums too; c is negative if one is inverted.
    """
    tau = lag
    for _ in range(4):
        turned = cross * np.exp(1j * omega * tau)
        slope = -float(np.sum(omega * turned.imag))
        curve = -float(np.sum(omega * omega * turned.real))
        if curve == 0:
            break
        step = -slope / curve
        if abs(tau + step - lag) > 1:
            break
        tau += step
        if abs(step) < 1e-4:
            break
    return tau
