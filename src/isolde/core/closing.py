"""What is ended by leaving a `with` block; it opens nothing and knows no files."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closable(ABC):
    """A context manager that is closed in the end, whatever happened."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held; nothing happens the second time."""

    def __enter__(self) -> Self:
        """Open already; nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class Completable(Closable):
    """A context manager that is completed by leaving the block normally.

    Leaving it by any exception, also Ctrl-C, takes everything back.
    """

    @abstractmethod
    def abort(self) -> None:
        """Take everything back; nothing happens after `close`."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete, or take everything back if anything was raised."""
        if kind is None:
            self.close()
        else:
            self.abort()
