"""Other work on the same cores, for a share of the time."""

import subprocess
import sys
import threading
import time

from processes import cpu_seconds


class Thread:
    """A thread of plain Python, at work for a share of the time in pieces of some ms."""

    def __init__(self, share: float) -> None:
        """Start it."""
        self._share, self._end = share, threading.Event()
        if share:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._end.is_set():
            until, total = time.perf_counter() + 0.02 * self._share, 0
            while time.perf_counter() < until:
                total += sum(range(100))
            time.sleep(0.02 * (1 - self._share))

    def close(self) -> None:
        """End it."""
        self._end.set()


_WORK = """
import sys, time
share, period, at = float(sys.argv[1]), 0.01, time.monotonic()
while True:
    until, at = time.process_time() + share * period, at + period
    while time.process_time() < until:
        sum(range(100))
    wait = at - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    else:
        at = time.monotonic()
"""


class Program:
    """Another program at work on the same cores, for a share of one."""

    def __init__(self, share: float) -> None:
        """Start it."""
        self._child = None
        if share:
            self._child = subprocess.Popen([sys.executable, "-c", _WORK, str(share)])
        self._began = time.monotonic()

    def close(self) -> float:
        """End it; gives the share that it got."""
        if self._child is None:
            return 0.0
        got = cpu_seconds(self._child.pid) / (time.monotonic() - self._began)
        self._child.kill()
        self._child.wait()
        return got
