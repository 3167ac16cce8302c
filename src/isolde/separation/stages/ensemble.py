"""Compute the weighted mean of the estimates of several models; it knows no model by name.

If the errors of the estimates differ, their mean is nearer to the voice than each of them. The mean
is taken of samples, so members may have different grids, windows and latencies.
"""

from collections.abc import Sequence
from math import lcm

import numpy as np

from isolde.core.errors import ModelError
from isolde.core.stage import Float32
from isolde.separation.stages.estimator import Estimator
from isolde.separation.stages.queue import Queue


class Ensemble:
    """Several estimators as one; fulfils `estimator.Estimator`."""

    def __init__(
        self,
        members: Sequence[tuple[Estimator, float]],
        *,
        stems: tuple[str, ...],
        residual: str,
        n_channels: int,
    ) -> None:
        """Start a stream.

        Args:
            members: Estimators, each with its weight above 0.
            stems: Names of the stems, which every member must estimate.
            residual: Name of the stem that is the mixture minus the others.
            n_channels: Number of channels of the mixture.

        Raises:
            ModelError: There is no member, one lacks a stem, or two have different sample rates.
        """
        rates = sorted({member.sample_rate for member, _ in members})
        if len(rates) != 1:
            raise ModelError(
                f"an ensemble of models at {' and '.join(map(str, rates)) or 'no'} Hz: "
                "name models of one sample rate"
            )
        for member, _ in members:
            missing = [stem for stem in stems if stem not in member.stems]
            if missing:
                raise ModelError(
                    f"a member of the ensemble gives {', '.join(member.stems)} and no "
                    f"{', '.join(missing)}: take another"
                )
        self.stems, self.residual, self.sample_rate = stems, residual, rates[0]
        self.hop = lcm(*(member.hop for member, _ in members))
        total = sum(weight for _, weight in members)
        self._members = [member for member, _ in members]
        self._weights = [np.float32(weight / total) for _, weight in members]
        self._rows = [[member.stems.index(stem) for stem in stems] for member in self._members]
        self._empty = np.zeros((len(stems), n_channels, 0), np.float32)
        self._start()

    @property
    def latency(self) -> int:
        """Latency in samples, that of the slowest member."""
        return max(member.latency for member in self._members)

    def reset(self) -> None:
        """Begin anew."""
        for member in self._members:
            member.reset()
        self._start()

    def notes(self) -> list[str]:
        """List the notes of the members about the mixture, each line once."""
        return list(dict.fromkeys(note for member in self._members for note in member.notes()))

    def _start(self) -> None:
        self._queues = [Queue(2) for _ in self._members]

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n); return those that are ready, (n_stems, n_channels, m)."""
        return self._mean([member.feed(block) for member in self._members])

    def flush(self) -> Float32:
        """End the stream; return the rest, (n_stems, n_channels, m)."""
        return self._mean([member.flush() for member in self._members])

    def _mean(self, estimates: Sequence[Float32]) -> Float32:
        for queue, rows, estimate in zip(self._queues, self._rows, estimates, strict=True):
            queue.put(estimate[rows])
        n = min(queue.n for queue in self._queues)
        parts = [queue.take(n, self._empty) for queue in self._queues]
        weighted = [part * w for part, w in zip(parts, self._weights, strict=True)]
        mean: Float32 = np.sum(weighted, axis=0, dtype=np.float32)
        return mean
