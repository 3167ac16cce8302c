"""`isolde train` and `isolde export`: from songs with known stems to a model of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command(
        "train",
        epilog=examples(
            "isolde train vocals --data songs.csv --out run",
            "isolde train --out run --data songs.csv --resume # a stopped run goes on",
        ),
    )(train)
    app.command(
        "export",
        epilog=examples(
            "isolde export run -o models --name mine --licence 'CC BY 4.0'",
            "isolde export run -o models --best --bits 8 # small",
        ),
    )(export)


def train(
    recipe: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"{', '.join(completion.recipes(''))}, or a .toml file; with --resume the run's "
            "own may be left out. Several are trained side by side, each in a folder of its own in "
            "--out.",
            show_default=False,
            autocompletion=completion.recipes,
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A manifest, or a folder of songs; folders more than once."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path("run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    start: Annotated[
        Path | None,
        typer.Option(help="A run whose weights to begin with, where they fit \\[random]."),
    ] = None,
    validate: Annotated[
        Path | None,
        typer.Option(help="Folder or manifest of songs to measure on \\[those held out]."),
    ] = None,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between measurements.")] = 400,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 50,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded audio \\[cache inside the run].")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop here \\[the recipe's].")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Number of threads on a CPU.")] = 1,
    device: Annotated[
        str, typer.Option(help="cpu or cuda.", autocompletion=completion.one_of("cpu", "cuda"))
    ] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            help="float32, bfloat16, or auto: whichever is faster there.",
            autocompletion=completion.one_of("float32", "bfloat16", "auto"),
        ),
    ] = "auto",
) -> None:
    """Train a network on songs with known stems; Ctrl-C saves, --resume goes on, to the bit."""
    import os

    from isolde.cli.shared.training_bar import bar
    from isolde.training.course import Options
    from isolde.training.train import train_songs

    refuse_urls(*data or [])
    with bar(quiet=os.environ.get("RANK", "0") != "0") as (say, progress):
        train_songs(
            recipe,
            data or [],
            out=out,
            options=Options(
                cache=cache or out / "cache",
                validation=validate,
                validate_every=validate_every,
                save_every=save_every,
                steps=steps,
                threads=threads,
                device=device,
                precision=precision,
            ),
            resume=resume,
            start=start,
            say=say,
            progress=progress,
        )
    terminal.show_path(out)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a network's .safetensors.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the model.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "custom",
    summary: Annotated[str, typer.Option(help="One line for its card.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "unstated",
    best: Annotated[
        bool, typer.Option("--best", help="The best checkpoint by validation, not the last.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="A model of that name is replaced.")
    ] = False,
    bits: Annotated[
        int,
        typer.Option(
            help="Bits of a stored weight: 32, 16 or 8, to 0.05 or 0.4 % of each.",
            autocompletion=completion.one_of("32", "16", "8"),
        ),
    ] = 32,
) -> None:
    """Turn a run into a model: `isolde separate --model FOLDER/NAME.onnx`."""
    from isolde.training.export import publish

    model = publish(
        run,
        output,
        name=name,
        summary=summary,
        licence=licence,
        best=best,
        bits=bits,
        overwrite=overwrite,
    )
    terminal.show_path(model.path)
