"""`isolde separate`: songs in, stems out."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isolde.cli import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from isolde.separation import FileSettings, Separated, Song


class Clip(StrEnum):
    """What happens to samples beyond full scale."""

    warn = "warn"
    clip = "clip"
    error = "error"


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("separate")(separate)


def separate(
    songs: Annotated[
        list[str],
        typer.Argument(metavar="SONG...", help="Files and folders; '-' reads from standard input."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the stems; else the current one."),
    ] = None,
    stem: Annotated[
        list[str] | None, typer.Option(help="Only this stem; may be given several times.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="vocals, stems, open, vocals-live, article, rules, or a path.")
    ] = "vocals",
    format_: Annotated[str, typer.Option("--format", help="wav, flac, ogg, opus or mp3.")] = "wav",
    bit_depth: Annotated[
        str | None, typer.Option(help="16, 24, 32 or 32f (float); else the song's own.")
    ] = None,
    clip: Annotated[
        Clip, typer.Option(help="Samples beyond full scale: limit and warn, limit, or fail.")
    ] = Clip.warn,
    mask: Annotated[str, typer.Option(help="soft or binary.")] = "soft",
    threshold: Annotated[float, typer.Option(help="Of the binary mask.")] = 0.5,
    strength: Annotated[
        float, typer.Option(help="Of the soft mask: 2 takes more away, 0.5 leaves more.")
    ] = 1.0,
    gate: Annotated[
        bool, typer.Option("--gate", help="Turn the vocals down where nobody sings.")
    ] = False,
    only_vocal_parts: Annotated[
        bool,
        typer.Option(
            "--only-vocal-parts",
            help="Cut the vocals into phrases, DIR/{track}/vocals/001_0012.341-0015.120.wav "
            "(seconds of the song); other stems are written, whole, where --stem asks for them.",
        ),
    ] = False,
    start: Annotated[float, typer.Option(help="In seconds.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="In seconds; else the song's.")] = None,
    name: Annotated[str, typer.Option(help="Names of the files.")] = "{track}/{stem}.{ext}",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="For the network; 0: cores, up to 4.")] = 0,
    jobs: Annotated[
        int, typer.Option(min=0, help="Songs side by side, in processes; 0: one per core.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://... of a Dask scheduler, for many machines.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep a journal, and skip songs that it says are done."),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave stems whose files exist as they are.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON for each song on standard output.")
    ] = False,
) -> None:
    """Separate songs into stems: DIR/{track}/vocals.wav and accompaniment.wav.

    The stems have the song's sample rate, channels and length, and sum to it.
    """
    from isolde.separation import (
        FileSettings,
        SeparationSettings,
        check_batch,
        check_output,
        separate_songs,
        songs_in,
    )

    settings = FileSettings(
        output=output,
        stems=tuple(stem) if stem else None,
        separation=SeparationSettings(model, mask, threshold, strength, gate, threads=threads),
        phrases=only_vocal_parts,
        container=format_.lower().lstrip("."),
        bit_depth=bit_depth,
        clip=clip.value,
        start=start,
        end=end,
        name=name,
        overwrite=overwrite,
    )
    if songs == ["-"]:
        _through(settings, quiet=quiet)
        return
    found = songs_in(Path(song) for song in songs)
    check_batch(found, settings)
    check_output(settings)
    with _bars(quiet) as bars:
        whole = bars.add_task(f"{len(found)} songs", total=len(found), visible=len(found) > 1)
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
            _tell(song, done, error, quiet=quiet, as_json=as_json)

        results = separate_songs(
            found,
            settings,
            jobs=jobs,
            scheduler=scheduler,
            resume=resume,
            skip_existing=skip_existing,
            report=report,
            progress=advance,
        )
    if n_failed := results.count(None):
        if len(found) > 1:
            terminal.say(f"isolde: {n_failed} of {len(found)} songs failed")
        raise typer.Exit(2)


def _through(settings: "FileSettings", *, quiet: bool) -> None:
    """Standard input to standard output, or to files where a folder is given."""
    from isolde.separation import separate_stream

    if sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal: send it to a file or a pipe")
    for warning in separate_stream(sys.stdin.buffer, sys.stdout.buffer, settings):
        if not quiet:
            terminal.say(f"isolde: warning: {warning}")


def _bars(quiet: bool) -> "Progress":
    """Progress on standard error, where somebody looks."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    return terminal.bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        quiet=quiet,
    )


def _tell(
    song: "Song", done: "Separated | None", error: str | None, *, quiet: bool, as_json: bool
) -> None:
    """Say what became of a song."""
    if done is None:
        terminal.say(f"isolde: {error}")
        if as_json:
            print(json.dumps({"source": str(song.path), "error": error}), flush=True)
        return
    if not quiet:
        for warning in done.warnings:
            terminal.say(f"isolde: warning: {warning}")
    if as_json:
        print(json.dumps(done.to_dict(), ensure_ascii=False), flush=True)
    elif not quiet:
        for path in done.files:
            print(path, flush=True)
