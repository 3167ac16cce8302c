"""Files and folders that appear whole or not at all; nothing here knows what they hold.

A file is written under a hidden name beside its target, on the same file system, and gets the name
of the target in one step when it is complete. A reader sees the old file or the new one, also when
two processes write the same file or one of them is killed.
"""

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from isolde.core.errors import AudioError, InputError
from isolde.core.unfinished import hidden_name, remove, remove_stale

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
            raise InputError(
                f"{target}: is read here and would be lost: choose another name or folder"
            )


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file, which are the same under all of its names."""
    about = path.stat()
    return about.st_dev, about.st_ino


_made: set[Path] = set()  # folders that drafts of this process made


def _swap(one: Path, other: Path) -> bool:
    """Swap two names in one step; return False where the system cannot (only Linux can)."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


class Draft:
    """An unfinished file or folder under a hidden name beside its target; a context manager.

    Create `path` as a file or as a folder and write to it. Leaving the `with` block normally gives
    it the name of the target. Leaving it by an exception (also Ctrl-C) removes it, and the folders
    that were made for it.

    Attributes:
        target: Path of the result; a symbolic link is followed, and stays a link.
        path: Path until then; nothing is there yet.

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
        folder = self.target.parent
        self.path = folder / hidden_name()
        with self._discarding_on_error():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self.target.stat()  # refuses now a name that no file can have
            self.check()
            for up in reversed([up for up in (folder, *folder.parents) if not up.exists()]):
                up.mkdir(exist_ok=True)
                _made.add(up)
        remove_stale(folder)

    def publish(self) -> None:
        """Give the draft the name of its target; a replaced folder is removed afterwards.

        Raises:
            AudioError: The target appeared meanwhile, or cannot be replaced. The draft is removed
                then, and what was there stays.
        """
        with self._discarding_on_error():
            self.check()
            if self.path.is_dir() and self.target.is_dir() and (self._overwrite or os.name == "nt"):
                self._replace_folder()
            elif self._overwrite or self.path.is_dir():  # no folder replaces one that holds files
                os.replace(self.path, self.target)
            else:
                self._name_new_file()

    def discard(self) -> None:
        """Remove the draft, and the empty folders that this or another draft made for it."""
        with contextlib.suppress(OSError):
            remove(self.path)
        for folder in self.target.parents:
            if folder not in _made:
                break
            try:
                folder.rmdir()
            except OSError:  # another draft is in it, and removes it
                break
            _made.discard(folder)

    def check(self) -> None:
        """Refuse a target that exists and may not be replaced.

        Raises:
            AudioError: It exists, and is not an empty folder.
        """
        if self._overwrite or not self.target.exists():
            return
        if not (self.target.is_dir() and not any(self.target.iterdir())):
            raise AudioError(exists_already(self._name))

    def _name_new_file(self) -> None:
        """Give a file a name that nothing has, in one step where the file system has hard links."""
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            raise
        except OSError:
            os.replace(self.path, self.target)
        else:
            self.path.unlink()

    def _replace_folder(self) -> None:
        """Take the name of a folder and remove that folder; a killed process loses neither."""
        if not _swap(self.path, self.target):
            aside = self.path.with_suffix(".old")
            os.replace(self.target, aside)
            try:
                os.replace(self.path, self.target)
            except BaseException:
                os.replace(aside, self.target)
                raise
            os.replace(aside, self.path)  # a name that `remove_stale` knows
        shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def _discarding_on_error(self) -> Iterator[None]:
        """Remove the draft if anything is raised; an error of the system becomes an AudioError."""
        try:
            yield
        except BaseException as error:
            self.discard()
            if not isinstance(error, OSError) or isinstance(error, AudioError):
                raise
            is_taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
            text = exists_already(self._name) if is_taken else explain(self._name, error)
            raise AudioError(text) from error

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
            named = error.filename  # an error of another file is not ours to explain
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
