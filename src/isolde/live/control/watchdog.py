"""Notes when the devices or the whole program stand still; it mends nothing."""

import threading
import time
from collections.abc import Callable

from isolde.live.stream.meters import Counts

STALL_SECONDS = 1.0
_EVERY_SECONDS = 0.1


class Watchdog:
    """A thread that compares the clock with the last sign of life.

    Attributes:
        awake: Whether the devices are expected to move.
    """

    def __init__(
        self,
        done: threading.Event,
        *,
        beat: Callable[[], float],
        counts: Counts,
        note: Callable[[str], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            done: Event that ends the watch.
            beat: Function that gives the time of the last sign of life, by `time.monotonic`.
            counts: Counts, of which `suspended` is kept here.
            note: Function called with what happened.
        """
        self._done, self._beat, self._counts, self._note = done, beat, counts, note
        self._since = 0.0  # a sign of life before it is ignored
        self.awake = False

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._run, name="isolde watch", daemon=True).start()

    def wake(self) -> None:
        """Expect the devices to move from now on."""
        self._since, self.awake = time.monotonic(), True

    def _run(self) -> None:
        blocked = False
        while not self._done.is_set():
            before = time.monotonic()
            self._done.wait(_EVERY_SECONDS)
            now = time.monotonic()
            if now - before > STALL_SECONDS:
                self._counts.suspended += 1
                self._note(f"this program stood still for {now - before:.1f} s")
                self._since = now
            stalled = self.awake and now - max(self._beat(), self._since) > STALL_SECONDS
            if stalled and not blocked:
                self._note(
                    f"the sound devices have not moved for {STALL_SECONDS:.0f} s: "
                    "blocked or suspended? Ctrl-C ends"
                )
            if blocked and not stalled:
                self._note("the sound devices go on")
            blocked = stalled
