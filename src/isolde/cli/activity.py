"""`isolde activity`: where somebody sings in songs, as times that other programs read."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli import terminal
from isolde.core.errors import IsoldeError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("activity")(activity)


def activity(
    songs: Annotated[list[Path], typer.Argument(metavar="SONG...", help="Audio files.")],
    format_: Annotated[
        str, typer.Option("--format", help="csv, json, audacity, rttm, srt or lrc.")
    ] = "csv",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A file for one song, or a folder; else standard output."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Name or path of an activity model.")] = "activity",
    onset: Annotated[float, typer.Option(help="Probability at which a segment begins.")] = 0.5,
    offset: Annotated[float, typer.Option(help="Probability below which it ends.")] = 0.4,
    min_duration_on: Annotated[
        float, typer.Option(help="Shorter segments are dropped, in seconds.")
    ] = 0.15,
    min_duration_off: Annotated[
        float, typer.Option(help="Shorter pauses are bridged, in seconds.")
    ] = 0.2,
    pad_onset: Annotated[float, typer.Option(help="Added before each segment, in seconds.")] = 0.0,
    pad_offset: Annotated[float, typer.Option(help="Added behind each, in seconds.")] = 0.0,
    threads: Annotated[int, typer.Option(min=1, help="For the network.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
) -> None:
    """Find where somebody sings: segments, or every frame's probability in JSON."""
    from isolde.activity import SegmentRule, find_activity, render
    from isolde.activity.files import targets_of
    from isolde.core.atomic import write_text

    rule = SegmentRule(onset, offset, min_duration_on, min_duration_off, pad_onset, pad_offset)
    targets = targets_of(songs, output, format_, overwrite=overwrite)
    n_failed = 0
    with terminal.bars(quiet=quiet) as bars:
        for song, target in targets:
            task = bars.add_task(song.name, total=1.0)
            try:
                found = find_activity(
                    song,
                    model=model,
                    rule=rule,
                    threads=threads,
                    progress=partial(terminal.advance, bars, task),
                )
                text = render(found, format_, track=song.stem)
                if target is not None:
                    write_text(target, text)
            except IsoldeError as error:
                n_failed += 1
                terminal.say(f"isolde: {error}")
                continue
            finally:
                bars.remove_task(task)
            print(text if target is None else target, end="" if target is None else "\n")
    if n_failed:
        raise typer.Exit(1 if n_failed < len(songs) else 2)
