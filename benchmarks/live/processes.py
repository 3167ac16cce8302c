"""What processes use, from Linux's /proc."""

import os
from pathlib import Path


def resident_mb(pid: int) -> tuple[float, float]:
    """What is a process's own, and what it shares with others."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return (kb["RssAnon"] + kb["RssFile"]) * 1.024e-3, kb["RssShmem"] * 1.024e-3


def stolen_seconds() -> float:
    """By the host, from the cores that we may use, in the mean over them."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [s.split() for s in Path("/proc/stat").read_text().splitlines()]
    return sum(int(s[8]) for s in lines if s[0] in ours) / os.sysconf("SC_CLK_TCK") / len(ours)


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))
