"""What may be said of the places that audio is written to; writes nothing."""

import errno
import os
from typing import BinaryIO


def explain(name: str, error: BaseException) -> str:
    """Say in one line what the operating system or libsndfile did not like."""
    number = getattr(error, "errno", None)
    remedies = {
        errno.ENOSPC: "the disk is full: make room, or choose another folder",
        errno.EDQUOT: "the disk quota is used up: make room, or choose another folder",
        errno.EACCES: "may not be written: check the permissions of the folder",
        errno.EPERM: "may not be written: check the permissions of the folder",
        errno.EROFS: "the disk is read-only: choose another folder",
        errno.ENOTDIR: "a part of its folder is a file: choose another folder",
        errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
        errno.EPIPE: "the program that reads the pipe has ended",
    }
    if number in remedies:
        return f"{name}: {remedies[number]}"
    what = getattr(error, "strerror", None) or str(error) or "libsndfile failed"
    return f"{name}: cannot be written ({what}): choose another folder or format"


def exists_already(name: str) -> str:
    """Say that a target exists."""
    return f"{name}: exists already: choose another name, or allow overwriting"


def can_patch(stream: BinaryIO) -> bool:
    """Say whether a header can be rewritten later: not in pipes, nor in files opened to append."""
    try:
        import fcntl  # not on Windows

        if not stream.seekable():
            return False
        return not fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, OSError, AttributeError, ValueError):
        return bool(stream.seekable())
