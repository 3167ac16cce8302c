"""A soft gate: the vocal stem goes down where nobody sings; it never closes fully or clicks.

    r[t] = 10 log10(sum |M X|^2 / sum |X|^2)                   what the mask keeps, over 9 frames
    q[t] = sigmoid(logit p[t] + 0.3 (r[t] + 6))                the detector and the mask agree
    s[t] = smoothstep((q[t] - closed) / (open - closed))      how open frame t should be, in [0, 1]
    h[t] = max of s over [t - hold, t + ahead]                 open before the voice, close after it
    g[t] = mean of h under a Hann window of 2 ramp + 1 frames  no corner anywhere
    gain[t] = 10^(floor_db (1 - g[t]) / 20)                    linear in dB

Detector and mask err at different places: on dev songs with pauses the area under the ROC curve
is 0.853 for p, 0.844 for r and 0.882 for q. The mask is multiplied by the gain, and what it leaves
goes to the residual: stems sum to the mixture as before. The gain of a frame is at least
10^(floor_db / 20), so a gated stem is quiet but not zeros, which would make scores skip the
passages in which a gate can only fail.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from isolde.activity.detector import FrameDetector
from isolde.errors import InputError
from isolde.masker import Masker
from isolde.spectrum import GRID_22
from isolde.stages import Complex64, Float32

Float64 = NDArray[np.float64]


KEPT_FRAMES = 9
"""Frames (0.1 s) over which what the mask keeps is measured."""

KEPT_WEIGHT = 0.3
"""Log-odds for each decibel that the mask keeps more, or less, than KEPT_DB of the mixture."""

KEPT_DB = -6.0
"""Where the mask says nothing either way."""


@dataclass(frozen=True)
class GateRule:
    """How the gate moves. Probabilities in [0, 1], times in seconds.

    Attributes:
        floor_db: gain of a closed gate, below 0.
        closed: q at and below which it closes.
        open: q at and above which it opens.
        ahead: it opens this much before the voice.
        hold: it stays open this much after the voice.
        ramp: half the length of every rise and fall.
    """

    floor_db: float = -30.0
    closed: float = 0.3
    open: float = 0.6
    ahead: float = 0.1
    hold: float = 0.2
    ramp: float = 0.07

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
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
    """Probabilities (n,) in, gains (m,) in (0, 1] out, one for each frame."""

    def __init__(self, rule: GateRule | None = None) -> None:
        """Start a stream."""
        self.rule = rule or GateRule()
        frames = [
            round(t / GRID_22.frame_seconds)
            for t in (self.rule.ahead, self.rule.hold, self.rule.ramp)
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
        """Begin a song: the first probability stands for all before it."""
        self._held: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None

    def feed(self, probabilities: Float32, /) -> Float32:
        """Take probabilities (n,); give the gains that are ready."""
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
        """Give the last gains; the last probability stands for all after it."""
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


class _Kept:
    """Energies (2, n) of the masked and the whole mixture in; sums over KEPT_FRAMES out.

    The frame is in the middle; before the song and after it there is nothing.
    """

    latency = KEPT_FRAMES // 2

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._held = np.zeros((2, self.latency))

    def feed(self, energies: Float64, /) -> Float64:
        self._held = np.concatenate([self._held, energies], axis=1)
        n = self._held.shape[1] - 2 * self.latency
        if n <= 0:
            return np.zeros((2, 0))
        sums: Float64 = sliding_window_view(self._held, KEPT_FRAMES, axis=1).sum(axis=2)
        self._held = self._held[:, n:]
        return sums

    def flush(self) -> Float64:
        return self.feed(np.zeros((2, self.latency)))


def presence(probabilities: Float32, kept: Float64) -> Float32:
    """What the detector and the mask say together.

    Args:
        probabilities: (n,) of the detector.
        kept: (2, n) energy of the masked mixture and of the whole, any unit.

    Returns:
        (n,) in (0, 1), `q` of the formulas above.
    """
    p = np.clip(probabilities.astype(np.float64), 1e-4, 1 - 1e-4)
    share = (kept[0] + 1e-12 * 10 ** (KEPT_DB / 10)) / (kept[1] + 1e-12)
    decibels = 10 * np.log10(np.maximum(share, 1e-6))
    odds = np.log(p / (1 - p)) + KEPT_WEIGHT * (decibels - KEPT_DB)
    q: Float32 = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return q


class GatedMasker:
    """A masker whose vocal mask is turned down where nobody sings; a `Masker` itself."""

    def __init__(
        self,
        masker: Masker,
        detector: FrameDetector,
        *,
        rule: GateRule | None = None,
        stem: str = "vocals",
    ) -> None:
        """Start a stream.

        Args:
            masker: any masker that masks `stem`.
            detector: hears the same spectra; must not be shared with another stream.
            rule: how the gate moves.
            stem: the stem to gate.

        Raises:
            InputError: when the masker has no mask for the stem.
        """
        if stem not in masker.stems:
            raise InputError(
                f"the gate needs a mask for '{stem}', and this model has "
                f"{', '.join(masker.stems) or 'none'}: leave the gate out or take another model"
            )
        self.stems, self.residual = masker.stems, masker.residual
        self._masker, self._detector, self._gate = masker, detector, Gate(rule)
        self._kept = _Kept()
        self._stem = masker.stems.index(stem)
        self._start()

    @property
    def latency(self) -> int:
        """Frames: until the detector has answered, the mask has, and the gate has seen both."""
        heard = max(self._masker.latency + self._kept.latency, self._detector.latency)
        return heard + self._gate.latency

    def reset(self) -> None:
        """Forget the stream."""
        for stage in (self._masker, self._detector, self._kept, self._gate):
            stage.reset()
        self._start()

    def _start(self) -> None:
        self._masks: Float32 | None = None
        self._power: Float32 | None = None  # of the frames whose masks are to come
        self._probabilities = np.zeros(0, np.float32)
        self._sums = np.zeros((2, 0))
        self._gains = np.zeros(0, np.float32)

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, 513); give the masks that are ready."""
        power = np.square(np.abs(spectra))
        self._power = power if self._power is None else np.concatenate([self._power, power], axis=1)
        masks = self._masker.feed(spectra)
        sums = self._kept.feed(self._energies(masks))
        gains = self._gate.feed(self._presence(self._detector.feed(spectra), sums))
        return self._apply(masks, gains)

    def flush(self) -> Float32:
        """Give the masks still owed."""
        masks = self._masker.flush()
        sums = np.concatenate([self._kept.feed(self._energies(masks)), self._kept.flush()], axis=1)
        gains = self._gate.feed(self._presence(self._detector.flush(), sums))
        return self._apply(masks, np.concatenate([gains, self._gate.flush()]))

    def _energies(self, masks: Float32) -> Float64:
        """Energy of the masked and of the whole mixture in the frames of these masks, (2, n)."""
        n = masks.shape[2]
        if self._power is None or not n:
            return np.zeros((2, 0))
        power, self._power = self._power[:, :n], self._power[:, n:]
        masked = np.square(masks[self._stem]) * power
        return np.stack([y.sum(axis=(0, 2), dtype=np.float64) for y in (masked, power)])

    def _presence(self, probabilities: Float32, sums: Float64) -> Float32:
        """Join the detector's answers and the mask's of the same frames; keep what waits."""
        probabilities = np.concatenate([self._probabilities, probabilities])
        sums = np.concatenate([self._sums, sums], axis=1)
        n = min(len(probabilities), sums.shape[1])
        self._probabilities, self._sums = probabilities[n:], sums[:, n:]
        return presence(probabilities[:n], sums[:, :n])

    def _apply(self, masks: Float32, gains: Float32) -> Float32:
        """Join masks and gains of the same frames; keep what waits for its other half."""
        if self._masks is not None:
            masks = np.concatenate([self._masks, masks], axis=2)
        gains = np.concatenate([self._gains, gains])
        n = min(masks.shape[2], len(gains))
        self._masks, self._gains = masks[:, :, n:].copy(), gains[n:]
        ready = masks[:, :, :n].copy()
        ready[self._stem] *= gains[None, :n, None]
        return ready
