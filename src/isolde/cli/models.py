"""`isolde models`: what can be named with --model, and files of one's own."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples

if TYPE_CHECKING:
    from isolde.models.overview import Row

models = typer.Typer(
    no_args_is_help=False,
    invoke_without_command=True,
    epilog=examples(
        "isolde models # quality, speed, latency, licence",
        "isolde models add UVR-MDX-NET-Voc_FT.onnx",
        "isolde models info spleeter",
    ),
)

Name = Annotated[
    str,
    typer.Argument(
        help="Name, or path of a file.", show_default=False, autocompletion=completion.models
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.add_typer(models, name="models")


@models.callback()
def models_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the models; add files of your own, tell what they are, remove them.

    Without a command: a table of stems, quality, speed, latency and licence.
    """
    from isolde.core.errors import InputError

    if context.invoked_subcommand is None:
        show(as_json=as_json)
    elif as_json:
        raise InputError("--json is of the table: isolde models list --json")


@models.command("list", epilog=examples("isolde models list --json # for programs"))
def show(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the models, the best first: shipped ones, your own, those of other packages."""
    from isolde.core.config import plain
    from isolde.models.catalogue import DEFAULT, LIVE, LOW_LATENCY
    from isolde.models.listing import read_models
    from isolde.models.overview import overview

    found = read_models()
    rows = sorted([*overview(found.models), _rules()], key=lambda row: -(row.quality or 0.0))
    for fault in found.faults:
        terminal.say(f"isolde: warning: {fault}")
    if as_json:
        for row in rows:
            print(terminal.json_line(plain(row)))
        return
    heads = ("model", "stems", "vocals dB", "x real time", "live latency", "licence")
    table = [heads, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        terminal.show("  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)))
    terminal.say(
        f"isolde: without --model: {DEFAULT} for songs, {LIVE} in live sessions, {LOW_LATENCY} "
        "with --low-latency"
    )


def _rules() -> "Row":
    """The row of the rules, which are no network and have no card."""
    from isolde.core.signal.spectrum import TOP_RATE
    from isolde.models.overview import Row
    from isolde.rules import RULES, HarmonicMasker

    masker = HarmonicMasker(n_channels=2)
    grid = masker.grid.at(TOP_RATE)
    latency = (grid.latency + masker.latency * grid.hop) / grid.sample_rate
    stems = (*masker.stems, masker.residual)
    summary = "The article's first version: rules, no network (needs the extra 'rules')."
    return Row(RULES, "shipped", "rules", stems, None, None, latency, "MIT", summary)


def _cells(row: "Row") -> tuple[str, ...]:
    """A row as texts."""
    late = f"{row.latency:.1f} s" if row.latency >= 1 else f"{1000 * row.latency:.0f} ms"
    return (
        row.name,
        ", ".join(row.stems) or "(where somebody sings)",
        "-" if row.quality is None else f"{row.quality:.2f}",
        "-" if row.speed is None else f"{row.speed:.0f}",
        late,
        row.licence,
    )


@models.command(epilog=examples("isolde models add UVR-MDX-NET-Voc_FT.onnx --name mdx"))
def add(
    file: Annotated[Path, typer.Argument(help="An .onnx file.", show_default=False)],
    *,
    name: Annotated[str | None, typer.Option(help="What to call it \\[the file's name].")] = None,
    stems: Annotated[
        str | None,
        typer.Option(
            help="What it gives, in order, like vocals,accompaniment.",
            autocompletion=completion.by_commas(
                completion.one_of("vocals", "accompaniment", "drums", "bass", "other")
            ),
        ),
    ] = None,
    n_fft: Annotated[int | None, typer.Option(help="Samples of its transform's window.")] = None,
    compensate: Annotated[float | None, typer.Option(help="Factor of its estimate.")] = None,
    overlap: Annotated[float | None, typer.Option(help="Overlap of its windows, 0 to 0.5.")] = None,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="Less noise in twice the time (MDX-Net).")
    ] = False,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
) -> None:
    """Copy a network that you have as a file into your folder, with a card, and check it.

    isolde models add UVR-MDX-NET-Voc_FT.onnx --name voc-ft

    isolde models add net.onnx --stems vocals --n-fft 6144 --licence MIT
    """
    from isolde.models.additions import add_model
    from isolde.models.window.recognition import Hints

    names = tuple(part.strip() for part in stems.split(",")) if stems else None
    hints = Hints(names, n_fft, compensate, overlap, denoise, licence)
    model = add_model(file, name=name, hints=hints)
    terminal.say(f"isolde: {model.card.name}: {model.card.summary}")
    terminal.say(f"isolde: licence of its weights: {model.card.licence}")
    print(model.path)


@models.command(epilog=examples("isolde models info spleeter"))
def info(name: Name) -> None:
    """Print a model's card, and where it lies."""
    from isolde.core.errors import InputError
    from isolde.models.catalogue import find
    from isolde.models.overview import latency_of
    from isolde.rules import RULES

    if name == RULES:
        raise InputError(f"model '{RULES}' is no network and has no card: see `isolde models`")
    model = find(name)
    values = json.loads(model.card.to_json())
    found = {"path": str(model.path), "bytes": model.n_bytes, "latency": latency_of(model.card)}
    print(json.dumps({**found, **values}, indent=1, ensure_ascii=False))


@models.command(epilog=examples("isolde models remove mdx"))
def remove(
    name: Annotated[
        str,
        typer.Argument(help="A model that was added.", autocompletion=completion.added_models),
    ],
) -> None:
    """Delete a model that was added."""
    from isolde.models.additions import remove_model
    from isolde.models.listing import read_models

    before = read_models().faults
    for path in remove_model(name):
        print(path)
    for fault in read_models().faults:
        if fault not in before:  # what needs that model
            terminal.say(f"isolde: warning: {fault}")
