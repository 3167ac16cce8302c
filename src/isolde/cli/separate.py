"""`isolde separate`: songs in, stems out."""

import json
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isolde.errors import IsoldeError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from isolde.separation import Separated, Settings, Song


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
        Path | None, typer.Option("-o", "--output", help="Folder for the stems [the current one].")
    ] = None,
    stem: Annotated[
        list[str] | None, typer.Option(help="Only this stem; may be given several times.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "vocals",
    format_: Annotated[str, typer.Option("--format", help="wav, flac, ogg, opus or mp3.")] = "wav",
    bit_depth: Annotated[
        str | None, typer.Option(help="16, 24, 32 or 32f (float) [the song's own].")
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
    start: Annotated[float, typer.Option(help="In seconds.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="In seconds [the song's].")] = None,
    name: Annotated[str, typer.Option(help="Names of the files.")] = "{track}/{stem}.{ext}",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="For the network [cores, up to 4].")] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON for each song on standard output.")
    ] = False,
) -> None:
    """Separate songs into stems: DIR/{track}/vocals.wav and accompaniment.wav.

    The stems have the song's sample rate, channels and length, and sum to it.
    """
    from isolde.separation import Settings, check_batch, check_output, songs_in

    settings = Settings(
        output=output,
        stems=tuple(stem) if stem else None,
        model=model,
        mask=mask,
        threshold=threshold,
        strength=strength,
        gate=gate,
        container=format_.lower().lstrip("."),
        bit_depth=bit_depth,
        clip=clip.value,
        start=start,
        end=end,
        name=name,
        overwrite=overwrite,
        threads=threads,
    )
    if songs == ["-"]:
        _through(settings, quiet=quiet)
        return
    found = songs_in(Path(song) for song in songs)
    check_batch(found, settings)
    check_output(settings)
    n_failed = _batch(found, settings, quiet=quiet, as_json=as_json)
    if n_failed:
        if len(found) > 1:
            print(f"isolde: {n_failed} of {len(found)} songs failed", file=sys.stderr)
        raise typer.Exit(2)


def _through(settings: "Settings", *, quiet: bool) -> None:
    """Standard input to standard output, or to files where a folder is given."""
    from isolde.separation import separate_stream

    if sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal: send it to a file or a pipe")
    for warning in separate_stream(sys.stdin.buffer, sys.stdout.buffer, settings):
        if not quiet:
            print(f"isolde: warning: {warning}", file=sys.stderr)


def _batch(songs: "list[Song]", settings: "Settings", *, quiet: bool, as_json: bool) -> int:
    """Separate one after the other; how many failed."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from isolde.separation import separate_file

    n_failed = 0
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as bars:
        for i, song in enumerate(songs, 1):
            label = f"[{i}/{len(songs)}] {song.track}" if len(songs) > 1 else song.track
            task = bars.add_task(label, total=1.0)
            advance = partial(_advance, bars, task)
            try:
                done = separate_file(song, settings, progress=advance)
            except IsoldeError as error:
                n_failed += 1
                _say(f"isolde: {error}")
                if as_json:
                    print(json.dumps({"source": str(song.path), "error": str(error)}), flush=True)
                continue
            finally:
                bars.remove_task(task)
            if not quiet:
                for warning in done.warnings:
                    _say(f"isolde: warning: {warning}")
            if as_json:
                print(_json(done), flush=True)
            elif not quiet:
                for path in done.paths.values():
                    print(path, flush=True)
    return n_failed


def _advance(bars: "Progress", task: "TaskID", share: float) -> None:
    bars.update(task, completed=share)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _json(done: "Separated") -> str:
    """One machine-readable line."""
    return json.dumps(
        {
            "source": str(done.song.path),
            "track": done.song.track,
            "paths": {stem: str(path) for stem, path in done.paths.items()},
            "seconds": round(done.seconds, 6),
            "elapsed": round(done.elapsed, 3),
            "real_time_factor": round(done.real_time_factor, 2),
            "warnings": done.warnings,
        },
        ensure_ascii=False,
    )
