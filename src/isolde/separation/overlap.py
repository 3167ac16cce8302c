"""Reading ahead and writing behind, in threads beside the one that separates; it changes no block.

What decodes, encodes and computes lets go of Python's lock, so that they run at the same time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from isolde.core.closing import Closable, Completable
from isolde.core.stage import Float32

HELD = 2
"""Blocks that wait at most to be written."""

_PATIENCE = 2.0  # seconds for a thread to end when something went wrong

_Block = TypeVar("_Block")


class ReadAhead(Closable):
    """Blocks of which the next is read while one is worked on; a context manager, an iterator."""

    def __init__(self, read: Callable[[], Float32]) -> None:
        """Begin to read.

        Args:
            read: Function that gives the next block (n_channels, n), without samples at the end.
        """
        self._read = read
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="isolde-read")
        self._next = self._thread.submit(read)

    def __iter__(self) -> Iterator[Float32]:
        """Give the blocks; what reading raises comes in its place."""
        while (block := self._next.result()).shape[1]:
            self._next = self._thread.submit(self._read)
            yield block

    def close(self) -> None:
        """Let the block that is being read come to its end."""
        wait([self._next], timeout=_PATIENCE)
        self._thread.shutdown(wait=False, cancel_futures=True)


class WriteBehind(Completable, Generic[_Block]):
    """A function that takes blocks, called in a thread of its own; a context manager.

    Leaving the `with` block normally waits until all is written; leaving it by an exception drops
    what waits.
    """

    def __init__(self, write: Callable[[_Block], None]) -> None:
        """Be ready to write.

        Args:
            write: Function that takes a block.
        """
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="isolde-write")
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, block: _Block) -> None:
        """Hand over a block, which must not change any more; what an earlier one raised comes here.

        Args:
            block: Block to write.
        """
        self._waiting.append(self._thread.submit(self._write, block))
        while len(self._waiting) > HELD or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()

    def close(self) -> None:
        """Write what waits; drop the rest if that fails."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what waits."""
        for future in self._waiting:
            future.cancel()
        wait([f for f in self._waiting if not f.cancelled()], timeout=_PATIENCE)
        self._thread.shutdown(wait=False)
