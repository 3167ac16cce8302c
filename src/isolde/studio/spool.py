"""Stems as files that grow while they are read; it knows neither songs nor formats.

A file holds float32 samples, little-endian, the channels of a sample side by side, so that a range
of time is a range of bytes. One thread appends; any number read what is there.
"""

import os
import threading
from pathlib import Path
from typing import cast

import numpy as np

from isolde.core.errors import AudioError
from isolde.core.stage import Float32

SAMPLE_BYTES = 4


class Spool:
    """A growing file of bytes of which every reader sees only whole pieces.

    Attributes:
        path: Path of the file.
        n_bytes: Number of bytes that it has.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Args:
            path: Path of a file that does not exist yet.

        Raises:
            AudioError: When it cannot be made.
        """
        self.path = path
        try:
            self._file = path.open("x+b", buffering=0)
        except OSError as error:
            raise AudioError(f"{path}: cannot be written: {error.strerror or error}") from None
        self.n_bytes = 0
        self._lock = threading.Lock()  # a number of a closed file may soon be another file's

    def append(self, data: bytes) -> None:
        """Write at the end.

        Raises:
            AudioError: When the disk is full.
        """
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise AudioError(
                f"{self.path.name}: cannot be kept ({error.strerror or error}): make room on the "
                "disk, or set TMPDIR to another folder"
            ) from None
        self.n_bytes += len(data)

    def read(self, start: int, stop: int) -> bytes:
        """Give the bytes [start, stop), as far as they are there; none once it is closed."""
        n = max(0, min(stop, self.n_bytes) - start)
        with self._lock:
            return os.pread(self._file.fileno(), n, start) if n and not self._file.closed else b""

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()


class StemSpool(Spool):
    """The samples of a stem."""

    def __init__(self, path: Path, *, n_channels: int) -> None:
        """Make the file.

        Args:
            path: Path of a file that does not exist yet.
            n_channels: Number of channels of the stem.
        """
        super().__init__(path)
        self.n_channels = n_channels

    @property
    def n_samples(self) -> int:
        """Samples per channel so far."""
        return self.n_bytes // (SAMPLE_BYTES * self.n_channels)

    def put(self, block: Float32) -> None:
        """Append samples (n_channels, n)."""
        self.append(np.ascontiguousarray(block.T, "<f4").tobytes())

    def samples(self, start: int, stop: int) -> Float32:
        """Give the samples [start, stop) as (n_channels, n), as far as they are there."""
        step = SAMPLE_BYTES * self.n_channels
        flat = np.frombuffer(self.read(start * step, stop * step), "<f4")
        return cast(Float32, flat.reshape(-1, self.n_channels).T)
