"""`isolde data`: songs with known stems found, checked and shown; those without are in `label`."""

from pathlib import Path
from typing import Annotated

import typer

from isolde.cli import label
from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.errors import InputError
from isolde.core.names import counted

_HELP = "Songs to learn from: find them, check them, look at them, label them."

ManifestFile = Annotated[Path, typer.Argument(help="Manifest, .csv or .parquet.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        epilog=examples("isolde data scan musdb18hq -o songs.csv", "isolde data check songs.csv"),
    )
    group.command(
        "scan",
        epilog=examples(
            "isolde data scan musdb18hq -o songs.csv",
            "isolde data scan more --add -o songs.csv # into the same manifest",
        ),
    )(scan)
    group.command("check", epilog=examples("isolde data check songs.csv --workers 0"))(check)
    group.command(
        "show",
        epilog=examples(
            "isolde data show songs.csv -o songs.html",
            "isolde data show songs.csv -o songs.png --songs 20",
        ),
    )(show)
    label.register(group)
    app.add_typer(group, name="data")


def scan(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders with songs, in any layout.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Manifest to write, .csv or .parquet.")
    ] = Path("manifest.csv"),
    loose: Annotated[
        str | None,
        typer.Option(
            help="What files outside of song folders are: vocals, accompaniment or mixture "
            "\\[what the names say].",
            show_default=False,
            autocompletion=completion.one_of("vocals", "accompaniment", "mixture"),
        ),
    ] = None,
    instrumental: Annotated[
        bool, typer.Option("--instrumental", help="Nobody sings in what cannot be told otherwise.")
    ] = False,
    artist: Annotated[str, typer.Option(help="Artist of all songs \\[by tags and names].")] = "",
    licence: label.Licence = "",
    validation: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the artists kept for validation.")
    ] = 0.1,
    add: Annotated[
        bool, typer.Option("--add", help="New songs are added to the manifest, whose rows stay.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="An existing manifest is replaced.")
    ] = False,
) -> None:
    """Find songs and write a manifest: track, artist, split, stem, path, seconds, rate, licence.

    Exit code 1 when something was left out.
    """
    from isolde.datasets import Hints, manifest, scan

    refuse_urls(*folders)
    if add and overwrite:
        raise InputError("--add keeps a manifest, --overwrite replaces it: give one of them")
    manifest.check_target(output)
    if output.exists() and not (add or overwrite):
        raise InputError(
            f"{output}: exists already: add to it with --add, replace it with --overwrite, or "
            "choose another with -o"
        )
    how = Hints(
        loose=loose,
        instrumental=instrumental,
        artist=artist,
        licence=licence,
        validation=validation,
    )
    old = manifest.read_manifest(output) if add and output.exists() else []
    found = scan(folders, how=how)
    for problem in found.problems:
        terminal.say(f"isolde: {problem}")
    rows = manifest.merge(old, found.rows)
    if not rows:
        raise InputError(f"no song was found: {output} is not written: give other folders")
    manifest.write_manifest(rows, output)
    songs = manifest.by_track(rows)
    hours = sum(max(row.seconds for row in files) for files in songs.values()) / 3600
    artists = counted(len({row.artist for row in rows}), "artist")
    told = f"{counted(len(songs), 'song')} by {artists}, {counted(len(rows), 'file')}"
    new = f"; {len(songs.keys() - {row.track for row in old})} new" if add else ""
    terminal.show(f"{output}: {told}, {hours:.2f} h{new}")
    if validation > 0 and all(row.split != "validation" for row in rows):
        terminal.say(
            "isolde: no song is kept for validation: names choose "
            f"{validation:.0%} of the artists, and none of these {len({r.artist for r in rows})}: "
            "give a larger --validation, or write 'validation' into the column 'split' of one"
        )
    if found.problems:
        raise typer.Exit(1)


def check(
    path: ManifestFile,
    workers: Workers = 1,
    min_seconds: Annotated[float, typer.Option(min=0, help="A shorter file is a fault.")] = 1.0,
) -> None:
    """Decode every file and name what is wrong with it; exit code 1 if something is.

    Faults are files that cannot be decoded, are clipped, silent, short or hold NaN, of the wrong
    rate; songs whose stems lie beside their mixture, do not sum to it or break off; artists and
    recordings on two sides of a split. Notes are printed too and cost nothing.
    """
    from isolde.datasets import manifest
    from isolde.datasets.check import songs as checking

    rows = manifest.read_manifest(path)
    with terminal.counting_bar(len(manifest.by_track(rows))) as advance:
        report = checking.check(
            rows,
            min_seconds=min_seconds,
            workers=workers,
            report=lambda checked: advance(checked.track),
        )
    for finding in report.findings:
        terminal.show(f"{'fault' if finding.is_fault else 'note'}: {finding}")
    print(
        f"{counted(report.n_songs, 'song')}, {counted(report.n_files, 'file')}, "
        f"{report.seconds / 3600:.2f} h: {counted(len(report.faults), 'fault')} in "
        f"{counted(len(report.bad_tracks), 'song')}"
    )
    if report.faults:
        raise typer.Exit(1)


def show(
    path: ManifestFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .html page, or a .png or .svg picture.")
    ] = Path("manifest.html"),
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder with decoded audio, as for training; it is filled \\[a temporary one].",
            show_default=False,
        ),
    ] = None,
    songs: Annotated[
        int,
        typer.Option(min=0, help="Most songs that are drawn, evenly chosen; totals are of all."),
    ] = 200,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Existing files are replaced.")
    ] = False,
) -> None:
    """Draw a manifest: hours by stem, licence, split and artist, and a strip for every song.

    Exit code 1 when a song cannot be drawn.
    """
    import glob

    from isolde.core.atomic import exists_already
    from isolde.datasets import manifest
    from isolde.figures.dataset import draw_dataset

    parts = [output]
    if output.suffix.lower() != ".html":
        kinds = [
            f"{glob.escape(output.stem)}-{part}{output.suffix}" for part in ("totals", "songs*")
        ]
        parts = [path for kind in kinds for path in output.parent.glob(kind)]
    if not overwrite and (there := next((p for p in parts if p.exists()), None)):
        raise InputError(exists_already(str(there)))
    n_songs = len(manifest.by_track(manifest.read_manifest(path)))
    with terminal.counting_bar(min(songs, n_songs)) as advance:
        drawn = draw_dataset(path, output, cache=cache, songs=songs, report=advance)
    for note in drawn.notes:
        terminal.say(f"isolde: {note}")
    for made in drawn.paths:
        terminal.show_path(made)
    if drawn.notes:
        raise typer.Exit(1)
