"""What `isolde separate` shows of many songs: bars, paths, what is missing; it decides nothing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import typer

from isolde.cli.shared import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from isolde.separation import FileSettings, Separated, Shard, Song

    Report = Callable[["Song", "Separated | None", str | None], None]
    Advance = Callable[["Song", float], None]

    class Work(Protocol):
        """Separate the songs of a batch, and tell how it goes."""

        def __call__(
            self, *, report: Report, progress: Advance, notify: Callable[[str], None] | None
        ) -> list[Separated | None]:
            """Return what was written for each song, None where it failed."""


def show_batch(n_songs: int, work: "Work", *, quiet: bool, as_json: bool) -> None:
    """Show the songs of a batch as they are done.

    Args:
        n_songs: Number of songs.
        work: Function that separates them, given what to call for each that is done, for each
            share of one, and for each line that is to be said.
        quiet: Whether only errors are shown.
        as_json: Whether each song is a line of JSON.

    Raises:
        Exit: Songs failed.
    """
    with _bars(quiet) as bars:
        whole = bars.add_task(f"{n_songs} songs", total=n_songs, visible=n_songs > 1)
        tasks: dict[str, TaskID] = {}

        def advance(song: "Song", share: float) -> None:
            task = tasks.get(song.track)
            if task is None:
                task = tasks[song.track] = bars.add_task(terminal.printable(song.track), total=1.0)
            terminal.advance(bars, task, share)

        def report(song: "Song", done: "Separated | None", error: str | None) -> None:
            if song.track in tasks:
                bars.remove_task(tasks.pop(song.track))
            bars.advance(whole)
            tell(song, done, error, quiet=quiet, as_json=as_json)

        notify = None if quiet else (lambda line: terminal.say(f"isolde: {line}"))
        results = work(report=report, progress=advance, notify=notify)
    if n_failed := results.count(None):
        if n_songs > 1:
            terminal.say(f"isolde: {n_failed} of {n_songs} songs failed")
        raise typer.Exit(2)


def show_missing(
    songs: Sequence["Song"],
    settings: "FileSettings",
    *,
    shard: "Shard | None",
    quiet: bool,
    as_json: bool,
) -> None:
    """Print the songs that are not done yet, one a line, and why on standard error.

    Args:
        songs: Songs of the run in question.
        settings: Settings of that run.
        shard: Share of the songs; None for all.
        quiet: Whether only the songs are named.
        as_json: Whether each song, done or not, is a line of JSON.

    Raises:
        Exit: Songs are missing.
    """
    from isolde.separation import State, check_songs

    checked = check_songs(songs, settings, shard=shard)
    missing = [found for found in checked if found.state is not State.DONE]
    for found in checked if as_json else missing:
        song = found.song
        if as_json:
            about = {"source": song.source, "track": song.track, "state": found.state.value}
            print(terminal.json_line(about), flush=True)
            continue
        terminal.show_path(song.source)
        if not quiet:
            terminal.say(f"isolde: {song.track}: {found.state.value}")
    if not quiet:
        terminal.say(f"isolde: {len(missing)} of {len(checked)} songs are missing")
    if missing:
        raise typer.Exit(2)


def tell(
    song: "Song", done: "Separated | None", error: str | None, *, quiet: bool, as_json: bool
) -> None:
    """Print what became of a song: paths or JSON, and its warnings or its error.

    Args:
        song: Song.
        done: What was written; None where it failed.
        error: Why it failed, in one line.
        quiet: Whether only an error is shown.
        as_json: Whether a line of JSON is printed instead of paths.
    """
    if done is None:
        terminal.say(f"isolde: {error}")
        if as_json:
            print(terminal.json_line({"source": song.source, "error": error}), flush=True)
        return
    if not quiet:
        for warning in done.warnings:
            terminal.say(f"isolde: warning: {warning}")
    if as_json:
        print(terminal.json_line(done.to_dict()), flush=True)
    elif not quiet:
        for path in done.files:
            terminal.show_path(done.place(path))


def _bars(quiet: bool) -> "Progress":
    """Make bars on standard error, with the time that is left."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    return terminal.bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        quiet=quiet,
    )
