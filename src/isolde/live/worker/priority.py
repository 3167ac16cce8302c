"""Raises the priority of threads that must not be late; it runs nothing itself.

Linux only, where each thread has a nice value. Elsewhere, and where the system refuses (it grants
root and users with a limit `nice`), nothing changes. Real-time scheduling is not used: PortAudio
may spin while it waits for a sound server, and a real-time thread that spins starves the server.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

NICE = -11
"""Nice value of sound servers, which desktops grant to sound programs too."""


def raise_priority() -> bool:
    """Raise the priority of the calling thread, and of what it starts from now on.

    Returns:
        Whether the system granted it.
    """
    if sys.platform != "linux":
        return False
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, min(NICE, _nice(thread)))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def high_priority() -> Iterator[None]:
    """Raise the priority of the caller for a while; threads that it starts meanwhile keep it."""
    if sys.platform != "linux":
        yield
        return
    thread = threading.get_native_id()
    before = _nice(thread)
    raise_priority()
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, thread, before)


def _nice(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread) if sys.platform == "linux" else 0
