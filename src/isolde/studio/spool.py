"""Files of stems that grow while they are read; it knows neither songs nor formats.

A file holds float32 samples, little-endian, with interleaved channels, so that a range of time is a
range of bytes. One thread appends; any number of threads read.
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
    """A file that grows; a reader sees only what has been appended completely.

    Attributes:
        path: Path of the file.
        n_bytes: Number of bytes in it.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Args:
            path: Path of a file that does not exist yet.

        Raises:
            AudioError: It cannot be made.
        """
        self.path = path
        try:
            self._file = path.open("x+b", buffering=0)
        except OSError as error:
            raise AudioError(f"{path}: cannot be written: {error.strerror or error}") from None
        self.n_bytes = 0
        self._lock = threading.Lock()  # a closed file's descriptor may be reused

    def append(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            AudioError: The disk is full.
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
        """Return the available bytes of [start, stop); none from a closed file."""
        n = max(0, min(stop, self.n_bytes) - start)
        with self._lock:
            return os.pread(self._file.fileno(), n, start) if n and not self._file.closed else b""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


class StemSpool(Spool):
    """A spool of the samples of a stem."""

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
        """Number of samples per channel so far."""
        return self.n_bytes // (SAMPLE_BYTES * self.n_channels)

    def put(self, block: Float32) -> None:
        """Append samples (n_channels, n)."""
        self.append(np.ascontiguousarray(block.T, "<f4").tobytes())

    def samples(self, start: int, stop: int) -> Float32:
        """Return the available samples of [start, stop), (n_channels, n)."""
        step = SAMPLE_BYTES * self.n_channels
        flat = np.frombuffer(self.read(start * step, stop * step), "<f4")
        return cast(Float32, flat.reshape(-1, self.n_channels).T)

    def mapped(self) -> Float32:
        """Map all samples (n_channels, n_samples) into memory; there must be at least one."""
        return cast(Float32, np.memmap(self.path, "<f4", "r").reshape(-1, self.n_channels).T)
