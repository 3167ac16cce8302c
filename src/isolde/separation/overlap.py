"""Read ahead and write behind in threads beside the one that separates; it changes no block.

Decoders, encoders and networks release Python's lock, so they run at the same time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from isolde.core.closing import Closable, Completable
from isolde.core.stage import Float32

HELD = 2
"""Greatest number of blocks that wait to be written."""

_PATIENCE = 2.0  # seconds for a thread to end after an error

_Block = TypeVar("_Block")


class ReadAhead(Closable):
    """An iterator that reads the next block in advance; a context manager."""

    def __init__(self, read: Callable[[], Float32]) -> None:
        """Start reading.

        Args:
            read: Function that returns the next block (n_channels, n), an empty one at the end.
        """
        self._read = read
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="isolde-read")
        self._next = self._thread.submit(read)

    def __iter__(self) -> Iterator[Float32]:
        """Yield the blocks; an exception of the reader is raised in its place."""
        while (block := self._next.result()).shape[1]:
            self._next = self._thread.submit(self._read)
            yield block

    def close(self) -> None:
        """Wait for the block that is being read."""
        wait([self._next], timeout=_PATIENCE)
        self._thread.shutdown(wait=False, cancel_futures=True)


class WriteBehind(Completable, Generic[_Block]):
    """Calls a function with blocks in a thread; a context manager.

    Leaving the `with` block normally waits until all blocks are written; leaving it by an exception
    drops those that wait.
    """

    def __init__(self, write: Callable[[_Block], None]) -> None:
        """Start the thread.

        Args:
            write: Function that takes a block.
        """
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="isolde-write")
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, block: _Block) -> None:
        """Pass on a block; an exception from an earlier one is raised here.

        Args:
            block: Block to write, which must not be changed afterwards.
        """
        self._waiting.append(self._thread.submit(self._write, block))
        while len(self._waiting) > HELD or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()

    def close(self) -> None:
        """Write the waiting blocks; drop the rest if one fails."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the waiting blocks."""
        for future in self._waiting:
            future.cancel()
        wait([f for f in self._waiting if not f.cancelled()], timeout=_PATIENCE)
        self._thread.shutdown(wait=False)
