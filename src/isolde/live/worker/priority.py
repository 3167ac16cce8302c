"""Asks the system to run what must not be late before other programs; it runs nothing itself.

Linux only: there a thread has a nice value of its own. Elsewhere, and where the system refuses (it
grants root, and whom a limit `nice` names), everything stays as it is. Real-time scheduling is not
asked for: PortAudio may spin while it waits for a sound server, and a real-time thread that spins
starves the server that it waits for.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

NICE = -11
"""What sound servers run at, and what desktops grant to sound programs."""


def raise_priority() -> bool:
    """Let the calling thread, and what it starts from now on, go before usual programs.

    Returns:
        Whether it does now.
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
