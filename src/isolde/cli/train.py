"""`isolde train` and `isolde export`: from songs with known stems to a model of one's own."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("train")(train)
    app.command("export")(export)


def train(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Folders of {track}/{stem}.ext or {voice}.ext."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; one that exists goes on.")],
    recipe: Annotated[
        Path | None, typer.Option(help="JSON of a recipe [the one of the shipped model].")
    ] = None,
    validate: Annotated[
        Path | None, typer.Option(help="Folder of songs to measure on, never trained on.")
    ] = None,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between measurements.")] = 400,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded audio [cache inside the run].")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop here [the recipe's].")] = None,
    threads: Annotated[int, typer.Option(min=1, help="For PyTorch.")] = 1,
) -> None:
    """Train the mask network; stop with Ctrl-C, go on with the same command."""
    from isolde.training.command import train_folders

    for line in train_folders(
        data,
        out=out,
        recipe_file=recipe,
        validation=validate,
        validate_every=validate_every,
        cache=cache or out / "cache",
        steps=steps,
        threads=threads,
    ):
        typer.echo(line)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the model.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "custom",
    summary: Annotated[str, typer.Option(help="One line for its card.")] = "",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "unstated",
) -> None:
    """Turn a run into a model: `isolde separate --model FOLDER/NAME.onnx`."""
    from isolde.training.publish import publish

    model = publish(run, output, name=name, summary=summary, licence=licence)
    typer.echo(model.path)
