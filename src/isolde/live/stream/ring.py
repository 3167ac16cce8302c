"""Sample tapes in memory shared between two processes; they never lock and never wait.

A tape is a ring that is addressed by absolute sample positions. One side writes, at the end; anyone
reads any range that is still there. Messages say how far one may read (see `engine`), and their
system calls also order the memory accesses; the tape's own counters tell a reader that a range was
overwritten or never written.
"""

import contextlib
import mmap
import os
import tempfile
import time
import weakref
from pathlib import Path
from types import ModuleType

import numpy as np

from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PREFIX = "isolde-live-"
"""Beginning of the file's name."""

YOUNG_SECONDS = 10.0
"""Age of a file up to which it is left alone: its owner may not have locked it yet."""

_HEADER = 64
"""Bytes before the samples: a cache line for the counters."""


class SharedMemory:
    """A file of zeros mapped by both processes; in memory where the system has such a folder."""

    def __init__(self, size: int, path: Path | None = None) -> None:
        """Make `size` bytes, or map those that another process made at `path`.

        Raises:
            AudioError: There is no room.
        """
        self._finish: weakref.finalize[..., SharedMemory] | None = None
        descriptor = -1
        try:
            if path is None:
                folder = Path("/dev/shm")
                if not os.access(folder, os.W_OK):
                    folder = Path(tempfile.gettempdir())
                _remove_orphans(folder)
                descriptor, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
                self.path = Path(name)
                # also at the end of the process, however early it is interrupted
                self._finish = weakref.finalize(self, _remove, self.path, _lock(descriptor))
                # Written, not only sized: a full memory disk must fail here, not by a signal later.
                left = size
                while left:  # a disk that is nearly full takes a part of a piece
                    left -= os.write(descriptor, bytes(min(1 << 20, left)))
            else:
                self.path = path
                descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            self.map = mmap.mmap(descriptor, size)
        except OSError as error:
            if self._finish:
                self._finish()
            raise AudioError(f"no shared memory of {size} bytes ({error}): make room") from None
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def forget(self) -> None:
        """Remove the name; both maps stay. Windows keeps the name until the end."""
        _remove(self.path)

    def close(self) -> None:
        """Unmap, if no array uses it any more, and remove the name."""
        with contextlib.suppress(BufferError):
            self.map.close()
        if self._finish:
            self._finish()


def _lock(descriptor: int) -> int:
    """Give another descriptor of a file, locked while it is open; -1 where there are no locks."""
    if fcntl is None:
        return -1
    held = os.dup(descriptor)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _remove(path: Path, held: int = -1) -> None:
    """Remove a name, and release its lock."""
    with contextlib.suppress(OSError):  # Windows: while it is mapped
        path.unlink(missing_ok=True)
    if held >= 0:
        os.close(held)


def _remove_orphans(folder: Path) -> None:
    """Remove the names that killed processes have left: nobody holds their lock."""
    if fcntl is None:
        return
    for path in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < YOUNG_SECONDS:
                continue
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


class Tape:
    """The last `capacity` samples of a stream, float32 (n_rows, capacity), by position.

    Its counters are the end of what was written, the first position that counts, and the begin and
    the end of the last gap.
    """

    def __init__(self, memory: SharedMemory, offset: int, *, n_rows: int, capacity: int) -> None:
        """Map a tape onto shared memory.

        Args:
            memory: Memory from `SharedMemory`, at least `offset` + `size(...)` bytes.
            offset: Offset in bytes, a multiple of 64.
            n_rows: Number of channels, or of stems times channels.
            capacity: Capacity in samples; a quarter of it is kept free for a write that is under
                way.
        """
        self.n_rows, self.capacity = n_rows, capacity
        self.largest_write = capacity // 4
        self._counters = np.frombuffer(memory.map, np.int64, 4, offset)
        flat = np.frombuffer(memory.map, np.float32, n_rows * capacity, offset + _HEADER)
        self._data = flat.reshape(n_rows, capacity)

    @staticmethod
    def size(n_rows: int, capacity: int) -> int:
        """Bytes of a tape, a multiple of 64."""
        return -(-(_HEADER + 4 * n_rows * capacity) // 64) * 64

    @property
    def written(self) -> int:
        """The position after the last sample written."""
        return int(self._counters[0])

    @property
    def oldest(self) -> int:
        """The first position that can be read safely while the writer goes on."""
        kept = self.written - self.capacity + self.largest_write
        return max(int(self._counters[1]), kept)

    def write(self, block: Float32) -> None:
        """Append (n_rows, n) samples.

        Raises:
            InputError: The block is larger than `largest_write` or has other rows.
        """
        n = block.shape[1]
        if block.shape[0] != self.n_rows or n > self.largest_write:
            raise InputError(
                f"a block of shape {block.shape} does not fit a tape of {self.n_rows} rows: "
                f"give at most {self.largest_write} samples at once"
            )
        at = self.written
        first = at % self.capacity
        split = min(n, self.capacity - first)
        self._data[:, first : first + split] = block[:, :split]
        self._data[:, : n - split] = block[:, split:]
        self._counters[0] = at + n

    def jump(self, position: int) -> None:
        """Go on at a later position; between is a gap, and what is before the last gap is gone."""
        if self._counters[0] > self._counters[3]:  # else nothing stands behind the last gap
            self._counters[1] = self._counters[3]
            self._counters[2] = self._counters[0]
        self._counters[3] = position
        self._counters[0] = position  # last: until then nobody reads beyond the gap's begin

    def read(self, start: int, out: Float32) -> bool:
        """Copy the samples from `start` on into `out` (n_rows, n); zeros stand before 0.

        Returns:
            False when some of them are gone or not there yet; `out` is then undefined.
        """
        n = out.shape[1]
        if start < 0:
            out[:, : min(-start, n)] = 0.0
            out = out[:, min(-start, n) :]
            start, n = 0, out.shape[1]
        if not n:
            return True
        if not self._holds(start, start + n):
            return False
        first = start % self.capacity
        split = min(n, self.capacity - first)
        out[:, :split] = self._data[:, first : first + split]
        out[:, split:] = self._data[:, : n - split]
        return self._holds(start, start + n)  # the writer may have come round meanwhile

    def _holds(self, start: int, stop: int) -> bool:
        """Tell whether all samples from `start` to `stop` are there."""
        is_clear = stop <= int(self._counters[2]) or start >= int(self._counters[3])
        return is_clear and self.oldest <= start and stop <= self.written

    def release(self) -> None:
        """Drop the arrays, so that the memory can be unmapped."""
        self._counters = np.zeros(4, np.int64)
        self._data = np.zeros((self.n_rows, 0), np.float32)
