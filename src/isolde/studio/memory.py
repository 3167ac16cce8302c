"""Return unused memory of models and requests to the system; it knows no songs."""

import ctypes
import gc
import sys
from collections.abc import Callable

_M_ARENA_MAX = -8
"""Option of `mallopt`, from glibc's malloc.h."""

ARENAS = 2
"""Arenas that all threads share: with one per thread each keeps the memory of a request."""


def return_memory() -> None:
    """Return unused memory to the system, also what the C library keeps (glibc does).

    Objects in reference cycles, like the parts of a separator, are collected first. Otherwise a
    large model leaves some hundred MB for as long as the server runs.
    """
    gc.collect()
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def limit_arenas() -> None:
    """Limit glibc to `ARENAS` arenas for all threads of this process.

    Call it before threads are started.
    """
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_M_ARENA_MAX, ARENAS)


def _function(name: str) -> Callable[..., object] | None:
    """A function of the C library; None if it is not glibc."""
    if sys.platform != "linux":
        return None
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found
