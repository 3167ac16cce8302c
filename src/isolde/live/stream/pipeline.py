"""From blocks of mixture to blocks of output, on time whether the stems are there or not.

It opens no device and starts no thread: the source pushes, the player pulls.

    push(block) -> mixture tape -> worker -> stems tape -> pull(n) -> mixer -> output
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
    """One stream of mixture through the separator to the output.

    Attributes:
        counts: Counts of what went wrong.
        load: Time per block as a share of the block's duration.
        output: Level of what was pulled.
        activity: Mean of the first stem's mask, lately.
        strength: Strength of the mask.
        paused: Whether to fade out and hold the position.
        ready: Whether the worker has loaded its model.
        available: Position up to which stems are there.
        played: Ranges that were pulled, for a recorder, which takes them; None: not noted.
    """

    def __init__(self, plan: Plan, engine: Engine, *, follow: bool) -> None:
        """Begin at position 0.

        Args:
            plan: The session's numbers.
            engine: The worker.
            follow: Whether sound is pulled as it is pushed, `plan.delay` behind (devices), or
                from 0 on and pushed ahead of that (files).
        """
        self.plan, self.engine = plan, engine
        self.mixer = LiveMixer(plan.stems, plan.n_channels, ramp=plan.ramp)
        self.counts, self.load, self.output = Counts(), Times(), Level(plan.sample_rate)
        self.activity, self.strength = 0.0, plan.settings.strength
        self.paused = self.ready = False
        self.played: deque[tuple[int, int]] | None = None
        self.available = 0
        self._follow = follow
        self._position = -plan.delay if follow else 0
        self._eaten = 0
        self._started = False  # stems have been played since the last beginning
        self._end: int | None = None
        self._jump: int | None = None
        self._skip = 0
        self._starving = not follow
        self._push_lock = threading.Lock()
        self._collect_lock = threading.Lock()
        rows = plan.n_channels * len(plan.stems)
        self._stems = np.zeros((rows, plan.block), np.float32)
        self._mixture = np.zeros((plan.n_channels, plan.block), np.float32)

    # --- what comes in

    def push(self, block: Float32) -> None:
        """Take mixture (n_channels, n), and tell the worker."""
        with self._push_lock:
            step = self.engine.mixture.largest_write
            for start in range(0, block.shape[1], step):
                self.engine.mixture.write(block[:, start : start + step])
            self.engine.order(Order.PUSH, self.engine.mixture.written)

    def room(self, ahead: int) -> int:
        """Count the samples to push until the stream is `ahead` samples before the position."""
        ahead = min(ahead, self.engine.mixture.capacity // 2)
        return max(0, self.position + ahead - self.engine.mixture.written)

    def finish(self) -> None:
        """End the mixture here; the worker then gives the rest of the stems."""
        with self._push_lock:
            self._end = self.engine.mixture.written
            self.engine.order(Order.FINISH, self._end)

    def begin_anew(self) -> None:
        """Begin a new stream with the next push, after a seek; what was not played is dropped."""
        with self._push_lock:
            at = self.engine.mixture.written
            self.engine.order(Order.RESET, at)
            self._end = None
            self._jump = at

    def skip(self, samples: int) -> None:
        """Leave out some samples after the next block, which fades out, to catch up.

        When devices stood still for a moment, what they captured meanwhile has queued up, and all
        that follows would stay late.
        """
        self._skip = samples
        self.counts.slips += 1

    def set_strength(self, value: float) -> None:
        """Change the strength of the soft mask.

        Raises:
            InputError: It is out of range, or the mask is binary.
        """
        if self.plan.settings.mask != "soft":
            raise InputError(f"strength {value:g}: a binary mask has none")
        check_strength(value)
        self.strength = value
        self.engine.order(Order.STRENGTH, value)

    # --- what goes out

    @property
    def position(self) -> int:
        """The position that is played next; after a seek, the one that was sought."""
        jump = self._jump
        return self._position if jump is None else jump

    @property
    def caught_up(self) -> bool:
        """Whether all stems but those of the newest block are there, which are worth a wait."""
        return self.available >= self._position + self.plan.reserve

    @property
    def ended(self) -> bool:
        """Whether all that was pushed has been pulled."""
        return self._end is not None and self._jump is None and self._position >= self._end

    def collect(self, timeout: float = 0.0) -> None:
        """Take the worker's reports, and wait `timeout` seconds for the first one.

        Raises:
            ModelError: The worker is gone.
        """
        with self._collect_lock:
            for report in self.engine.news(timeout):
                if report.kind is News.READY:
                    self.ready = True
                elif report.kind is News.LOST:
                    self.counts.lost += 1
                elif report.eaten > self._eaten:
                    samples = report.eaten - self._eaten
                    self.load.add(report.seconds * self.plan.sample_rate / samples)
                    self.activity = report.activity
                self._eaten = max(self._eaten, report.eaten)
                self.available = max(self.available, report.available)

    def pull(self, n: int, *, patience: float = 0.0) -> Float32:
        """Give what is played next.

        Args:
            n: Number of samples, at most the plan's block.
            patience: Seconds to wait for stems that are late.

        Returns:
            (n_channels, n).

        Raises:
            ModelError: The worker is gone.
        """
        self.collect()
        if self._jump is not None and self.mixer.silent:  # there is nothing to fade out
            self._land(self._jump)
        at, end, jump = self._position, self._end, self._jump
        if self._skip and jump is None:
            jump, self._skip = at + n + self._skip, 0
        if patience > 0:
            self._wait_for(at + n, patience)
        there = self.engine.mixture.written
        silent = self.paused or jump is not None
        holds = self._starves(at + n, there, jump)
        if holds:  # the samples in reserve fade out
            silent, there = True, min(there, at + self.plan.reserve)
        elif jump is not None:  # from there on it is the stream that was sought
            there = min(there, jump)
        stop = min(at + n, there)
        got = max(0, stop - at)
        if holds and (self.mixer.silent or not (got or self.paused)):
            out = np.zeros((self.plan.n_channels, n), np.float32)
            self.output.add(out)
            return out
        need = stop if holds else stop + self.plan.reserve
        present = self.ready and self.available >= (need if end is None else min(need, end))
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
            fade=got if holds or jump is not None else self.plan.reserve,
        )
        if (played := self.played) is not None and stop > max(at, 0):
            played.append((max(at, 0), stop))
        self._position = max(at, stop)
        if jump is not None:
            self._land(jump)
        self.output.add(out)
        return out

    def _land(self, jump: int) -> None:
        """Go on at another position."""
        self._position, self._starving = jump, True
        self._started &= self._follow
        if self._jump == jump:  # else there was another seek meanwhile
            self._jump = None

    def _wait_for(self, position: int, patience: float) -> None:
        """Wait until stems are there up to `position` and the reserve, or patience ends.

        It does not wait for stems whose mixture is not there yet.
        """
        end, need = self._end, position + self.plan.reserve
        if end is not None:
            need = min(need, end)
        elif need + self.plan.lag > self.engine.mixture.written:
            return
        deadline = time.monotonic() + patience
        while self.available < need and position > 0:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.collect(left)

    def _starves(self, stop: int, there: int, jump: int | None) -> bool:
        """Tell whether there is no mixture to play: hold until some is in store again."""
        if self._follow:
            return False
        if self.paused and self.mixer.silent:
            return True
        if self._end is not None:
            self._starving = False
        elif self._starving:
            store = self._position + max(2 * self.plan.block, self.plan.sample_rate // 50)
            self._starving = there < store + self.plan.reserve
        else:
            self._starving = there < stop + self.plan.reserve
            self.counts.starved += self._starving
        return self._starving and jump is None and (there < stop or not self.paused)

    def _count(self, present: bool, *, counts: bool) -> None:
        """Count a block whose stems are late; `counts` is False where that is no fault."""
        if present:
            self._started = True
        elif counts and self._started:
            self.counts.late += 1
            self.counts.dropouts += self.mixer.on_stems
