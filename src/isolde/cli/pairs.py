"""`isolde pairs`: from mixes and their vocals or instrumentals to training pairs."""

from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.errors import InputError, MissingExtraError
from isolde.core.names import counted


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "pairs",
        epilog=examples(
            "isolde pairs song.mp3 song-instrumental.mp3 -o pairs",
            "isolde pairs mixes acappellas -o pairs --kind vocal # folders, matched by sound",
        ),
    )(pairs)


def pairs(
    mix: Annotated[
        Path, typer.Argument(help="A mix, or a folder with mixes (and partners in any order).")
    ],
    partner: Annotated[
        Path | None,
        typer.Argument(help="Its a cappella or instrumental, or a folder of them."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pairs.")] = Path(
        "pairs"
    ),
    kind: Annotated[
        str,
        typer.Option(
            help="What the partner is: vocal, instrumental or auto.",
            autocompletion=completion.one_of("vocal", "instrumental", "auto"),
        ),
    ] = "auto",
    keep: Annotated[
        str,
        typer.Option(
            help="accepted spans only, or all of an accepted song.",
            autocompletion=completion.one_of("accepted", "all"),
        ),
    ] = "accepted",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes for folders; 0: one per core.")
    ] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, tcp://..., for several machines."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Existing files are replaced, whatever made them."),
    ] = False,
    pictures: Annotated[bool, typer.Option(help="Draw a page of each pair.")] = True,
) -> None:
    """Align, normalise and score mix <-> vocal pairs; write those that can be trusted.

    What an earlier run wrote is replaced; other files are left alone without --overwrite.
    Exit code 2 when a file cannot be used or a single pair is rejected.
    """
    from isolde.pairs import build_folder, build_pair

    refuse_urls(mix, partner)
    if partner is not None and mix.exists() and partner.exists():
        if mix.is_dir() != partner.is_dir():
            raise InputError(f"{mix} and {partner}: give two files, or two folders")
    draw = None
    if pictures:
        from isolde.figures.pairs import draw_page
        from isolde.figures.style import require_matplotlib

        try:
            require_matplotlib()
            draw = draw_page
        except MissingExtraError as error:
            terminal.say(f"isolde: no pages: {error}")
    if mix.is_dir():
        report = build_folder(
            mix,
            output,
            partners=partner,
            kind=kind,
            keep=keep,
            workers=workers,
            scheduler=scheduler,
            overwrite=overwrite,
            draw=draw,
            report=terminal.show,
            notify=lambda line: terminal.say(f"isolde: {line}"),
        )
        lost = f"; {counted(len(report.errors), 'error')}" if report.errors else ""
        terminal.show(f"{report.accepted} of {len(report.pairs)} pairs accepted, in {output}{lost}")
        failed = bool(report.errors)
    else:
        if partner is None:
            raise typer.BadParameter("a mix needs its vocal or instrumental as second argument")
        if scheduler is not None or workers > 1:
            raise InputError("--workers and --scheduler are for folders: a pair is built here")
        single = build_pair(
            mix, partner, output, kind=kind, keep=keep, overwrite=overwrite, draw=draw
        )
        terminal.show(single.summary())
        failed = not single.accepted
    if failed:
        raise typer.Exit(2)
