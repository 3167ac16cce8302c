"""Memory that models and requests leave, given back to the system; it knows no songs."""

import ctypes
import gc
import sys
from collections.abc import Callable

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""

ARENAS = 2
"""Pools of memory that all threads share: one for each would keep what a request had, for good."""


def return_memory() -> None:
    """Return what is no longer used to the system, also where the C library keeps it (glibc does).

    Objects that know each other, like the parts of a separator, are collected first. A
    large model leaves some hundred MB otherwise, for as long as the server runs.
    """
    gc.collect()
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def limit_arenas() -> None:
    """Let the threads of this process share `ARENAS` pools of memory, where glibc has more.

    Call it before there are many threads.
    """
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_M_ARENA_MAX, ARENAS)


def _function(name: str) -> Callable[..., object] | None:
    """A function of the C library; None where it lacks it, as all but glibc do."""
    if sys.platform != "linux":
        return None
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found
