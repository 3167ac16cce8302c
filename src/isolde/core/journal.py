"""Journals of begun and finished items, in JSON lines that survive a crash; they run nothing.

Lines are only appended. If a crash has truncated the last line, it does not count and the next line
replaces it; if only its end of line is missing, it counts and stays.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from isolde.core.atomic import explain
from isolde.core.errors import AudioError, InputError


def read_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a file of JSON lines, with the numbers of their lines.

    Args:
        path: Path of the file; one that does not exist has no lines.

    Raises:
        AudioError: It cannot be read.
        InputError: A line before the last is not a JSON object.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8", errors="surrogateescape").split("\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}): name another file") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError(f"a line of {type(entry).__name__}")
        except ValueError:
            if number == len(lines):
                return
            raise InputError(
                f"{path}: line {number} is damaged or of another kind of file: move the file away"
            ) from None
        yield number, entry


def append_line(path: str | Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Append an object to a file of JSON lines, and wait until it is on the disk.

    Args:
        path: Path of the file; its folder is made. A truncated last line is removed first.
        entry: Object of JSON types; NaN is refused.

    Returns:
        The object as `read_lines` will give it: tuples are lists.

    Raises:
        AudioError: The file cannot be written.
    """
    line = json.dumps(entry, allow_nan=False)
    _append(Path(path), line + "\n")
    read: dict[str, Any] = json.loads(line)
    return read


def _append(path: Path, text: str) -> None:
    """Append whole lines to a file; if that fails, a new file is removed again."""
    is_new = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            is_new = True
        _write(path, text)
    except OSError as error:
        if is_new:
            with suppress(OSError):
                path.unlink()
        raise AudioError(explain(str(path), error)) from error


def _write(path: Path, text: str) -> None:
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                held = path.read_bytes()
                start = held.rfind(b"\n") + 1
                if _is_whole(held[start:]):
                    text = f"\n{text}"
                else:
                    file.truncate(start)
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def _is_whole(line: bytes) -> bool:
    """Whether a last line is complete but for its end of line."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


class Journal:
    """The journal of one run over many items, each with a key and a stamp.

    A stamp identifies what an item was made from; a line counts only for its own stamp. Each line
    has a time: if several journals have lines for an item, the newest counts.

    Attributes:
        path: Path of the file; it need not exist yet.
    """

    def __init__(self, path: str | Path, *, others: Iterable[str | Path] = ()) -> None:
        """Read the journal.

        Args:
            path: Path of the file, the only one that is written.
            others: Paths of journals of other runs over the same items, which count as well.

        Raises:
            AudioError: A file cannot be read.
            InputError: A file is not a journal.
        """
        self.path = Path(path)
        self._begun: dict[str, str] = {}
        self._finished: dict[str, tuple[str, Any]] = {}
        self._foreign: dict[str, dict[str, Any]] = {}  # lines that only other files have
        entries = [(entry, True) for other in others for entry in _entries(Path(other))]
        entries += [(entry, False) for entry in _entries(self.path)]  # of equals, our own counts
        for entry, foreign in sorted(entries, key=lambda pair: pair[0]["time"]):
            self._take(entry)
            if foreign and ("value" in entry or entry["key"] not in self._finished):
                self._foreign[entry["key"]] = entry

    def begin(self, stamps: Mapping[str, str]) -> None:
        """Note that work on items begins, so that files which it leaves are known as this run's.

        Args:
            stamps: Stamps of the items, by key; those that have begun already get no line.
        """
        new = {key: stamp for key, stamp in stamps.items() if not self.has_begun(key, stamp)}
        entries = [{"key": key, "stamp": stamp, "time": _now()} for key, stamp in new.items()]
        if entries:
            _append(self.path, "".join(f"{json.dumps(entry)}\n" for entry in entries))
        for entry in entries:
            self._take(entry)

    def finish(self, key: str, stamp: str, value: Any) -> Any:
        """Note an item as finished.

        Returns:
            The value as a later run reads it.
        """
        line = {"key": key, "stamp": stamp, "time": _now(), "value": value}
        self._take(append_line(self.path, line))
        return self._finished[key][1]

    def merge(self) -> None:
        """Write lines that only the other journals have into this one."""
        if self._foreign:
            lines = (json.dumps(entry, allow_nan=False) for entry in self._foreign.values())
            _append(self.path, "".join(f"{line}\n" for line in lines))
            self._foreign.clear()

    def has_begun(self, key: str, stamp: str) -> bool:
        """Tell whether work on the item has begun, also in an earlier run."""
        return self._begun.get(key) == stamp

    def knows(self, key: str) -> bool:
        """Tell whether the item has a line of any stamp."""
        return key in self._begun

    def last_value(self, key: str) -> Any:
        """Return the newest value of an item for any stamp; None if it was never finished.

        Args:
            key: Key of the item.
        """
        return self._finished.get(key, ("", None))[1]

    def finished(self, stamps: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of the finished items, by key.

        Args:
            stamps: Stamps of the items in question, by key.
        """
        return {
            key: self._finished[key][1]
            for key, stamp in stamps.items()
            if key in self._finished and self._finished[key][0] == stamp
        }

    def _take(self, entry: Mapping[str, Any]) -> None:
        key, stamp = entry["key"], entry["stamp"]
        if "value" in entry or self._begun.get(key) != stamp:  # else what is finished stays so
            self._foreign.pop(key, None)
        self._begun[key] = stamp
        if "value" in entry:
            self._finished[key] = (stamp, entry["value"])
        elif key in self._finished and self._finished[key][0] != stamp:
            del self._finished[key]


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """Read the lines of a journal; those from before lines had a time come first."""
    for number, entry in read_lines(path):
        entry = {"time": 0.0, **entry}
        kinds = {"key": str, "stamp": str, "time": int | float}
        if not all(isinstance(entry.get(name), kind) for name, kind in kinds.items()):
            raise InputError(f"{path}: line {number} is not of a journal: use another file")
        yield entry


def _now() -> float:
    """Seconds since 1970, to the millisecond."""
    return round(time.time(), 3)
