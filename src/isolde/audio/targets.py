"""Whether a stream that audio is written to can be patched afterwards; writes nothing."""

import os
from typing import BinaryIO


def can_patch(stream: BinaryIO) -> bool:
    """Say whether a header can be rewritten later: not in pipes, nor in files opened to append."""
    try:
        import fcntl  # not on Windows

        if not stream.seekable():
            return False
        return not fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, OSError, AttributeError, ValueError):
        return bool(stream.seekable())
