"""`isolde look`: the pictures of a song."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli import terminal


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("look")(look)


def look(
    song: Annotated[Path, typer.Argument(help="The song.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="A .png, .svg or .html file (a report with players). "
            "Default: SONG-FIGURE.png in the current folder.",
            show_default=False,
        ),
    ] = None,
    figure: Annotated[
        str, typer.Option(help="spectrogram, separation, network, activity or all.")
    ] = "all",
    range_: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range", help="Only this part, in seconds.", metavar="START END", show_default=False
        ),
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(
            help="The moment, in seconds, at which the network is looked into. "
            "Default: where the voice is loudest.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Name or path of the separating model.")] = "vocals",
    dpi: Annotated[int, typer.Option(min=30, max=600, help="Pixels per inch.")] = 110,
) -> None:
    """Draw a song: spectrogram with pitch, mixture beside vocals, the network inside, activity."""
    from isolde.figures.gallery import draw_song

    with terminal.bars() as bar:
        task = bar.add_task("reading", total=1.0)
        drawn = draw_song(
            song,
            output,
            figure=figure,
            start=range_[0] if range_ else None,
            end=range_[1] if range_ else None,
            at=at,
            model=model,
            dpi=dpi,
            progress=partial(terminal.advance, bar, task),
        )
    for note in drawn.notes:
        terminal.say(f"isolde: {note}")
    for path in drawn.paths:
        print(path)
