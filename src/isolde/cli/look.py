"""`isolde look`: the pictures of a song."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.clock import seconds
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "look",
        epilog=examples(
            "isolde look song.mp3 -o song.png # mixture, mask and vocals",
            "isolde look song.mp3 -o song.html # every picture, with players",
            "isolde look song.mp3 -o pictures --figure spectrogram --range 1:10 1:20",
        ),
    )(look)


def look(
    song: Annotated[Path, typer.Argument(help="Song.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File: .png or .svg for one picture, .html for all with players; or folder for "
            "SONG-FIGURE.png; else the current one.",
            show_default=False,
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Picture: spectrogram, separation, network, activity or all; else separation in "
            "a .png or .svg, all elsewhere.",
            show_default=False,
            autocompletion=completion.one_of(
                "spectrogram", "separation", "network", "activity", "all"
            ),
        ),
    ] = None,
    range_: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--range",
            help="Part of the song, times like 75 or 1:15.",
            metavar="START END",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(
            parser=seconds,
            metavar="TIME",
            help="Moment at which the network is looked into; else where the voice is loudest.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Name or path of the separating model.",
            autocompletion=completion.separating_models,
        ),
    ] = "vocals",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Existing files are replaced.")
    ] = False,
    dpi: Annotated[int, typer.Option(min=30, max=600, help="Resolution in pixels per inch.")] = 110,
) -> None:
    """Draw a song: spectrogram with pitch, mixture beside vocals, the network inside, activity."""
    from isolde.figures.gallery import draw_song

    refuse_urls(song)
    with terminal.bars() as bar:
        task = bar.add_task("reading", total=1.0)
        drawn = draw_song(
            song,
            output,
            figure=figure,
            start=seconds(range_[0]) if range_ else None,
            end=seconds(range_[1]) if range_ else None,
            at=at,
            model=model,
            dpi=dpi,
            overwrite=overwrite,
            progress=partial(terminal.advance, bar, task),
        )
    for note in drawn.notes:
        terminal.say(f"isolde: {note}")
    for path in drawn.paths:
        terminal.show_path(path)
