"""Estimate samples of the stems from samples of the mixture, at a model's own sample rate.

`Estimator` is the interface of all models to the separator. `MaskEstimator` implements it for
maskers; models that give samples implement it themselves. An estimator never resamples, and never
computes the residual.
"""

from math import isfinite
from typing import Protocol

import numpy as np

from isolde.core.errors import ModelError
from isolde.core.signal.level import LEVEL_DB, RISE_SECONDS
from isolde.core.signal.masks import extend_treble, readout
from isolde.core.signal.spectrum import Analysis
from isolde.core.signal.synthesis import Synthesis
from isolde.core.stage import Complex64, Float32
from isolde.core.stems import VOCALS
from isolde.models.conditioning import Conditioner, heard_from, lowest_bin
from isolde.models.masker import Masker
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.queue import Queue


class Estimator(Protocol):
    """A stage from the mixture (n_channels, n) to stems (n_stems, n_channels, m).

    `stems` has their names, `residual` the name of the mixture minus them. `sample_rate` is the
    sample rate of input and output in Hz, and `hop` the number of samples that come out at once.
    """

    stems: tuple[str, ...]
    residual: str
    sample_rate: int
    hop: int

    @property
    def latency(self) -> int:
        """Latency in samples: sample k of the stems is ready once k + latency samples are in."""
        ...

    def feed(self, block: Float32, /) -> Float32:
        """Take samples; return those of each stem that are ready."""
        ...

    def flush(self) -> Float32:
        """End the stream; return the rest, so that the stems are as long as the mixture."""
        ...

    def reset(self) -> None:
        """Forget the stream."""
        ...

    def notes(self) -> list[str]:
        """List faults of the mixture, one line each."""
        ...


class MaskEstimator:
    """Stems that a masker cuts out of the mixture's spectra.

    The masker is fed with conditioned spectra (see `conditioning`); its masks are applied to the
    original ones. The mask of vocals is 0 below the lowest frequency of a voice.

    Attributes:
        masker: Stage that gives the masks.
        grid: Frames and bins of the analysis: those of the masker, or the same frames at twice the
            sample rate, whose upper bins are the treble that the masker does not get.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        sample_rate: int,
        n_channels: int,
        settings: SeparationSettings | None = None,
        level_db: float = LEVEL_DB,
        level_seconds: float = RISE_SECONDS,
        lowest_hz: float = 0.0,
    ) -> None:
        """Start a stream.

        Args:
            masker: Stage that gives the masks.
            sample_rate: Sample rate of the song in Hz, by which the grid is chosen.
            n_channels: Number of channels of the mixture.
            settings: Reading of the masks, and the synthesis if it is not that of the masker.
            level_db: RMS to which loud frames are brought for the masker, in dB of full scale.
            level_seconds: Time over which the power is smoothed.
            lowest_hz: Frequency in Hz below which nothing is a voice; 0 for none.
        """
        self._settings = settings or SeparationSettings()
        self.masker, self._n_channels = masker, n_channels
        self.stems, self.residual = masker.stems, masker.residual
        self.grid = masker.grid.at(sample_rate, synthesis=self._settings.synthesis)
        self.sample_rate, self.hop = self.grid.sample_rate, self.grid.hop
        self._lowest = lowest_bin(self.grid, lowest_hz)
        self._conditioner = Conditioner(
            masker.grid,
            level_db=level_db,
            level_seconds=level_seconds,
            lowest_hz=heard_from(masker.stems, lowest_hz),
        )
        self._analysis = Analysis(self.grid, n_channels)
        self._syntheses = [Synthesis(self.grid, n_channels) for _ in masker.stems]
        self._start()

    @property
    def latency(self) -> int:
        """Latency in samples, from the windows of the transform and the latency of the masker."""
        return self.grid.latency + self.masker.latency * self.hop

    def reset(self) -> None:
        """Begin anew."""
        self.masker.reset()
        self._conditioner.reset()
        self._analysis.reset()
        for synthesis in self._syntheses:
            synthesis.reset()
        self._start()

    def notes(self) -> list[str]:
        """List faults of the channels, one line each."""
        return self._conditioner.notes()

    def _start(self) -> None:
        self._spectra = Queue(1)
        self._n_samples = 0

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n); return those that are ready, (n_stems, n_channels, m).

        Raises:
            ModelError: The masks have another shape, or hold NaN or infinity.
        """
        self._n_samples += block.shape[1]
        return self._separate(self._analysis.feed(block))

    def flush(self) -> Float32:
        """End the stream; return the rest, (n_stems, n_channels, m)."""
        if not self._n_samples:
            return np.zeros((len(self.stems), self._n_channels, 0), np.float32)
        for synthesis in self._syntheses:
            synthesis.end_at(self._n_samples)
        parts = [self._separate(self._analysis.flush()), self._apply(self.masker.flush())]
        parts.append(np.stack([synthesis.flush() for synthesis in self._syntheses]))
        return np.concatenate(parts, axis=2)

    def _separate(self, spectra: Complex64) -> Float32:
        self._spectra.put(spectra)
        heard = self._conditioner.feed(spectra[:, :, : self.masker.n_bins])
        return self._apply(self.masker.feed(heard))

    def _apply(self, masks: Float32) -> Float32:
        """Apply masks to the oldest frames, and transform them to samples."""
        n = masks.shape[2]
        if not n:
            return np.zeros((len(self.stems), self._n_channels, 0), np.float32)
        self._check(masks)
        like = np.zeros((self._n_channels, 0, self.grid.n_bins), np.complex64)
        spectra = self._spectra.take(n, like)
        samples = []
        for stem, mask, synthesis in zip(self.stems, masks, self._syntheses, strict=True):
            whole = extend_treble(self._read(mask), self.grid)
            if stem == VOCALS:
                whole[..., : self._lowest] = 0
            masked = (spectra * whole).astype(np.complex64, copy=False)
            samples.append(synthesis.feed(masked))
        return np.stack(samples)

    def _check(self, masks: Float32) -> None:
        """Refuse masks of another shape, with NaN or infinity, or with negative values."""
        stems, channels, bins = masks.shape[0], masks.shape[1], masks.shape[3]
        if (
            stems != len(self.stems)
            or channels not in (1, self._n_channels)
            or bins not in (self.masker.n_bins, self.grid.n_bins)
        ):
            raise ModelError(
                f"masks of shape {masks.shape}: the masker must give ({len(self.stems)}, 1 or "
                f"{self._n_channels}, n, {self.masker.n_bins} or {self.grid.n_bins})"
            )
        if not isfinite(masks.sum()):  # NaN and infinity survive a sum
            raise ModelError(
                f"the masks of {', '.join(self.stems)} hold NaN or infinity: take another model"
            )
        if self._settings.strength != 1 and masks.min() < 0:  # its power would be NaN
            raise ModelError(
                f"the masks of {', '.join(self.stems)} go below 0, and are raised to no power: "
                "leave out the strength"
            )

    def _read(self, mask: Float32) -> Float32:
        asked = self._settings
        return readout(mask, asked.mask, threshold=asked.threshold, strength=asked.strength)
