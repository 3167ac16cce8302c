"""Asks the system to run what must not be late before other programs; it runs nothing itself.

Where the system grants it (Linux: root, or a limit `rtprio`), the calling thread becomes a
real-time one. Where it does not, or where Python has no such call, everything stays as it is.
"""

import os
from enum import IntEnum


class Urgency(IntEnum):
    """Which of ours goes first; below the 50 and more of the system's own threads."""

    WORKER = 10
    """The network: busy for a part of each block."""
    AUDIO = 20
    """What feeds the devices: little work, but on the dot."""


def hasten(urgency: Urgency) -> bool:
    """Make the calling thread a real-time one; its children will not be.

    Args:
        urgency: which of ours it is.

    Returns:
        whether the system granted it.
    """
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(int(urgency)))
    except OSError:
        return False
    return True
