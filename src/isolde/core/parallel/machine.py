"""Cores and memory that this process may use, of the machine or its container.

It reads files of the kernel and changes nothing.
"""

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def n_cores(root: Path = _CGROUPS) -> int:
    """Count the cores that this process may use, at least 1.

    Args:
        root: Folder of the kernel's control groups, whose quotas count.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cores = os.cpu_count() or 1
    for group in _groups(root):
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            cores = min(cores, int(quota) // int(period))
    quota, period = _text(root / "cpu/cpu.cfs_quota_us"), _text(root / "cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():  # version 1; -1 is no quota
        cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def free_memory(root: Path = _CGROUPS, meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that this process and its children may still use, in bytes.

    Args:
        root: Folder of the kernel's control groups, whose limits count.
        meminfo: File of the kernel about the memory of the machine.

    Returns:
        Bytes, or None if they are not known.
    """
    free = []
    for line in _text(meminfo).splitlines():
        if line.startswith("MemAvailable:"):
            free.append(1024 * int(line.split()[1]))
    names = ("memory.max", "memory.current", "inactive_file")
    names_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    groups = [*((group, names) for group in _groups(root)), (root / "memory", names_1)]
    for group, (limit_name, used_name, cached_name) in groups:
        limit, used = _text(group / limit_name), _text(group / used_name)
        if limit.isdigit() and used.isdigit():
            cached = dict(line.split() for line in _text(group / "memory.stat").splitlines())
            free.append(int(limit) - int(used) + int(cached.get(cached_name, 0)))
    return max(0, min(free)) if free else None


def workers_for(memory: int) -> int:
    """Choose a number of processes: one for each core, as far as memory suffices.

    Args:
        memory: Bytes that one process needs.
    """
    free = free_memory()
    return n_cores() if free is None else max(1, min(n_cores(), free // memory))


def _groups(root: Path) -> list[Path]:
    """List the control groups (version 2) that this process is in, from its own upward."""
    own = next((x[3:] for x in _text(Path("/proc/self/cgroup")).splitlines() if x[:3] == "0::"), "")
    here = root / own.strip("/")
    return [group for group in (here, *here.parents) if group == root or root in group.parents]


def _text(path: Path) -> str:
    """Read a small file; a missing one is empty."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
