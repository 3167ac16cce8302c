"""`isolde activity`: where somebody sings in songs, and what, as files that other programs read."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.errors import InputError, IsoldeError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "activity",
        epilog=examples(
            "isolde activity song.mp3 --words words.txt -o song.lrc # words at their times",
            "isolde activity song.mp3 -o song.mid # the sung melody; the ending decides the format",
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
            help="Format: csv, json, audacity, rttm, srt, lrc, textgrid or midi; else what the "
            "ending of -o says, or csv, or lrc with words.",
            show_default=False,
            autocompletion=completion.one_of(
                "csv", "json", "audacity", "rttm", "srt", "lrc", "textgrid", "midi"
            ),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File for one song, or folder; else standard output."),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            help="Text file with the words of the song, a line for each that is sung: a first "
            "alignment, to be corrected by hand.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or path of the model that tells where somebody sings, by its masks of the "
            "vocals; usually vocals-large or, where notes are wanted, the separator.",
            show_default=False,
            autocompletion=completion.activity_models,
        ),
    ] = None,
    separator: Annotated[
        str,
        typer.Option(
            help="Name or path of the model that isolates the voice for its notes.",
            autocompletion=completion.separating_models,
        ),
    ] = "vocals-large",
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
    """Find where somebody sings: segments, every frame's probability, words, or the melody."""
    from isolde.activity import MODEL, SegmentRule, find_telling
    from isolde.activity.files import format_of, targets_of
    from isolde.core.atomic import explain, refuse_inputs, write_bytes
    from isolde.karaoke import FORMATS, find_singing
    from isolde.karaoke.formats import SUFFIXES, read_words_for
    from isolde.separation import SeparationSettings
    from isolde.separation.load import stems_of
    from isolde.separation.songs import STDIN, songs_in

    refuse_urls(*songs)
    rule = SegmentRule(onset, offset, min_duration_on, min_duration_off, pad_onset, pad_offset)
    kind = format_of(format_, output, suffixes=SUFFIXES, usual="csv" if words is None else "lrc")
    found = songs_in(songs)
    targets = targets_of(
        [song.track for song in found], output, kind, overwrite=overwrite, suffixes=SUFFIXES
    )
    read_here = [song.path for song in found] + ([] if words is None else [words])
    refuse_inputs([target for target in targets if target is not None], read_here)
    if FORMATS[kind].is_binary and output is None and sys.stdout.isatty():
        raise InputError(f"{kind} is nothing for a terminal: name a file with -o")
    lines = None if words is None else read_words_for(kind, words, n_songs=len(found))
    separation = SeparationSettings(separator, threads=threads)
    if FORMATS[kind].needs_notes:
        stems_of(separator)
    if model is not None or not FORMATS[kind].needs_notes:
        find_telling(model or MODEL)
    n_failed = n_printed = 0
    with terminal.bars(quiet=quiet) as bars:
        for song, target in zip(found, targets, strict=True):
            task = bars.add_task(terminal.printable(song.track), total=1.0)
            try:
                singing = find_singing(
                    sys.stdin.buffer if song.path == STDIN else song.path,
                    words=lines,
                    rule=rule,
                    activity_model=model,
                    separation=separation if FORMATS[kind].needs_notes else None,
                    threads=threads,
                    progress=partial(terminal.advance, bars, task),
                )
                data = FORMATS[kind].write(singing, song.track)
                if target is not None:
                    write_bytes(target, data, overwrite=overwrite)
            except (IsoldeError, OSError) as error:
                n_failed += 1
                known = isinstance(error, IsoldeError)
                said = error if known else explain(str(target or song.path), error)
                terminal.say(f"isolde: {song.blame(said)}")
                continue
            finally:
                bars.remove_task(task)
            for warning in singing.warnings:
                terminal.say(f"isolde: {warning}")
            if target is not None:
                terminal.show_path(target)
                continue
            if kind == "csv" and n_printed:
                data = data.partition(b"\n")[2]  # one line of names for the whole table
            terminal.write_out(data)
            n_printed += 1
    if n_failed:
        raise typer.Exit(2)
