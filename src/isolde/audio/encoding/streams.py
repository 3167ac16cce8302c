"""Streams that encoders write to, and what happens to their errors; writes no format."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from isolde.core.atomic import explain
from isolde.core.errors import AudioError


def can_patch(stream: BinaryIO) -> bool:
    """Return whether a header can be rewritten: not in pipes or files opened to append."""
    try:
        import fcntl  # not on Windows

        if not stream.seekable():
            return False
        return not fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, OSError, AttributeError, ValueError):
        return bool(stream.seekable())


def write_fully(stream: BinaryIO, data: bytes) -> None:
    """Write all bytes, also to a raw stream that takes them in pieces."""
    view = memoryview(data)
    while view:
        taken = stream.write(view)
        view = view[len(view) if taken is None else taken :]


@contextlib.contextmanager
def whole_or_nothing(name: str, abort: Callable[[], None]) -> Iterator[None]:
    """Undo everything if anything is raised, also Ctrl-C.

    Args:
        name: Name of the target in messages.
        abort: Function that undoes everything.

    Raises:
        AudioError: An error of the system, in one line.
    """
    try:
        yield
    except BaseException as error:
        abort()
        if isinstance(error, OSError) and not isinstance(error, AudioError):
            raise AudioError(explain(name, error)) from error
        raise


class Sink(io.RawIOBase):
    """A stream as a C library's callbacks see it: errors are kept, since they cannot be raised.

    Position 0 is `base` bytes into the stream.
    """

    def __init__(self, stream: BinaryIO, base: int = 0) -> None:
        """Wrap a stream that can seek."""
        super().__init__()
        self._stream = stream
        self._base = base
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the first error that happened."""
        if self._error is not None:
            raise self._error

    @contextlib.contextmanager
    def faults(self, library: str, *errors: type[BaseException]) -> Iterator[None]:
        """Raise the error of the stream itself instead of what a library makes of it.

        Args:
            library: Name of the library in messages.
            errors: What it raises.

        Raises:
            AudioError: The library fails for another reason.
        """
        try:
            yield
        except errors as error:
            self.check()
            raise AudioError(
                f"{library} cannot write this sound ({error}): choose wav or flac"
            ) from error
        self.check()

    def writable(self) -> bool:
        """Mark the stream as writable."""
        return True

    def seekable(self) -> bool:
        """Mark the stream as seekable."""
        return True

    def write(self, data: Any, /) -> int:
        """Write all bytes; 0 after an error."""
        try:
            write_fully(self._stream, bytes(data))
        except BaseException as error:  # Ctrl-C too would be lost in a callback
            self._error = self._error or error
            return 0
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Read what has been written."""
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position."""
        try:
            offset += self._base if whence == io.SEEK_SET else 0
            return self._stream.seek(offset, whence) - self._base
        except BaseException as error:  # a buffered stream writes when it seeks
            self._error = self._error or error
            return 0
