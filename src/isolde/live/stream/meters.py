"""Levels, load and counts that a session reports; they change nothing."""

from dataclasses import dataclass

import numpy as np

from isolde.core.stage import Float32


class Times:
    """The last durations, in a buffer that does not grow."""

    def __init__(self, kept: int = 65536) -> None:
        """Keep the last `kept` values."""
        self._values = np.zeros(kept)
        self.n = 0

    def add(self, value: float) -> None:
        """Add a value."""
        self._values[self.n % self._values.size] = value
        self.n += 1

    def percentiles(self, *, last: int | None = None) -> tuple[float, float, float]:
        """Give the 50th, 95th and 99th percentile of the kept values, or of the `last` ones."""
        kept = min(self.n, self._values.size)
        if not kept:
            return 0.0, 0.0, 0.0
        at = np.arange(self.n - min(kept, last or kept), self.n) % self._values.size
        p50, p95, p99 = np.percentile(self._values[at], [50, 95, 99])
        return float(p50), float(p95), float(p99)


class Level:
    """Peak that falls by 20 dB a second, and RMS over about 0.3 s."""

    def __init__(self, sample_rate: int) -> None:
        """Begin with silence."""
        self._rate = sample_rate
        self._peak = self._power = 0.0

    def add(self, block: Float32) -> None:
        """Add a block (n_channels, n)."""
        n = block.shape[1]
        if not n:
            return
        peak = max(float(block.max()), -float(block.min()))
        self._peak = max(peak, self._peak * 10 ** (-n / self._rate))
        share = min(1.0, n / (0.3 * self._rate))
        self._power += share * (float(np.vdot(block, block)) / block.size - self._power)

    @property
    def peak_db(self) -> float:
        """Peak in dB of full scale, at least -120."""
        return float(20 * np.log10(max(self._peak, 1e-6)))

    @property
    def rms_db(self) -> float:
        """RMS in dB of full scale (a full-scale sine has -3), at least -120."""
        return float(10 * np.log10(max(self._power, 1e-12)))


@dataclass
class Counts:
    """Counts of what went wrong so far.

    Attributes:
        late: Blocks played from the mixture because their stems were not there.
        dropouts: Times that such blocks began.
        starved: Times that the source had nothing to play, and silence was played.
        underruns: Times that the output device had nothing to play.
        overruns: Times that captured sound was lost before it was read.
        lost: Times that the separator fell so far behind that mixture was overwritten.
        slips: Times that a block was left out, because the devices' queues had grown.
        reopened: Times that a device was opened again.
        suspended: Times that the process stood still.
    """

    late: int = 0
    dropouts: int = 0
    starved: int = 0
    underruns: int = 0
    overruns: int = 0
    lost: int = 0
    slips: int = 0
    reopened: int = 0
    suspended: int = 0


@dataclass(frozen=True)
class Status:
    """A session at one moment.

    Attributes:
        position: Seconds played; in a file, the time in it.
        state: "starting", "playing", "paused" or "ended".
        on_stems: Whether stems are played, and not the mixture in place of late stems.
        gains: Gains of the stems.
        wet: Share of the stems in the output: 1 stems, 0 mixture.
        muted: Whether the output is muted.
        strength: Strength of the mask.
        peak_db: Peak of what is played, in dB of full scale.
        rms_db: RMS of what is played, in dB of full scale.
        activity: Mean of the first stem's mask, in [0, 1].
        load: P50, p95, p99 of the time for a block, as a share of the block's duration.
        latency_ms: Milliseconds from the arrival of a sound, or from a key for a file, to its
            playing.
        counts: Counts of what went wrong.
    """

    position: float
    state: str
    on_stems: bool
    gains: dict[str, float]
    wet: float
    muted: bool
    strength: float
    peak_db: float
    rms_db: float
    activity: float
    load: tuple[float, float, float]
    latency_ms: float
    counts: Counts
