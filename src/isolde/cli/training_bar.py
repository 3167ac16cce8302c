"""The progress line of a training, on standard error: a moving one on a terminal, else lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isolde.training.train import Progress

LINES_EVERY = 50


@contextmanager
def bar(
    *, quiet: bool = False
) -> Iterator[tuple[Callable[[str], None], Callable[["Progress"], None]]]:
    """Show how a training goes.

    Args:
        quiet: show nothing.

    Yields:
        what takes lines, and what takes progress.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, quiet=quiet, soft_wrap=True)
    columns = (
        TextColumn("step"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[f]}"),
    )
    with Bar(*columns, console=console, disable=quiet or not console.is_terminal) as shown:
        task = shown.add_task("", total=None, f="")

        def say(line: str) -> None:
            console.print(line, markup=False, highlight=False)

        def progress(now: "Progress") -> None:
            left = timedelta(seconds=round(now.left))
            facts = f"loss {now.loss:.4f}, {now.per_second:.0f} examples/s, {left} left"
            shown.update(task, completed=now.step, total=now.end, f=facts)
            if not console.is_terminal and (now.step % LINES_EVERY == 0 or now.step == now.end):
                say(f"step {now.step}/{now.end} {facts}")

        yield say, progress
