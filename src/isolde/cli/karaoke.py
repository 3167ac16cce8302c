"""`isolde karaoke`: songs without their voice, or folders for karaoke games; it draws nothing."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.errors import InputError, IsoldeError

NAME = "{track} (karaoke).{ext}"


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "karaoke",
        epilog=examples(
            "isolde karaoke song.mp3 # writes 'song (karaoke).mp3'",
            "isolde karaoke music -o party --format flac # a folder",
            "isolde karaoke song.mp3 --ultrastar --words words.txt # for UltraStar games",
        ),
    )(karaoke)


def karaoke(
    songs: Annotated[
        list[Path], typer.Argument(metavar="SONG...", help="Files and folders of songs.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder of the results; else the current one."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the files; else the song's own, or flac where it cannot be written.",
            show_default=False,
            autocompletion=completion.formats,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Name or path of a model; see isolde models.",
            autocompletion=completion.separating_models,
        ),
    ] = "vocals-large",
    ultrastar: Annotated[
        bool,
        typer.Option(
            "--ultrastar",
            help="A folder for UltraStar games instead: the song, its voice, the rest, and a text "
            "with the notes of the voice, to be corrected by hand.",
        ),
    ] = False,
    words: Annotated[
        Path | None,
        typer.Option(
            help="Text file with the words for --ultrastar, a line for each that is sung.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Existing files are replaced.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Take the voice out of songs: one file each, in the song's format, with its tags and cover."""
    from isolde.audio.formats import container_for
    from isolde.core.stems import ACCOMPANIMENT
    from isolde.karaoke import write_song_folder
    from isolde.karaoke.words import words_for
    from isolde.separation import (
        FileSettings,
        SeparationSettings,
        check_batch,
        check_output,
        separate_file,
        songs_in,
    )

    refuse_urls(*songs)
    usual = FileSettings(
        output=output,
        stems=(ACCOMPANIMENT,),
        separation=SeparationSettings(model, threads=0),
        container=format_.lower().lstrip(".") if format_ else "flac",
        name=NAME,
        overwrite=overwrite,
    )
    listed = songs_in(songs, usual)
    made = {NAME.removesuffix(".{ext}").format(track=song.track) for song in listed}
    found = [song for song in listed if song.track not in made]  # by an earlier run, for *.mp3
    check_batch(found, usual)
    check_output(usual)
    if words is not None and not ultrastar:
        raise InputError("--words goes with --ultrastar; for subtitles see isolde activity --words")
    lines = None if words is None else words_for(words, n_songs=len(found))
    n_failed = 0
    with terminal.bars(quiet=quiet) as bars:
        for song in found:
            settings = usual
            if format_ is None:
                with suppress(InputError):  # what cannot be written becomes flac
                    settings = replace(usual, container=container_for(song.path).name)
            task = bars.add_task(terminal.printable(song.track), total=1.0)
            progress = partial(terminal.advance, bars, task)
            try:
                done = (
                    write_song_folder(
                        song,
                        output or Path(),
                        container=settings.container,
                        words=lines,
                        separation=usual.separation,
                        overwrite=overwrite,
                        progress=progress,
                    )
                    if ultrastar
                    else separate_file(song, settings, progress=progress)
                )
            except IsoldeError as error:
                n_failed += 1
                terminal.say(f"isolde: {song.blame(error)}")
                continue
            finally:
                bars.remove_task(task)
            if not quiet:
                for warning in done.warnings:
                    terminal.say(f"isolde: warning: {warning}")
                for path in done.files:
                    terminal.show_path(path)
    if n_failed:
        raise typer.Exit(2)
