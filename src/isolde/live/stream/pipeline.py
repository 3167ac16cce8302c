"""Mixture blocks in, what is to be heard out, on time whether the stems are there or not.

It opens no device and starts no thread: whoever has the sound pushes, whoever plays it pulls.

    push(block) -> mixture tape -> worker -> stems tape -> pull(n) -> mixer -> heard
                        |____________ the same positions ____________|

`pull` plays stems where they have arrived up to `reserve` samples beyond the block. If they have
not, it fades to the mixture of the same time within those samples, and back when they are there.
"""

import threading
import time
from collections import deque

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.masks import check_strength
from isolde.core.stage import Float32
from isolde.live.plan import Plan
from isolde.live.stream.meters import Counts, Level, Times
from isolde.live.stream.mixer import LiveMixer
from isolde.live.worker.engine import Engine
from isolde.live.worker.process import News, Order


class Pipeline:
    """One stream of mixture through the separator to the ear.

    Attributes:
        counts: What went wrong.
        load: Time per block as a share of the block's duration.
        output: Level of what was pulled.
        activity: Mean of the vocal mask, lately.
    """

    def __init__(self, plan: Plan, engine: Engine, *, follow: bool) -> None:
        """Begin at position 0.

        Args:
            plan: The numbers.
            engine: The worker.
            follow: True when sound is pulled as it is pushed, `plan.delay` behind (devices);
                False when it is pulled from 0 on and pushed ahead of that (files).
        """
        self.plan, self.engine = plan, engine
        self.mixer = LiveMixer(plan.stems, plan.n_channels, ramp=int(plan.ramp * plan.sample_rate))
        self.counts, self.load, self.output = Counts(), Times(), Level(plan.sample_rate)
        self.activity, self.strength = 0.0, plan.settings.strength
        self.paused = False
        self.played: deque[tuple[int, int]] = deque()
        self.available = 0
        self.finished = False
        self._follow = follow
        self._position = -plan.delay if follow else 0
        self._eaten = 0
        self._ready = False
        self._started = False  # stems have been heard since the last beginning
        self._end: int | None = None
        self._jump: int | None = None
        self._skip = 0
        self._starving = not follow
        self._push_lock = threading.Lock()
        self._collect_lock = threading.Lock()
        self._keep_played = False
        rows = plan.n_channels * len(plan.stems)
        self._stems = np.zeros((rows, plan.block), np.float32)
        self._mixture = np.zeros((plan.n_channels, plan.block), np.float32)

    # --- what comes in

    def push(self, block: Float32) -> None:
        """Take mixture (n_channels, n), and let the worker know."""
        with self._push_lock:
            step = self.engine.mixture.largest_write
            for start in range(0, block.shape[1], step):
                self.engine.mixture.write(block[:, start : start + step])
            self.engine.order(Order.PUSH, self.engine.mixture.written)

    def room(self, ahead: int) -> int:
        """Count the samples to push until the stream is `ahead` samples in front of the ear."""
        ahead = min(ahead, self.engine.mixture.capacity // 2)
        return max(0, self.position + ahead - self.engine.mixture.written)

    def finish(self) -> None:
        """End the mixture here: the rest of the stems is due."""
        with self._push_lock:
            self._end = self.engine.mixture.written
            self.engine.order(Order.FINISH, self._end)

    def begin_anew(self) -> None:
        """Take what is pushed next as what follows a seek: forget what was not played yet."""
        with self._push_lock:
            at = self.engine.mixture.written
            self.engine.order(Order.RESET, at)
            self._end, self.finished = None, False
            self._jump = at

    def skip(self, samples: int) -> None:
        """Leave out so many samples after the next block, which fades out: to catch up.

        When devices stood still for a moment, what they captured meanwhile has queued up, and
        would be heard late for ever.
        """
        self._skip = samples
        self.counts.slips += 1

    def set_strength(self, value: float) -> None:
        """Change the strength of the soft mask.

        Raises:
            InputError: When it is out of range, or the mask is binary.
        """
        if self.plan.settings.mask != "soft":
            raise InputError(f"strength {value:g}: a binary mask has none")
        check_strength(value)
        self.strength = value
        self.engine.order(Order.STRENGTH, value)

    # --- what goes out

    @property
    def position(self) -> int:
        """The position that is heard next: after a seek, that of what was sought."""
        jump = self._jump
        return self._position if jump is None else jump

    @property
    def ready(self) -> bool:
        """Whether the worker has loaded its model."""
        return self._ready

    @property
    def on_stems(self) -> bool:
        """Whether stems are heard, and not the mixture in place of late ones."""
        return self.mixer.on_stems

    @property
    def caught_up(self) -> bool:
        """Whether all stems but those of the newest block are there: then they are worth a wait."""
        return self.available >= self._position + self.plan.reserve

    @property
    def ended(self) -> bool:
        """Whether all that was pushed has been pulled."""
        return self._end is not None and self._jump is None and self._position >= self._end

    def keep_played(self) -> None:
        """From now on note in `played` which ranges were pulled (someone must take them)."""
        self._keep_played = True

    def collect(self, timeout: float = 0.0) -> None:
        """Take the worker's news.

        Raises:
            ModelError: When the worker is gone.
        """
        with self._collect_lock:
            for report in self.engine.news(timeout):
                if report.kind is News.READY:
                    self._ready = True
                elif report.kind is News.LOST:
                    self.counts.lost += 1
                elif report.kind is News.FINISHED:
                    self.finished = True
                elif report.eaten > self._eaten:
                    samples = report.eaten - self._eaten
                    self.load.add(report.seconds * self.plan.sample_rate / samples)
                    self.activity = report.activity
                self._eaten = max(self._eaten, report.eaten)
                self.available = max(self.available, report.available)

    def pull(self, n: int, *, patience: float = 0.0) -> Float32:
        """Give what is to be heard next.

        Args:
            n: Number of samples, at most the plan's block.
            patience: Seconds to wait for stems that are late (with a depth of 0, and for pipes).

        Returns:
            (n_channels, n).

        Raises:
            ModelError: When the worker is gone.
        """
        self.collect()
        at, end, jump = self._position, self._end, self._jump
        if self._skip and jump is None:
            jump, self._skip = at + n + self._skip, 0
        if patience > 0:
            self._wait_for(at + n, patience)
        stop = at + n if end is None else min(at + n, end)
        silent = self.paused or jump is not None
        if self._starves(stop, silent):
            return self._hold(n)
        need = stop + self.plan.reserve if end is None else min(stop + self.plan.reserve, end)
        present = self._ready and self.available >= need
        got = max(0, stop - at)
        here = min(max(self.available - at, 0), got)
        stems, mixture = self._stems[:, :n], self._mixture[:, :n]
        if not self.engine.mixture.read(at, mixture[:, :got]):
            mixture[:] = 0.0
            self.counts.lost += 1
        if not self.engine.stems.read(at, stems[:, :here]):
            here, present = 0, False
        mixture[:, got:] = 0.0
        stems[:, here:] = 0.0
        if end is not None and self.available >= end:
            here = n  # beyond the end there is silence, and it is there
        self._count(present, counts=not silent and stop > 0)
        out = self.mixer.process(
            stems,
            mixture,
            here=here,
            present=present,
            silent=silent,
            fade=n if jump is not None else self.plan.reserve,
        )
        if self._keep_played and stop > max(at, 0):
            self.played.append((max(at, 0), stop))
        self._position = max(at, stop)
        if jump is not None:
            self._position, self._starving = jump, True
            self._started &= self._follow
            if self._jump == jump:  # else there was another seek meanwhile
                self._jump = None
        self.output.add(out)
        return out

    def _wait_for(self, position: int, patience: float) -> None:
        """Wait until stems are there up to `position` and the reserve, or patience ends.

        It does not wait for stems whose mixture is not there yet.
        """
        need = position + self.plan.reserve
        if self._end is None and need + self.plan.lag > self.engine.mixture.written:
            return
        deadline = time.monotonic() + patience
        while not self.finished and self.available < need and position > 0:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.collect(left)

    def _starves(self, stop: int, silent: bool) -> bool:
        """Whether there is no mixture to play: hold until there is some in store again."""
        if self._follow:
            return False
        if self.paused and self.mixer.silent:
            return True
        there = self.engine.mixture.written
        if self._end is not None:
            self._starving = False
        elif self._starving:
            store = self._position + max(2 * self.plan.block, self.plan.sample_rate // 50)
            self._starving = there < store + self.plan.reserve
        else:
            self._starving = there < stop + self.plan.reserve
            self.counts.starved += self._starving
        return self._starving and self._jump is None and not silent

    def _hold(self, n: int) -> Float32:
        """Silence without moving on; the last samples in reserve fade out."""
        out = np.zeros((self.plan.n_channels, n), np.float32)
        rest = min(self.plan.reserve, n, self.engine.mixture.written - self._position)
        if not self.mixer.silent and rest > 0:
            stems, mixture = self._stems[:, :rest], self._mixture[:, :rest]
            there = self.engine.mixture.read(self._position, mixture)
            here = rest if self.engine.stems.read(self._position, stems) else 0
            if there:
                out[:, :rest] = self.mixer.process(
                    stems, mixture, here=here, present=here == rest, silent=True, fade=rest
                )
                if self._keep_played:
                    self.played.append((self._position, self._position + rest))
                self._position += rest
        self.output.add(out)
        return out

    def _count(self, present: bool, *, counts: bool) -> None:
        if present:
            self._started = True
        elif counts and self._started:
            self.counts.late += 1
            self.counts.dropouts += self.mixer.on_stems
