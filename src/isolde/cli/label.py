"""`isolde data label`: stems of songs that have none, by another separator or a model."""

from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.errors import InputError
from isolde.core.programs import TIMEOUT

Licence = Annotated[str, typer.Option(help="Licence of the audio, such as 'CC BY 4.0'.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "label",
        epilog=examples(
            "isolde data label songs --model vocals -o labelled",
            "isolde data label songs --teacher 'demucs -o {output} {input}' -o labelled",
        ),
    )(label)


def label(
    folder: Annotated[Path, typer.Argument(help="Folder with songs, in any layout.")],
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Command of a separator, with {input} for the song's file and {output} for a "
            "folder in which it writes vocals.wav and what else it has; or with --serve, for one "
            "that stays and is given song after song.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model that labels, in place of a command.",
            show_default=False,
            autocompletion=completion.separating_models,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; one that exists goes on.")
    ] = Path("taught"),
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Manifest to add the songs to \\[manifest.csv in the output folder].",
            show_default=False,
        ),
    ] = None,
    licence: Licence = "",
    artist: Annotated[str, typer.Option(help="Artist of all songs \\[by tags and names].")] = "",
    split: Annotated[
        str,
        typer.Option(
            help="train, validation or test \\[by artist].",
            show_default=False,
            autocompletion=completion.one_of("train", "validation", "test"),
        ),
    ] = "",
    name: Annotated[
        str, typer.Option(help="What the manifest calls the teacher \\[the program's name].")
    ] = "",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the stems: wav, flac, ogg, opus, mp3 or m4a.",
            autocompletion=completion.one_of("wav", "flac", "ogg", "opus", "mp3", "m4a"),
        ),
    ] = "flac",
    timeout: Annotated[
        float,
        typer.Option(help="Seconds that the command may take for a song; then it has failed."),
    ] = TIMEOUT,
) -> None:
    """Label songs with another separator: {track}/{stem}.flac, confidence.csv, manifest rows.

    Stop it and run it again: what is done is kept. Exit code 1 when a song failed, 2 when all did.
    """
    from isolde.audio.formats import container_named
    from isolde.datasets.label.label import label_songs, songs_to_label
    from isolde.datasets.label.model import ModelTeacher
    from isolde.datasets.label.results import LabelManifest, LabelResult
    from isolde.datasets.layouts import Hints
    from isolde.separation.external import ExternalSeparator

    refuse_urls(folder)
    if (teacher is None) == (model is None):
        raise InputError("give --teacher, the command of a separator, or --model, and not both")
    separator: ModelTeacher | ExternalSeparator
    if model is not None:
        separator = ModelTeacher.of(model, name=name)
    else:
        separator = ExternalSeparator.parse(teacher or "", name=name, timeout=timeout)
    container_named(format_)
    growing = LabelManifest(manifest or output / "manifest.csv", split=split)
    how = Hints(artist=artist, licence=licence, without=(output,))
    songs, problems = songs_to_label(folder, how=how)
    for problem in problems:
        terminal.say(f"isolde: {problem}")
    with terminal.counting_bar(len(songs)) as advance:

        def tell(result: LabelResult) -> None:
            growing.add(result)
            if result.error:
                terminal.say(f"isolde: {result.track}: {result.error}")
            else:
                terminal.show(result.summary())
            advance(result.track)

        results = label_songs(songs, output, separator, container=format_, report=tell)
    n_failed = sum(bool(result.error) for result in results)
    place = f"in {growing.path}" if n_failed < len(results) else "nothing was written"
    terminal.show(f"{len(results) - n_failed} of {len(results)} songs labelled, {place}")
    if n_failed or problems:
        raise typer.Exit(2 if n_failed == len(results) else 1)
