"""Files and folders that appear whole or not at all; nothing here knows what they hold.

Whatever is written is written under a hidden name beside its target, on the same file system, and
takes the target's name in one step when it is complete: a reader sees the old one or the new one,
also when two processes write the same or one of them is killed.
"""

import contextlib
import errno
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from isolde.core.errors import AudioError, InputError

_REMEDIES = {
    errno.ENOSPC: "the disk is full: make room, or choose another folder",
    errno.EDQUOT: "the disk quota is used up: make room, or choose another folder",
    errno.EACCES: "may not be written: check the permissions of the folder",
    errno.EPERM: "may not be written: check the permissions of the folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOTDIR: "a part of its folder is a file: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.EPIPE: "the program that reads the pipe has ended",
}


def explain(
    name: str,
    error: BaseException,
    *,
    failure: str = "cannot be written",
    remedy: str = "choose another folder or format",
) -> str:
    """Say in one line why something cannot be written, and what to do.

    Args:
        name: Name of the target, as the user gave it.
        error: Error of the operating system, or of a library that writes.
        failure: What cannot be done, where the error is none of a disk.
        remedy: What to do then.
    """
    number = getattr(error, "errno", None)
    if number in _REMEDIES:
        return f"{name}: {_REMEDIES[number]}"
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{name}: {failure} ({what}): {remedy}"


def exists_already(name: str) -> str:
    """Say that a target exists and may not be replaced.

    Args:
        name: Name of the target, as the user gave it.
    """
    return (
        f"{name}: exists already: choose another name, or replace it with --overwrite "
        "(in Python overwrite=True)"
    )


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to replace files with what is made of them.

    Args:
        targets: Paths that would be written.
        inputs: Paths that are read.

    Raises:
        InputError: One file is among both.
    """
    there = [target for target in targets if os.path.exists(target)]
    read = {_identity(path) for path in inputs if os.path.exists(path)} if there else set()
    for target in there:
        if _identity(target) in read:
            raise InputError(f"{target}: is read here and would be lost: choose another name")


def _identity(path: Path) -> tuple[int, int]:
    """What a file has in common with itself by another name."""
    about = path.stat()
    return about.st_dev, about.st_ino


_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_HIDDEN = re.compile(r"\.isolde-(?:([0-9a-f]{8})-(\d+)-)?[0-9a-f]{12}\.part")
_DAY = 86_400.0
_made: set[Path] = set()  # folders that drafts of this process made


def hidden_name() -> str:
    """Make the name of a file in the making, which tells the machine and process that make it."""
    return f".isolde-{_HOST}-{os.getpid()}-{secrets.token_hex(6)}.part"


def remove_stale(folder: Path) -> None:
    """Remove from a folder what killed processes left in the making.

    That of a process of this machine goes when the process is gone, any other after a day.

    Args:
        folder: Path of the folder; one that does not exist or cannot be read is left alone.
    """
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            named = _HIDDEN.fullmatch(path.name)
            if named is None or not _is_stale(path, named[1], named[2]):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_stale(path: Path, host: str | None, pid: str | None) -> bool:
    """Whether nobody works on a file in the making any more."""
    if host == _HOST and pid is not None and os.name == "posix":
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            return False
        return False
    return time.time() - path.stat().st_mtime > _DAY


class Draft:
    """A file or folder in the making, under a hidden name beside its target; a context manager.

    Write to `path`: create it as a file or as a folder. Leaving the `with` block normally gives it
    its name; leaving it by any exception (also Ctrl-C) removes it, and the folders made for it.

    Attributes:
        target: Where it will be; a symbolic link is followed, and stays a link.
        path: Where it is until then; does not exist yet.

    Raises:
        AudioError: The folder cannot be made, or the target exists and may not be replaced.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp(), "numbers.txt")
        >>> with Draft(target) as draft:
        ...     _ = draft.path.write_text("1 2 3")
        ...     print(target.exists())
        False
        >>> target.read_text()
        '1 2 3'
    """

    def __init__(self, target: str | Path, *, overwrite: bool = True) -> None:
        """Make the folder of the target, and choose the hidden name.

        Args:
            target: Path of the file or folder.
            overwrite: Whether an existing one may be replaced; an empty folder always may.
        """
        self._name, self._overwrite = str(target), overwrite
        self.target = Path(os.path.realpath(target))
        try:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self.target.stat()  # a name that no file can have is refused now, not at the end
        except OSError as error:
            raise AudioError(explain(self._name, error)) from error
        self.check()
        folder = self.target.parent
        missing = [up for up in (folder, *folder.parents) if not up.exists()]
        try:
            for up in reversed(missing):
                up.mkdir(exist_ok=True)
                _made.add(up)
        except OSError as error:
            self.discard()
            raise AudioError(explain(self._name, error)) from error
        remove_stale(folder)
        self.path = folder / hidden_name()

    def publish(self) -> None:
        """Give the draft its name; a replaced folder is removed afterwards.

        Raises:
            AudioError: The target appeared meanwhile, or cannot be replaced. The draft is removed
                then, and what was there stays.
        """
        try:
            self.check()
            if self.path.is_dir() and self.target.is_dir():
                self._replace_folder()
            else:
                os.replace(self.path, self.target)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError) and not isinstance(error, AudioError):
                raise AudioError(explain(self._name, error)) from error
            raise

    def discard(self) -> None:
        """Remove the draft, and the empty folders that it or another one made for it."""
        path = getattr(self, "path", None)  # None: not even its folder could be made
        if path is not None and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in self.target.parents:
            if folder not in _made:
                break
            try:
                folder.rmdir()
            except OSError:  # another draft is in it, and removes it
                break
            _made.discard(folder)

    def check(self) -> None:
        """Refuse a name that something has, also since the draft was begun.

        Raises:
            AudioError: It may not be taken from that.
        """
        if self._overwrite or not self.target.exists():
            return
        if not (self.target.is_dir() and not any(self.target.iterdir())):
            raise AudioError(exists_already(self._name))

    def _replace_folder(self) -> None:
        """Put the old folder aside, take its name, remove it; put it back on failure."""
        aside = self.path.with_suffix(".old")
        os.replace(self.target, aside)
        try:
            os.replace(self.path, self.target)
        except BaseException:
            os.replace(aside, self.target)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def __enter__(self) -> "Draft":
        """Ready already; nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish, or discard if anything was raised."""
        if kind is None:
            self.publish()
            return
        self.discard()
        if isinstance(error, OSError) and not isinstance(error, AudioError):
            named = error.filename  # of another file, it is another fault
            if named is None or str(named).startswith(str(self.path)):
                raise AudioError(explain(self._name, error)) from error


def write_bytes(path: str | Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write a file whole or not at all; folders are made.

    Args:
        path: Path of the file; a device or a named pipe is written to as it is.
        data: Contents.
        overwrite: Whether an existing file may be replaced.

    Raises:
        AudioError: The file exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise AudioError(f"{path}: is a folder: name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise AudioError(explain(str(path), error)) from error
        return
    with Draft(path, overwrite=overwrite) as draft:
        draft.path.write_bytes(data)


def write_text(path: str | Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file in UTF-8, its line ends as they are, whole or not at all.

    Args:
        path: Path of the file; a device or a named pipe is written to as it is.
        text: Contents.
        overwrite: Whether an existing file may be replaced.

    Raises:
        AudioError: The file exists and may not be replaced, or cannot be written.
    """
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite)
