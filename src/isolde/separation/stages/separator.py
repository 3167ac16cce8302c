"""The separator: blocks of the mixture in, stems out, at the same rate, channels and length.

It writes no files. All stems but the last are estimates of a model. The last, the residual, is the
mixture minus them, so that the stems always sum to the mixture.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from threading import Lock
from typing import Any

import numpy as np

from isolde.audio import Resampler
from isolde.core.errors import InputError
from isolde.core.stage import Float32, blocks_of, check_block, check_open, checked_form
from isolde.models.masker import Masker
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.estimator import Estimator, MaskEstimator
from isolde.separation.stages.queue import Queue

Block = dict[str, Float32]
"""Samples (n_channels, n) by name of the stem, the residual last."""


class Separator:
    """A stage from blocks of the mixture to blocks of the stems.

    A separator of `load_separator` can be pickled and copied before it was fed: the copy is made
    from the same model and settings, and loads the model itself. Only one thread at a time may feed
    a separator; several threads need one each.

    Attributes:
        stems: Names of the stems, the residual last.
        sample_rate: Sample rate of mixture and stems in Hz.
        n_channels: Number of channels of mixture and stems.
        estimator: Stage that estimates all stems but the residual, at its own sample rate.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        sample_rate: int,
        n_channels: int,
        maker: Callable[..., "Separator"] | None = None,
    ) -> None:
        """Start a stream.

        Args:
            estimator: Stage that estimates the stems.
            sample_rate: Sample rate of the mixture in Hz.
            n_channels: Number of channels of the mixture.
            maker: Function that makes the same separator from sample rate and number of channels,
                and can be pickled; None: the separator cannot be pickled.

        Raises:
            InputError: The sample rate is too low, or there is no channel.
        """
        sample_rate, n_channels = checked_form(sample_rate, n_channels)
        self.estimator, self.sample_rate, self.n_channels = estimator, sample_rate, n_channels
        self._maker, self._lock = maker, Lock()
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
        """Make a separator from a masker.

        Args:
            masker: Stage that gives the masks.
            sample_rate: Sample rate of the mixture in Hz.
            n_channels: Number of channels of the mixture.
            settings: Reading of the masks, and the synthesis if it is not that of the masker; model
                and gate are ignored.

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
        """Latency in samples of the mixture: sample k is ready once k + latency are in."""
        inside, rate = self.estimator.latency + self._outward[0].latency, self.sample_rate
        if rate == self.estimator.sample_rate:
            return inside
        return self._inward.latency + ceil(inside * rate / self.estimator.sample_rate) + 1

    def reset(self) -> None:
        """Start another stream."""
        self.estimator.reset()
        for resampler in (self._inward, *self._outward):
            resampler.reset()
        self._start()

    def _start(self) -> None:
        self._mixture, self._ready = Queue(1), [Queue(1) for _ in self.estimator.stems]
        self._none = np.zeros((self.n_channels, 0), np.float32)
        self._ended = self._begun = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Give function and arguments that make it again, for pickle and copy.

        Raises:
            InputError: It is in the middle of a stream, or was made from stages.
        """
        if self._begun:
            raise InputError(
                "a separator that has heard samples cannot be pickled or copied: reset it first, "
                "or load one in each process"
            )
        if self._maker is None:
            raise InputError(
                "a separator made of stages cannot be pickled or copied: make one in each process, "
                "or use load_separator"
            )
        return _remake, (self._maker, self.sample_rate, self.n_channels)

    def feed(self, block: Float32, /) -> Block:
        """Take samples (n_channels, n) in [-1, 1]; return those of each stem that are ready.

        Raises:
            InputError: The block is no array of floats, has another number of channels, or holds
                NaN, infinity or values beyond `LOUDEST`; the stream has ended; or another thread is
                feeding it.
        """
        check_block(block, n_channels=self.n_channels, finite="mixture")
        with self._turn():
            check_open(ended=self._ended)
            self._begun = True
            self._mixture.put(block.astype(np.float32))
            self._put(self.estimator.feed(self._inward.feed(block)))
            return self._give(min(self._mixture.n, *(q.n for q in self._ready)))

    def flush(self) -> Block:
        """End the stream; return the rest of each stem, so that all are as long as the mixture.

        Raises:
            InputError: The stream has ended already, or another thread is feeding it.
        """
        with self._turn():
            check_open(ended=self._ended)
            self._ended = self._begun = True
            self._put(self.estimator.feed(self._inward.flush()))
            self._put(self.estimator.flush())
            for outward, ready in zip(self._outward, self._ready, strict=True):
                ready.put(outward.flush())
                missing = self._mixture.n - ready.n  # resampling may lose a sample
                ready.put(np.zeros((self.n_channels, max(0, missing)), np.float32))
            return self._give(self._mixture.n)

    def notes(self) -> list[str]:
        """List faults of the channels of the mixture so far, one line each."""
        return self.estimator.notes()

    def whole(self, blocks: Iterable[Float32]) -> Block:
        """Separate a whole song.

        Args:
            blocks: Blocks (n_channels, n) of the mixture, or the whole mixture as one array.

        Returns:
            Samples (n_channels, n_samples) of each stem.

        Raises:
            InputError: A block cannot be used, or the stream has ended.
        """
        if isinstance(blocks, np.ndarray) and blocks.ndim == 2:
            blocks = blocks_of(blocks)
        parts = [*(self.feed(block) for block in blocks), self.flush()]
        return {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in self.stems}

    def __repr__(self) -> str:
        """Show the stems, the channels, the sample rate and the latency."""
        return (
            f"<Separator {', '.join(self.stems)}: {self.n_channels} channels, "
            f"{self.sample_rate} Hz, {self.latency} samples late>"
        )

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Refuse a second thread, whose samples would be mixed with those of the first."""
        if not self._lock.acquire(blocking=False):
            raise InputError("another thread feeds this separator: load one for each thread")
        try:
            yield
        finally:
            self._lock.release()

    def _put(self, estimates: Float32) -> None:
        for samples, outward, ready in zip(estimates, self._outward, self._ready, strict=True):
            ready.put(outward.feed(samples))

    def _give(self, n: int) -> Block:
        mixture = self._mixture.take(n, self._none)
        parts = [ready.take(n, self._none) for ready in self._ready]
        rest = mixture - sum(parts)
        return dict(zip(self.stems, (*parts, rest), strict=True))


def _remake(maker: Callable[..., Separator], sample_rate: int, n_channels: int) -> Separator:
    """Make a separator again, for pickle."""
    return maker(sample_rate=sample_rate, n_channels=n_channels)
