"""Moves one block after another from device to pipeline to device; it opens and closes nothing."""

import time

import numpy as np

from isolde.core.stage import silence_faults
from isolde.live.io.devices import Ports
from isolde.live.plan import Plan
from isolde.live.stream.pipeline import Pipeline

_SAFE_SECONDS = 0.003
"""Seconds of the output's store that are kept for our own work after waiting."""
_GROWN_SECONDS = 0.05
"""Seconds by which a queue must be longer than usual to have grown."""
_QUEUE_EVERY = 8
"""Blocks from one look at the devices' queues to the next."""
_LOOKS = 16
"""Number of looks that are remembered."""


class Backlog:
    """What waits in the devices' queues: how much, and whether it has grown."""

    def __init__(self, *, sample_rate: int, block: int) -> None:
        """Begin with no look taken.

        Args:
            sample_rate: Sample rate in Hz.
            block: Samples of a step.
        """
        self._grown = max(2 * block, int(_GROWN_SECONDS * sample_rate))
        self.reset()

    def reset(self) -> None:
        """Forget the looks: other devices are open."""
        self._seen = np.full(_LOOKS, np.nan)
        self._steps = self._slipped = 0
        self._usual = float("nan")

    @property
    def samples(self) -> float:
        """Samples in the queues, the median of the last looks; NaN before the first."""
        known = self._seen[np.isfinite(self._seen)]
        return float(np.median(known)) if known.size else float("nan")

    def is_due(self) -> bool:
        """Count a step; tell whether `look` should follow it."""
        self._steps += 1
        return self._steps % _QUEUE_EVERY == 0

    def look(self, samples: int) -> None:
        """Note how much waits now."""
        self._seen[self._steps // _QUEUE_EVERY % _LOOKS] = samples

    def has_grown(self) -> bool:
        """Tell whether there was much more than usual for several looks, with the newest one.

        After it was True, some looks must pass before it is True again.
        """
        looks = self._steps // _QUEUE_EVERY
        if self._steps % _QUEUE_EVERY or looks < _LOOKS:
            return False
        if not np.isfinite(self._usual):
            self._usual = float(np.median(self._seen))
        lately = self._seen[np.arange(looks - 5, looks + 1) % _LOOKS]
        if lately.min() < self._usual + self._grown or looks - self._slipped < 6:
            self._usual = min(self._usual, float(lately.max()))
            return False
        self._slipped = looks
        return True


class Loop:
    """The audio thread's work between two waits for the device.

    Attributes:
        ports: The open devices; None while there are none.
        beat: When the last block was handed over, by `time.monotonic`.
        first_sound: Seconds from `begin` to the first block handed to the output device.
        first_stems: Seconds from `begin` to the first block of stems.
    """

    def __init__(self, plan: Plan, pipeline: Pipeline, *, follows: bool) -> None:
        """Prepare.

        Args:
            plan: The session's numbers.
            pipeline: Pipeline to push to and to pull from.
            follows: Whether the ports capture.
        """
        self._plan, self._pipeline, self._follows = plan, pipeline, follows
        self._backlog = Backlog(sample_rate=plan.sample_rate, block=plan.block)
        self.ports: Ports | None = None
        self.first_sound = self.first_stems = 0.0
        self.begin()

    def begin(self) -> None:
        """Note that the session starts now."""
        self._began = self.beat = time.monotonic()

    def use(self, ports: Ports) -> None:
        """Go on with devices that have just been opened."""
        self.ports = ports
        self._backlog.reset()

    @property
    def latency(self) -> float:
        """Seconds from a sound's arrival to its leaving; for files, from a key to the output."""
        plan, ports, waiting = self._plan, self.ports, self._backlog.samples
        if np.isfinite(waiting):
            queued = waiting / plan.sample_rate
        else:
            queued = sum(ports.latency) if ports else 0.0
        if not self._follows:
            return queued + (plan.block + plan.ramp) / plan.sample_rate
        return queued + (plan.block + plan.delay) / plan.sample_rate

    def step(self) -> None:
        """Take one block through, from device to device.

        Raises:
            AudioError: A device is gone.
            ModelError: The worker is gone.
        """
        ports, pipeline, plan = self.ports, self._pipeline, self._plan
        assert ports is not None
        if self._follows:
            grown = self._backlog.has_grown()
            if grown:
                pipeline.skip(plan.block)
            for _ in range(1 + grown):
                block, lost = ports.read()
                pipeline.counts.overruns += lost
                silence_faults(block)
                pipeline.push(block)
        block = pipeline.pull(plan.block, patience=self._patience(ports))
        if self._backlog.is_due():
            self._backlog.look(sum(ports.queued))
        gap = ports.write(block)
        self.beat = time.monotonic()
        if not self.first_sound:
            self.first_sound = self.beat - self._began
        elif gap:
            pipeline.counts.underruns += 1
        if not self.first_stems and pipeline.mixer.on_stems:
            self.first_stems = self.beat - self._began

    def drain(self) -> None:
        """Write as much silence as the output's buffer holds, so that all before it is played.

        Raises:
            AudioError: The device is gone.
        """
        assert self.ports is not None
        silence = np.zeros((self._plan.n_channels, self._plan.block), np.float32)
        for _ in range(int(self.ports.latency[1] / self._plan.block_seconds) + 1):
            self.ports.write(silence)

    def _patience(self, ports: Ports) -> float:
        """Seconds to wait for stems: as long as the output has enough to play.

        Sound servers hand over several blocks at once; then there is no time between two visits,
        but there is enough to play. While the mixture is played, there is no waiting: the worker
        catches up faster than the store would. With a depth of 0 every block is waited for, unless
        the worker is behind by more than a block: waiting would take time from it and the device.
        """
        plan = self._plan
        least = 0.6 * plan.block_seconds if plan.depth == 0 and self._follows else 0.0
        if not self._pipeline.mixer.on_stems:
            self._pipeline.collect()  # what the worker has reported since the last block
            return least if self._pipeline.caught_up else 0.0
        store = ports.queued[1] / plan.sample_rate - _SAFE_SECONDS
        return max(least, min(store, 4 * plan.block_seconds))
