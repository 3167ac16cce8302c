"""What the verbs show: lines and bars on standard error, bytes of a result on standard output."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from isolde.core.names import one_line, readable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID


def prepare() -> None:
    """Let names that are not UTF-8 through: as their bytes to a file, escaped to a person.

    What is closed becomes the null device, also for what opens files by their numbers.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            os.set_inheritable(number, True)  # child processes open no file in its place
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))
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
    """Print a text at once, as one line, whatever names are in it."""
    print(one_line(line), file=sys.stderr, flush=True)


def show(line: str) -> None:
    """Print a result at once, as one line, whatever names are in it."""
    print(one_line(line), flush=True)


def show_path(path: object) -> None:
    """Print a path at once: as it is to a file or a pipe, to a person as one line."""
    print(one_line(str(path)) if sys.stdout.isatty() else path, flush=True)


def write_out(data: bytes) -> None:
    """Write a result to standard output, as it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def printable(text: str) -> str:
    """Replace what no terminal shows, also the bytes of a file name that are not UTF-8."""
    return one_line(readable(text))


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


@contextlib.contextmanager
def counting_bar(total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar that counts; call it with the name of what has been done.

    Args:
        total: Number of things to do.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with bars(*columns) as shown:
        task = shown.add_task("", total=total)
        yield lambda name: shown.update(task, advance=1, description=name)
