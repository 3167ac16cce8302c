"""Base classes of context managers that are closed or completed; they open nothing."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closable(ABC):
    """A context manager that is always closed at the end of its block."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held; a second call does nothing."""

    def __enter__(self) -> Self:
        """Return this object, which is open already."""
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
    """A context manager that is completed at the normal end of its block.

    An exception, also Ctrl-C, undoes everything.
    """

    @abstractmethod
    def abort(self) -> None:
        """Undo everything; after `close` a call does nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete, or undo everything if anything was raised."""
        if kind is None:
            self.close()
        else:
            self.abort()
