"""Sample tapes in memory shared between two processes; no locks, no waiting, no audio meaning.

A tape is a ring that is addressed by absolute sample positions. One side writes, at the end; anyone
reads any range that is still there. Who may read what is told by messages (see `engine`), whose
system calls also order the memory accesses; the tape's own counter only serves to notice that a
reader has been lapped.
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
"""Age up to which a name is left alone: whoever made it has perhaps not locked it yet."""

_HEADER = 64
"""Bytes before the samples: a cache line for the counters."""


class SharedMemory:
    """A file of zeros mapped by both processes; in memory where the system has such a folder."""

    def __init__(self, size: int, path: Path | None = None) -> None:
        """Make `size` bytes, or map those that another process made at `path`.

        Raises:
            AudioError: When there is no room.
        """
        self._finish: weakref.finalize[..., SharedMemory] | None = None
        descriptor = -1
        try:
            if path is None:
                folder = next((f for f in ("/dev/shm",) if os.access(f, os.W_OK)), None)
                _remove_left(Path(folder or tempfile.gettempdir()))
                descriptor, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
                # also at the end of the process, however early it is interrupted
                self._finish = weakref.finalize(self, _remove, Path(name), _held(descriptor))
                self.path = Path(name)
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
        """Remove the name; who has mapped it keeps it. Where that is not allowed: at the end."""
        _remove(self.path)

    def close(self) -> None:
        """Unmap, if no array uses it any more, and remove the name."""
        try:
            self.map.close()
        except BufferError:
            pass
        if self._finish:
            self._finish()


def _held(descriptor: int) -> int:
    """Another descriptor of a file, locked for as long as it is open; -1: there are no locks."""
    if fcntl is None:
        return -1
    held = os.dup(descriptor)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _remove(path: Path, held: int = -1) -> None:
    """Remove a name, and let go of its lock."""
    with contextlib.suppress(OSError):  # Windows: while it is mapped
        path.unlink(missing_ok=True)
    if held >= 0:
        os.close(held)


def _remove_left(folder: Path) -> None:
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
    """The last `capacity` samples of a stream, float32 (n_rows, capacity), by position."""

    def __init__(self, memory: SharedMemory, offset: int, *, n_rows: int, capacity: int) -> None:
        """Lay a tape over shared memory.

        Args:
            memory: Memory from `SharedMemory`, at least `offset` + `size(...)` bytes.
            offset: Offset in bytes, a multiple of 64.
            n_rows: Channels, or stems times channels.
            capacity: Capacity in samples; a quarter of it is kept free for a write that is under
                way.
        """
        self.n_rows, self.capacity = n_rows, capacity
        self.largest_write = capacity // 4
        self._counters = np.frombuffer(memory.map, np.int64, 2, offset)
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
            InputError: When the block is larger than `largest_write` or has other rows.
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
        if split < n:
            self._data[:, : n - split] = block[:, split:]
        self._counters[0] = at + n

    def jump(self, position: int) -> None:
        """Go on at another position, not before the present one; what was before is void."""
        self._counters[1] = position
        self._counters[0] = position

    def read(self, start: int, out: Float32) -> bool:
        """Copy the samples from `start` on into `out` (n_rows, n); zeros stand before 0.

        Returns:
            False when some of them are gone or not there yet; `out` is then undefined.
        """
        if start < 0:
            lead = min(-start, out.shape[1])
            out[:, :lead] = 0.0
            return bool(lead == out.shape[1]) or self.read(0, out[:, lead:])
        n = out.shape[1]
        if start < self.oldest or start + n > self.written:
            return bool(n == 0)
        first = start % self.capacity
        split = min(n, self.capacity - first)
        out[:, :split] = self._data[:, first : first + split]
        if split < n:
            out[:, split:] = self._data[:, : n - split]
        return bool(start >= self.oldest)  # the writer may have come round meanwhile

    def release(self) -> None:
        """Let go of the memory, so that it can be unmapped."""
        self._counters = np.zeros(2, np.int64)
        self._data = np.zeros((self.n_rows, self.capacity), np.float32)[:, :0]
