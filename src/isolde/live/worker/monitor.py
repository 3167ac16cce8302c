"""A masker around a masker whose strength can change while it runs, and which meters the voice."""

import numpy as np

from isolde.core.signal.masks import check_strength
from isolde.core.stage import Complex64, Float32
from isolde.models.masker import Masker

_RAMP_FRAMES = 8
"""Number of frames over which a new strength comes in; frames overlap by 75 % anyway."""


class TunableMasker:
    """The masks of another masker, raised to a power that may change."""

    def __init__(self, inner: Masker, *, strength: float = 1.0) -> None:
        """Wrap a masker.

        Args:
            inner: Masker to wrap.
            strength: Exponent of the mask, see `masks.readout`.
        """
        self._inner = inner
        self.stems, self.residual = inner.stems, inner.residual
        self.grid, self.n_bins = inner.grid, inner.n_bins
        self._strength = np.float32(strength)
        self._exponents = np.full(1, strength, np.float32)  # for the next frames; the last stays
        self.activity = 0.0

    @property
    def latency(self) -> int:
        """Latency in frames."""
        return self._inner.latency

    @property
    def strength(self) -> float:
        """Strength of the next masks; it may be set by another thread than the one that feeds."""
        return float(self._strength)

    @strength.setter
    def strength(self, value: float) -> None:
        check_strength(value)
        self._strength = np.float32(value)

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take (n_channels, n, n_bins); give masks (n_stems, n_channels or 1, m, n_bins)."""
        return self._tune(self._inner.feed(spectra))

    def flush(self) -> Float32:
        """Give the masks still owed."""
        return self._tune(self._inner.flush())

    def reset(self) -> None:
        """Forget the stream, not the strength."""
        self._inner.reset()
        self._exponents = np.full(1, self._strength)

    def _tune(self, masks: Float32) -> Float32:
        n = masks.shape[2]
        if not n:
            return masks
        self.activity = float(masks[0].mean())
        if self._exponents[-1] != (wanted := self._strength):
            self._exponents = np.linspace(
                self._exponents[0], wanted, _RAMP_FRAMES + 1, dtype=np.float32
            )[1:]
        now = self._exponents[:n]
        self._exponents = self._exponents[min(n, self._exponents.size - 1) :]
        if now.size < n:
            now = np.pad(now, (0, n - now.size), mode="edge")
        if (now == 1).all():
            return masks
        if (now == now[0]).all():
            now = now[:1]
        tuned: Float32 = masks ** now[:, None]
        return tuned
