"""What the verbs show on standard error: lines, and bars where it is a terminal; no results."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID


def say(line: str) -> None:
    """A line, at once."""
    print(line, file=sys.stderr, flush=True)


def bars(*columns: "ProgressColumn", quiet: bool = False) -> "Progress":
    """Bars that go when they are done; none where standard error is no terminal.

    Args:
        columns: of each; none: rich's own.
        quiet: show none.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    )


def advance(shown: "Progress", task: "TaskID", share: float) -> None:
    """So much of a task is done."""
    shown.update(task, completed=share)
