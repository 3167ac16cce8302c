"""What processes use, from Linux's /proc, and a process that uses a share of a core."""

import os
import subprocess
import sys
import time
from pathlib import Path


def resident_mb(pid: int) -> tuple[float, float]:
    """Give the memory that a process has for itself, and the memory that it shares."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return (kb["RssAnon"] + kb["RssFile"]) * 1.024e-3, kb["RssShmem"] * 1.024e-3


def stolen_seconds() -> float:
    """Give the seconds that the host took from the cores of this process, in the mean."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [s.split() for s in Path("/proc/stat").read_text().splitlines()]
    return sum(int(s[8]) for s in lines if s[0] in ours) / os.sysconf("SC_CLK_TCK") / len(ours)


def cpu_seconds(pid: int) -> float:
    """Give the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


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
    """Another program on the same cores that works for a share of one."""

    def __init__(self, share: float) -> None:
        """Start it."""
        self._child = None
        if share:
            self._child = subprocess.Popen([sys.executable, "-c", _WORK, str(share)])
        self._began = time.monotonic()

    def close(self) -> float:
        """End it, and give the share that it got."""
        if self._child is None:
            return 0.0
        got = cpu_seconds(self._child.pid) / (time.monotonic() - self._began)
        self._child.kill()
        self._child.wait()
        return got
