"""What the verbs show: lines and bars on standard error, bytes of a result on standard output."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID


def prepare() -> None:
    """Let names that are not UTF-8 through: as their bytes to a file, escaped to a person."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def abandon() -> None:
    """Give up standard output, which is full or closed: nothing is written at the exit either."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, file=sys.stderr, flush=True)


def write_out(data: bytes) -> None:
    """Write a result to standard output, as it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def printable(text: str) -> str:
    """Replace what no terminal shows: the bytes of a file name that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def json_line(values: Mapping[str, Any]) -> str:
    """Write an object as a line of JSON, in ASCII where a name holds bytes that are not UTF-8."""
    line = json.dumps(values, ensure_ascii=False)
    return line if printable(line) == line else json.dumps(values)


def bars(*columns: "ProgressColumn", quiet: bool = False) -> "Progress":
    """Make bars that go when they are done; none where standard error is no terminal.

    Args:
        columns: Columns of each bar; none for those that rich has.
        quiet: Whether no bar is shown.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    )


def advance(shown: "Progress", task: "TaskID", share: float) -> None:
    """Show how much of a task is done, in [0, 1]."""
    shown.update(task, completed=share)
