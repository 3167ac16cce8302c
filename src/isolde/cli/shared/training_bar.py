"""The progress line of a training, on standard error: a moving one on a terminal, else lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from isolde.core.names import one_line

if TYPE_CHECKING:
    from isolde.training.drive import Progress

LINES_EVERY = 50


@contextmanager
def bar(
    *, quiet: bool = False
) -> Iterator[tuple[Callable[[str], None], Callable[["Progress"], None]]]:
    """Show how a training goes.

    Args:
        quiet: Whether nothing is shown.

    Yields:
        what takes lines, and what takes progress.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, quiet=quiet, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[f]}"))
    with Bar(*columns, console=console, disable=quiet or not console.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def say(line: str) -> None:
            console.print(one_line(line), markup=False, highlight=False)

        def progress(now: "Progress") -> None:
            if now.name not in tasks:
                tasks[now.name] = shown.add_task(now.name, total=1.0, f="")
            left = timedelta(seconds=round(now.left))
            facts = (
                f"step {now.step}, {now.hours:.2f} h heard, loss {now.loss:.4f}, "
                f"{now.speed:.0f} s of music a second, {left} left"
            )
            shown.update(tasks[now.name], completed=now.done, f=facts)
            if not console.is_terminal and (now.step % LINES_EVERY == 0 or now.done >= 1):
                say(f"{now.name} {facts}".strip())

        yield say, progress
