"""Singing detected from the masks of a masker, as streams; it runs no network of its own."""

import numpy as np

from isolde.activity.presence import Floats, Presence, voice_power
from isolde.core.errors import InputError
from isolde.core.stage import Complex64, Float32
from isolde.core.stems import VOCALS
from isolde.models.masker import Masker


class MaskDetector:
    """Probabilities from the level of the masked voice; fulfils `FrameDetector`."""

    def __init__(self, masker: Masker) -> None:
        """Start a stream.

        Args:
            masker: Stage that masks the vocals; must not be shared with another stream.

        Raises:
            InputError: It masks no vocals.
        """
        if VOCALS not in masker.stems:
            raise InputError(
                f"where somebody sings is told by a mask for '{VOCALS}', and this model has "
                f"{', '.join(masker.stems) or 'none'}: leave out the gate, or take another model"
            )
        self.grid, self.n_bins, self._masker = masker.grid, masker.n_bins, masker
        self._voice = masker.stems.index(VOCALS)
        self._presence = Presence(masker.grid.frame_seconds)
        self._start()

    @property
    def latency(self) -> int:
        """Frames: probability k is out once frame k + latency is in."""
        return self._masker.latency + self._presence.latency

    def reset(self) -> None:
        """Start another song."""
        self._masker.reset()
        self._presence.reset()
        self._start()

    def _start(self) -> None:
        self._waiting: Complex64 | None = None  # frames without masks

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, n_bins); return the probabilities that are ready."""
        _, probabilities = self.feed_masks(spectra)
        return probabilities

    def flush(self) -> Float32:
        """Return the last probabilities, with silence after the song."""
        _, probabilities = self.flush_masks()
        return probabilities

    def feed_masks(self, spectra: Complex64, /) -> tuple[Float32, Float32]:
        """Take frames; return the masks of all stems and the probabilities that are ready."""
        new = spectra[:, :, : self._masker.n_bins]
        self._waiting = new if self._waiting is None else np.concatenate([self._waiting, new], 1)
        masks = self._masker.feed(spectra)
        return masks, self._presence.feed(self._power(masks))

    def flush_masks(self) -> tuple[Float32, Float32]:
        """Return the remaining masks and probabilities."""
        masks = self._masker.flush()
        last = self._presence.feed(self._power(masks))
        return masks, np.concatenate([last, self._presence.flush()])

    def _power(self, masks: Float32) -> Floats:
        n = masks.shape[2]
        if self._waiting is None or not n:
            return np.zeros(0)
        heard, self._waiting = self._waiting[:, :n], self._waiting[:, n:].copy()
        return voice_power(heard, masks[self._voice], self.grid)


class PresenceMasker:
    """A masker that also detects singing; a `Masker` itself.

    Attributes:
        is_asked: Whether the probabilities are kept for `take`; else they are dropped.
    """

    is_asked = True

    def __init__(self, masker: Masker) -> None:
        """Start a stream.

        Args:
            masker: Stage that masks the vocals.

        Raises:
            InputError: It masks no vocals.
        """
        self._detector = MaskDetector(masker)
        self.stems, self.residual = masker.stems, masker.residual
        self.grid, self.n_bins = masker.grid, masker.n_bins
        self._masker, self._voice = masker, masker.stems.index(VOCALS)
        self._told: list[Float32] = []

    @property
    def latency(self) -> int:
        """Frames: mask k is out once frame k + latency is in."""
        return self._masker.latency

    def reset(self) -> None:
        """Start another stream."""
        self._detector.reset()
        self._told = []

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n, n_bins); return the masks that are ready."""
        return self._hear(spectra)[0]

    def flush(self) -> Float32:
        """Return the remaining masks."""
        return self._hear_last()[0]

    def take(self) -> Float32:
        """Return the probabilities (m,) since the last call."""
        told, self._told = self._told, []
        return np.concatenate([np.zeros(0, np.float32), *told])

    def _hear(self, spectra: Complex64) -> tuple[Float32, Float32]:
        return self._told_of(self._detector.feed_masks(spectra))

    def _hear_last(self) -> tuple[Float32, Float32]:
        return self._told_of(self._detector.flush_masks())

    def _told_of(self, found: tuple[Float32, Float32]) -> tuple[Float32, Float32]:
        """Keep the probabilities only if they will be taken, so that memory stays constant."""
        if self.is_asked:
            self._told.append(found[1])
        return found
