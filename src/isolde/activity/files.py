"""Formats and names of output files; it writes none."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from isolde.activity.formats import FORMATS, check_format
from isolde.core.errors import InputError

SUFFIXES = {name: suffix for name, (suffix, _) in FORMATS.items()}
"""Suffixes of the files, by format."""

STREAMED = ("csv", "json", "rttm")
"""Formats that name the song in every line, so that several songs fit into one stream."""


def format_of(
    format_: str | None,
    output: Path | None,
    *,
    suffixes: Mapping[str, str] = SUFFIXES,
    usual: str = "csv",
) -> str:
    """Choose the format: `format_` or, without, the format of the output's suffix.

    Args:
        format_: One of the formats, or None.
        output: Path of the output file or folder, or None.
        suffixes: Suffixes of the files, by format.
        usual: Format without either.

    Raises:
        InputError: The format is unknown, or the suffix is that of another one.
    """
    ending = "" if output is None or output.is_dir() else output.suffix.lower()
    said = next((name for name, suffix in suffixes.items() if suffix.lower() == ending), None)
    if format_ is None:
        if ending and said is None:
            known = ", ".join(suffixes.values())
            raise InputError(f"{output}: end the name in one of {known}, or give --format")
        return said or usual
    if said is not None and suffixes[check_format(format_, suffixes)].lower() != ending:
        raise InputError(
            f"{output}: is not the name of a file in the format {format_}: end it in "
            f"{suffixes[format_]}"
        )
    return check_format(format_, suffixes)


def targets_of(
    tracks: Sequence[str],
    output: Path | None,
    format_: str,
    *,
    overwrite: bool = False,
    suffixes: Mapping[str, str] = SUFFIXES,
) -> list[Path | None]:
    """Name the file of each song; None is standard output.

    Args:
        tracks: Names of the songs, all different.
        output: Path of a file, for one song, if it has the format's suffix or is an existing file;
            else of a folder; None for standard output.
        format_: One of the formats.
        overwrite: Whether files may be replaced.
        suffixes: Suffixes of the files, by format.

    Raises:
        InputError: Several songs would go to one place, or a file exists.
    """
    suffix = suffixes[check_format(format_, suffixes)]
    if output is None:
        if len(tracks) > 1 and format_ not in STREAMED:
            raise InputError(
                f"{len(tracks)} songs on standard output as {format_}: give a folder with -o, or "
                f"--format {' or '.join(STREAMED)}"
            )
        return [None for _ in tracks]
    is_file = output.suffix.lower() == suffix.lower() or output.is_file()
    if is_file and len(tracks) > 1:
        raise InputError(f"{output}: one file for {len(tracks)} songs: give a folder")
    targets = [output] if is_file else [output / f"{track}{suffix}" for track in tracks]
    for target in targets:
        # not `Path.exists`, which raises for a name that is too long: its song alone fails
        if os.path.exists(target) and not overwrite:
            raise InputError(f"{target}: exists already: give another name or --overwrite")
    return list(targets)
