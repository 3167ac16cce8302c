"""Where the texts of `formats` go: the names of files; writes none."""

from collections.abc import Sequence
from pathlib import Path

from isolde.activity.formats import FORMATS, check_format
from isolde.core.errors import InputError


def targets_of(
    songs: Sequence[Path], output: Path | None, format_: str, *, overwrite: bool = False
) -> list[tuple[Path, Path | None]]:
    """Each song with the file for its text; None is standard output.

    Args:
        songs: files.
        output: None: standard output, for one song; a file, for one song, when it has the format's
            suffix or is one already; else a folder.
        format_: one of `FORMATS`.
        overwrite: whether files may be replaced.

    Raises:
        InputError: when several songs would go to one place, or a file exists.
    """
    suffix = FORMATS[check_format(format_)][0]
    if output is None:
        if len(songs) > 1:
            raise InputError(f"{len(songs)} songs on standard output: give a folder with -o")
        return [(song, None) for song in songs]
    is_file = output.suffix.lower() == suffix or output.is_file()
    if is_file and len(songs) > 1:
        raise InputError(f"{output}: one file for {len(songs)} songs: give a folder")
    targets = [output] if is_file else [output / f"{song.stem}{suffix}" for song in songs]
    if len(set(targets)) < len(targets):
        raise InputError("two songs have the same name: find their activity one at a time")
    for target in targets:
        if target.exists() and not overwrite:
            raise InputError(f"{target}: exists already: give another name or --overwrite")
    return list(zip(songs, targets, strict=True))
