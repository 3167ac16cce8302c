"""Hidden names of unfinished files, and the removal of what killed processes left; writes none."""

import contextlib
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from pathlib import Path

_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_RUN = secrets.token_hex(3)  # tells this process from a dead one with the same number
_HIDDEN = re.compile(r"\.isolde-([0-9a-f]{8})-(\d+)-([0-9a-f]{6})[0-9a-f]{6}\.part")
_DAY = 86_400.0
_STARTED = time.time()


def hidden_name() -> str:
    """Make a name for an unfinished file, which tells the machine and the process that write it."""
    return f".isolde-{_HOST}-{os.getpid()}-{_RUN}{secrets.token_hex(3)}.part"


def remove_stale(folder: Path) -> None:
    """Remove unfinished files and folders of killed processes from a folder.

    Those of this machine are removed when their process is gone, all others after a day.

    Args:
        folder: Path of the folder; one that does not exist or cannot be read is left alone.
    """
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if found := _HIDDEN.fullmatch(path.name):
                with contextlib.suppress(OSError):  # another process may remove it as well
                    if _is_stale(path, *found.groups()):
                        remove(path)


def _is_stale(path: Path, host: str, pid: str, run: str) -> bool:
    """Whether no process writes an unfinished file any more."""
    if host != _HOST or os.name != "posix":
        return time.time() - path.stat().st_mtime > _DAY
    if int(pid) == os.getpid():  # also of processes in containers, one after another or at once
        return run != _RUN and path.stat().st_mtime < _STARTED
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def remove(path: Path) -> None:
    """Remove a file if it exists, or a folder with all that is in it.

    Raises:
        OSError: A file cannot be removed.
    """
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
