"""Open the journals of an output folder, local or remote; they are written by `core.journal`."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from isolde.core.errors import IsoldeError
from isolde.core.journal import Journal
from isolde.separation.batch.shard import Shard
from isolde.separation.remote import below, fetch, files_below, send
from isolde.separation.settings import FileSettings

JOURNAL = "separate.journal.jsonl"
"""Name of the journal of a run without shards."""

_ALL = "separate*.journal.jsonl"
_SEND_SECONDS = 5.0  # between two copies of a journal to a remote folder


@contextmanager
def open_journal(settings: FileSettings, shard: Shard | None) -> Iterator[Journal]:
    """Open the journal of a run, which also reads those of all other runs into the same folder.

    The journal of a remote folder is kept on this machine, and copied there every few seconds and
    at the end. Songs that were finished after the last copy are separated again after a crash.

    Args:
        settings: Output folder.
        shard: Share of the songs, which has its own journal; None for all songs.

    Raises:
        InputError: A file with such a name is not a journal.
        AudioError: The journals of a remote folder cannot be read or written.
    """
    name = JOURNAL if shard is None else f"separate.{shard.number}-of-{shard.count}.journal.jsonl"
    if settings.remote is None:
        folder = (settings.output or Path()).absolute()
        yield Journal(folder / name, others=_others(folder, name))
        return
    with tempfile.TemporaryDirectory(prefix="isolde-") as copies:
        for there in files_below(settings.remote) or ():
            if fnmatch(there, _ALL):
                fetch(below(settings.remote, there), Path(copies, there))
        others = _others(Path(copies), name)
        journal = _RemoteJournal(Path(copies, name), below(settings.remote, name), others)
        try:
            yield journal
        finally:
            journal.copy()


def _others(folder: Path, name: str) -> list[Path]:
    """List the other journals of a folder."""
    return [path for path in sorted(folder.glob(_ALL)) if path.name != name]


class _RemoteJournal(Journal):
    """A journal whose file is copied to a URL from time to time."""

    def __init__(self, path: Path, url: str, others: list[Path]) -> None:
        super().__init__(path, others=others)
        self._url, self._sent, self._tried = url, self._size, time.monotonic()

    def begin(self, stamps: Mapping[str, str]) -> None:
        size = self._size
        super().begin(stamps)
        if self._size != size:
            self.copy()  # at once: these lines tell whose stems will be there

    def finish(self, key: str, stamp: str, value: Any) -> Any:
        kept = super().finish(key, stamp, value)
        if time.monotonic() - self._tried > _SEND_SECONDS:
            with suppress(IsoldeError):  # may be temporary: the next copy has these lines too
                self.copy()
        return kept

    def copy(self) -> None:
        """Copy the file to its URL if it has grown."""
        self._tried, size = time.monotonic(), self._size
        if size != self._sent:
            send(self.path, self._url)
            self._sent = size

    @property
    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0
