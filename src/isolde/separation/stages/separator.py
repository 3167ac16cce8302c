"""The separator: mixture blocks in, stems out, at the mixture's own rate, channels and length.

It writes no file. All stems but one are what a model estimates; the last, the residual, is the
mixture less those, so that the stems always sum to it.
"""

from collections.abc import Iterable
from math import ceil

import numpy as np

from isolde.audio import Resampler
from isolde.core.stage import Float32, check_block, check_open, checked_form
from isolde.models.masker import Masker
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.estimator import Estimator, MaskEstimator
from isolde.separation.stages.queue import Queue

Block = dict[str, Float32]
"""Samples (n_channels, n) by name of the stem, the residual last."""


class Separator:
    """A stream of mixture blocks to a stream of stems.

    Attributes:
        stems: Names of the stems, the residual last.
        sample_rate: Sample rate of mixture and stems in Hz.
        n_channels: Number of channels of mixture and stems.
        estimator: Stage that estimates all stems but the residual, at a sample rate of its own.
    """

    def __init__(self, estimator: Estimator, *, sample_rate: int, n_channels: int) -> None:
        """Start a stream.

        Args:
            estimator: Stage that estimates the stems.
            sample_rate: Sample rate of the mixture in Hz.
            n_channels: Number of channels of the mixture.

        Raises:
            InputError: The sample rate is too low, or there is no channel.
        """
        sample_rate, n_channels = checked_form(sample_rate, n_channels)
        self.estimator, self.sample_rate, self.n_channels = estimator, sample_rate, n_channels
        self.stems = (*estimator.stems, estimator.residual)
        self._inward = Resampler(sample_rate, estimator.sample_rate, n_channels)
        self._outward = [
            Resampler(estimator.sample_rate, sample_rate, n_channels) for _ in estimator.stems
        ]
        self._start()

    @classmethod
    def with_masks(
        cls,
        masker: Masker,
        *,
        sample_rate: int,
        n_channels: int,
        settings: SeparationSettings | None = None,
    ) -> "Separator":
        """Start a stream of stems that a masker cuts out of the mixture's spectra.

        Args:
            masker: Stage that gives the masks.
            sample_rate: Sample rate of the mixture in Hz.
            n_channels: Number of channels of the mixture.
            settings: Reading of the masks, and the synthesis where it is not the masker's own;
                which model and gate the masker has is the caller's affair.

        Raises:
            InputError: The sample rate is too low, or there is no channel.
        """
        sample_rate, n_channels = checked_form(sample_rate, n_channels)
        estimator = MaskEstimator(
            masker, sample_rate=sample_rate, n_channels=n_channels, settings=settings
        )
        return cls(estimator, sample_rate=sample_rate, n_channels=n_channels)

    @property
    def latency(self) -> int:
        """Samples at the mixture's rate: sample k is out once k + latency samples are in."""
        inside, rate = self.estimator.latency + self._outward[0].latency, self.sample_rate
        if rate == self.estimator.sample_rate:
            return inside
        return self._inward.latency + ceil(inside * rate / self.estimator.sample_rate) + 1

    def reset(self) -> None:
        """Begin another stream."""
        self.estimator.reset()
        for resampler in (self._inward, *self._outward):
            resampler.reset()
        self._start()

    def _start(self) -> None:
        self._mixture, self._ready = Queue(1), [Queue(1) for _ in self.estimator.stems]
        self._none = np.zeros((self.n_channels, 0), np.float32)
        self._ended = False

    def feed(self, block: Float32, /) -> Block:
        """Take samples (n_channels, n) in [-1, 1]; give what is ready of each stem.

        Raises:
            InputError: The block is no array of floats, has another number of channels, or holds
                NaN, infinity or values beyond `LOUDEST`; or the stream has ended.
        """
        check_open(ended=self._ended)
        check_block(block, n_channels=self.n_channels, finite="mixture")
        self._mixture.put(block.astype(np.float32))
        self._put(self.estimator.feed(self._inward.feed(block)))
        return self._give(min(self._mixture.n, *(q.n for q in self._ready)))

    def flush(self) -> Block:
        """End the stream: give the rest of each stem, so that all are as long as the mixture.

        Raises:
            InputError: The stream has ended already.
        """
        check_open(ended=self._ended)
        self._ended = True
        self._put(self.estimator.feed(self._inward.flush()))
        self._put(self.estimator.flush())
        for outward, ready in zip(self._outward, self._ready, strict=True):
            ready.put(outward.flush())
            missing = self._mixture.n - ready.n  # there and back again may round to a sample less
            ready.put(np.zeros((self.n_channels, max(0, missing)), np.float32))
        return self._give(self._mixture.n)

    def notes(self) -> list[str]:
        """Say what was found about the mixture until now, one line each: channels wired wrongly."""
        return self.estimator.notes()

    def whole(self, blocks: Iterable[Float32]) -> Block:
        """Separate a song that is fed from here to its end.

        Args:
            blocks: Blocks (n_channels, n) of the mixture.

        Returns:
            Samples (n_channels, n_samples) of each stem.

        Raises:
            InputError: A block cannot be used, or the stream has ended.
        """
        parts = [*(self.feed(block) for block in blocks), self.flush()]
        return {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in self.stems}

    def __repr__(self) -> str:
        """Name the stems, the channels, the rate and the latency."""
        return (
            f"<Separator {', '.join(self.stems)}: {self.n_channels} channels, "
            f"{self.sample_rate} Hz, {self.latency} samples late>"
        )

    def _put(self, estimates: Float32) -> None:
        for samples, outward, ready in zip(estimates, self._outward, self._ready, strict=True):
            ready.put(outward.feed(samples))

    def _give(self, n: int) -> Block:
        mixture = self._mixture.take(n, self._none)
        parts = [ready.take(n, self._none) for ready in self._ready]
        rest = mixture - sum(parts)
        return dict(zip(self.stems, (*parts, rest), strict=True))
