"""A soft gate that attenuates the vocals where nobody sings; it neither mutes nor clicks.

    s[t] = smoothstep((p[t] - closed) / (open - closed))       target opening of frame t, in [0, 1]
    h[t] = max of s over [t - hold, t + ahead]                 open before the voice, close after it
    g[t] = mean of h under a Hann window of 2 ramp + 1 frames  smooth
    gain[t] = 10^(floor_db (1 - g[t]) / 20)                    linear in dB

The mask is multiplied by the gain and the rest goes to the residual, so the stems still sum to the
mixture. The gain of a frame is at least 10^(floor_db / 20): a gated stem is quiet but not zero,
because scores skip silent passages, in which a gate can only fail.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isolde.activity.masks import PresenceMasker
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Complex64, Float32
from isolde.models.masker import Masker


@dataclass(frozen=True)
class GateRule:
    """Settings of the gate. Probabilities in [0, 1], times in seconds.

    Attributes:
        floor_db: Gain of a closed gate, below 0.
        closed: Probability at and below which it is closed.
        open: Probability at and above which it is open.
        ahead: Time that it opens before the voice.
        hold: Time that it stays open after the voice.
        ramp: Half the duration of each rise and fall.
    """

    floor_db: float = -30.0
    closed: float = 0.3
    open: float = 0.6
    ahead: float = 0.1
    hold: float = 0.2
    ramp: float = 0.07

    def __post_init__(self) -> None:
        """Refuse invalid settings."""
        if not -120 <= self.floor_db <= 0:
            raise InputError(f"a floor of {self.floor_db} dB: give -120 to 0")
        if not 0 <= self.closed < self.open <= 1:
            raise InputError(
                f"closed {self.closed} and open {self.open}: give 0 <= closed < open <= 1"
            )
        for name in ("ahead", "hold", "ramp"):
            if not 0 <= getattr(self, name) <= 10:
                raise InputError(f"{name} {getattr(self, name)} s: give 0 to 10")


class Gate:
    """Probabilities (n,) in, gains (m,) in (0, 1] out, one per frame."""

    def __init__(
        self, rule: GateRule | None = None, *, frame_seconds: float = GRID_22.frame_seconds
    ) -> None:
        """Start a stream of frames that are `frame_seconds` apart."""
        self.rule = rule or GateRule()
        frames = [
            round(t / frame_seconds) for t in (self.rule.ahead, self.rule.hold, self.rule.ramp)
        ]
        self._ahead, self._hold, self._ramp = frames
        window = np.hanning(2 * self._ramp + 3)[1:-1]
        self._window = window / window.sum()
        self.reset()

    @property
    def latency(self) -> int:
        """Frames: gain k is out once probability k + latency is in."""
        return self._ahead + self._ramp

    def reset(self) -> None:
        """Start another song, whose first probability also stands for the time before it."""
        self._held: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None

    def feed(self, probabilities: Float32, /) -> Float32:
        """Take probabilities (n,); return the gains that are ready."""
        if not probabilities.size:
            return np.zeros(0, np.float32)
        s = np.clip(
            (probabilities.astype(np.float64) - self.rule.closed)
            / (self.rule.open - self.rule.closed),
            0,
            1,
        )
        s = s * s * (3 - 2 * s)
        if self._held is None:
            self._held = np.full(self._hold + self._ramp, s[0])
        self._held = np.concatenate([self._held, s])
        return self._gains()

    def flush(self) -> Float32:
        """Return the last gains; the last probability also stands for the time after it."""
        if self._held is None:
            return np.zeros(0, np.float32)
        self._held = np.concatenate([self._held, np.full(self.latency, self._held[-1])])
        return self._gains()

    def _gains(self) -> Float32:
        assert self._held is not None
        reach, width = self._hold + self._ahead + 1, 2 * self._ramp + 1
        n = len(self._held) - (reach + width - 2)
        if n <= 0:
            return np.zeros(0, np.float32)
        greatest = sliding_window_view(self._held, reach).max(axis=1)
        g = sliding_window_view(greatest, width) @ self._window
        self._held = self._held[n:]
        gains: Float32 = (10 ** (self.rule.floor_db * (1 - g) / 20)).astype(np.float32)
        return gains


class GatedMasker(PresenceMasker):
    """A masker that attenuates the vocal mask where nobody sings; a `Masker` itself.

    Attributes:
        is_asked: Whether the probabilities are kept for `take`; usually they are not.
    """

    is_asked = False

    def __init__(self, masker: Masker, *, rule: GateRule | None = None) -> None:
        """Start a stream.

        Args:
            masker: Stage that masks the vocals, from whose masks singing is detected.
            rule: Settings of the gate.

        Raises:
            InputError: The masker has no mask for the vocals.
        """
        super().__init__(masker)
        self._gate = Gate(rule, frame_seconds=masker.grid.frame_seconds)
        self._begin()

    @property
    def latency(self) -> int:
        """Frames: mask k is out once frame k + latency is in."""
        return self._detector.latency + self._gate.latency

    def reset(self) -> None:
        """Start another stream."""
        super().reset()
        self._gate.reset()
        self._begin()

    def _begin(self) -> None:
        self._masks: Float32 | None = None
        self._gains = np.zeros(0, np.float32)

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, n_bins); return the masks that are ready."""
        masks, probabilities = self._hear(spectra)
        return self._apply(masks, self._gate.feed(probabilities))

    def flush(self) -> Float32:
        """Return the remaining masks."""
        masks, probabilities = self._hear_last()
        gains = self._gate.feed(probabilities)
        return self._apply(masks, np.concatenate([gains, self._gate.flush()]))

    def _apply(self, masks: Float32, gains: Float32) -> Float32:
        """Multiply masks and gains of the same frames; keep the rest for the next call."""
        if self._masks is not None:
            masks = np.concatenate([self._masks, masks], axis=2)
        gains = np.concatenate([self._gains, gains])
        n = min(masks.shape[2], len(gains))
        self._masks, self._gains = masks[:, :, n:].copy(), gains[n:]
        ready = masks[:, :, :n].copy()
        ready[self._voice] *= gains[None, :n, None]
        return ready
