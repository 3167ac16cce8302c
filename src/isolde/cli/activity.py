"""`isolde activity`: where somebody sings in songs, as times that other programs read."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli import terminal
from isolde.cli.help import examples
from isolde.core.errors import IsoldeError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "activity",
        epilog=examples(
            "isolde activity song.mp3 # a table of the sung parts",
            "isolde activity song.mp3 -o song.srt # the ending decides the format",
            "isolde activity music -o labels --format audacity # a folder",
        ),
    )(activity)


def activity(
    songs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SONG...", help="Files and folders of songs; '-' for standard input."
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format: csv, json, audacity, rttm, srt or lrc; else what the ending of -o says, "
            "or csv.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File for one song, or folder; else standard output."),
    ] = None,
    model: Annotated[str, typer.Option(help="Name or path of an activity model.")] = "activity",
    onset: Annotated[float, typer.Option(help="Probability at which a segment begins.")] = 0.5,
    offset: Annotated[float, typer.Option(help="Probability below which it ends.")] = 0.4,
    min_duration_on: Annotated[
        float, typer.Option(help="Shortest segment that is kept, in seconds.")
    ] = 0.15,
    min_duration_off: Annotated[
        float, typer.Option(help="Shortest pause that is kept, in seconds.")
    ] = 0.2,
    pad_onset: Annotated[float, typer.Option(help="Seconds added before each segment.")] = 0.0,
    pad_offset: Annotated[float, typer.Option(help="Seconds added after each segment.")] = 0.0,
    threads: Annotated[
        int, typer.Option(min=1, help="Number of threads that run the network.")
    ] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Existing files are replaced.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Find where somebody sings: segments, or every frame's probability in JSON."""
    from isolde.activity import SegmentRule, find_activity, render
    from isolde.activity.files import format_of, targets_of
    from isolde.core.atomic import write_text
    from isolde.separation.songs import STDIN, songs_in

    rule = SegmentRule(onset, offset, min_duration_on, min_duration_off, pad_onset, pad_offset)
    kind = format_of(format_, output)
    found = songs_in(songs)
    targets = targets_of([song.track for song in found], output, kind, overwrite=overwrite)
    n_failed = n_printed = 0
    with terminal.bars(quiet=quiet) as bars:
        for song, target in zip(found, targets, strict=True):
            task = bars.add_task(terminal.printable(song.track), total=1.0)
            try:
                active = find_activity(
                    sys.stdin.buffer if song.path == STDIN else song.path,
                    model=model,
                    rule=rule,
                    threads=threads,
                    progress=partial(terminal.advance, bars, task),
                )
                text = render(active, kind, track=song.track)
                if target is not None:
                    write_text(target, text, overwrite=overwrite)
            except IsoldeError as error:
                n_failed += 1
                terminal.say(f"isolde: {error}")
                continue
            finally:
                bars.remove_task(task)
            if target is None and kind == "csv" and n_printed:
                text = text.partition("\n")[2]  # one line of names for the whole table
            print(text if target is None else target, end="" if target is None else "\n")
            n_printed += 1
    if n_failed:
        raise typer.Exit(1 if n_failed < len(found) else 2)
