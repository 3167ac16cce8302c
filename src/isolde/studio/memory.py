"""Memory that models leave when they go, given back to the system; it frees nothing itself."""

import ctypes
import sys


def return_memory() -> None:
    """Return freed memory to the system, where the C library keeps it (glibc does).

    A large model that is gone leaves some hundred MB of freed pieces otherwise, for as long as
    the server runs.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries lack it
    if trim is not None:
        trim(0)
