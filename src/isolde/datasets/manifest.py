"""The manifest: which files are which stems of which songs, one row a file; it opens no audio.

A table that people read and edit, as CSV (UTF-8) or Parquet (extra "parquet"). Paths are relative
to the manifest where the files lie below its folder. Whatever else is known of a data set, a scan,
a check, a picture or a training, begins with these rows.
"""

import hashlib
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from isolde.core.atomic import write_bytes
from isolde.core.config import suggestion
from isolde.core.errors import InputError
from isolde.core.names import readable
from isolde.datasets.table import SUFFIXES, check_packages, read_table, table_bytes

STEMS = ("mixture", "vocals", "accompaniment", "drums", "bass", "other", "rest", "unsorted")
"""What a file may be. `accompaniment` is all but the voice; `rest` is what no other file of the
song holds, without a voice; `unsorted` may hold a voice, so nothing is learnt from it."""

SPLITS = ("train", "validation", "test")

VALIDATION_SHARE = 0.1
"""Share of the artists that a scan keeps for validation."""

_STREAM = re.compile(r"(.+\.(?:mp4|m4a|mkv|mka|mov|webm))#(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One file of one song.

    Attributes:
        track: Name of the song, unique in the manifest; rows of one track belong together, and
            rows of one stem of a track are summed.
        artist: Who must not be on both sides of a split.
        split: One of `SPLITS`, or empty.
        stem: One of `STEMS`.
        path: Path of the file; `name.mp4#3` is the fourth audio stream of name.mp4.
        seconds: Its length; 0 where nobody has looked.
        rate: Its sample rate in Hz; 0 where nobody has looked.
        licence: Licence of the audio.
        origin: Empty for a recording; for a separator's estimate, the separator.
        further: Values of other columns that somebody has added, by name; they mean nothing here.
    """

    track: str
    artist: str
    split: str
    stem: str
    path: Path
    seconds: float = 0.0
    rate: int = 0
    licence: str = "unknown"
    origin: str = ""
    further: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> Path:
        """The file on disk."""
        found = _STREAM.fullmatch(str(self.path))
        return Path(found[1]) if found else self.path

    @property
    def stream(self) -> int | None:
        """Which audio stream of the file, from 0; None for a file of one."""
        found = _STREAM.fullmatch(str(self.path))
        return int(found[2]) if found else None


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "further")
_KINDS = {name: {"seconds": float, "rate": int}.get(name, str) for name in COLUMNS}
_NEEDED = ("track", "stem", "path")


def artist_key(artist: str) -> str:
    """Normalise an artist's name: case, the form of accents and outer blanks do not matter.

    Examples:
        >>> artist_key(" Zoe\u0301 ") == artist_key("ZO\u00c9")
        True
    """
    return unicodedata.normalize("NFC", artist).strip().casefold()


def split_of(artist: str, *, validation: float = VALIDATION_SHARE) -> str:
    """Choose the side of the split for an artist, always the same for the same name.

    The name's SHA-1, read as a number in [0, 1), is compared with the share: adding songs moves
    nobody, and a larger share only moves artists from train to validation.

    Args:
        artist: A name; case, composed or decomposed accents and outer blanks do not matter.
        validation: Share of the artists, 0 to 1.

    Returns:
        "train" or "validation".

    Raises:
        InputError: The share is not within 0 to 1.

    Examples:
        >>> split_of("Nina"), split_of("Nina", validation=1.0)
        ('train', 'validation')
    """
    if not 0 <= validation <= 1:
        raise InputError(f"a validation share of {validation}: choose one from 0 to 1")
    name = artist_key(artist).encode("utf-8", "surrogatepass")
    digest = hashlib.sha1(name, usedforsecurity=False).digest()
    return "validation" if int.from_bytes(digest[:6], "big") < validation * 2**48 else "train"


def manifest_in(data: Sequence[Path]) -> Path | None:
    """Give the manifest among paths, known by its ending; None if they are folders.

    Raises:
        InputError: There is more beside it.
    """
    found = [path for path in data if path.suffix.lower() in SUFFIXES and not path.is_dir()]
    if found and len(data) > 1:
        raise InputError(f"{found[0]}: give one manifest alone, or folders")
    return found[0] if found else None


def by_track(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by song, in their order."""
    songs: dict[str, list[Row]] = {}
    for row in rows:
        songs.setdefault(row.track, []).append(row)
    return songs


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return the old rows unchanged, and the new songs after them.

    A song is known by its files: a new one of which a file is among the old rows adds nothing.
    A new one whose name is taken by other files gets a number after its name.
    """
    kept = list(old)
    files = {os.path.abspath(row.path) for row in kept}
    names = {row.track for row in kept}
    for track, rows in by_track(new).items():
        if any(os.path.abspath(row.path) in files for row in rows):
            continue
        name, number = track, 2
        while name in names:
            name, number = f"{track} ({number})", number + 1
        names.add(name)
        kept += [replace(row, track=name) for row in rows]
    return kept


def read_manifest(path: str | Path) -> list[Row]:
    """Read a manifest.

    The columns track, stem and path are needed, the others of `COLUMNS` are filled in and any
    further ones are kept as they are.

    Args:
        path: A .parquet file, or text.

    Returns:
        Rows; their paths are absolute if they were so or if the manifest's is, and otherwise
        relative to the current folder.

    Raises:
        InputError: No such file, or a row that cannot be understood; the message has its number.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder, and no manifest" if path.is_dir() else "no such manifest"
        raise InputError(f"{path}: {what}: make one with `isolde data scan`")
    rows: list[Row] = []
    for place, values in read_table(path, columns=COLUMNS, needed=_NEEDED):
        try:
            rows.append(_row(values, path.parent))
        except InputError as error:
            raise InputError(f"{path}, {place}: {error}") from None
    if not rows:
        raise InputError(f"{path}: has no rows: make it anew with `isolde data scan`")
    return rows


def write_manifest(rows: Iterable[Row], path: str | Path) -> None:
    """Write a manifest, whole or not at all.

    Args:
        rows: Rows in the order to keep.
        path: Path of a .csv or .parquet file; overwritten, its folder is made.

    Raises:
        InputError: The name ends otherwise, or a path is not UTF-8.
        AudioError: The file cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    check_target(path)
    table = [_plain(row, path.parent) for row in rows]
    for text in (str(value) for values in table for value in values.values()):
        if readable(text) != text:
            raise InputError(f"{readable(text)}: is not UTF-8, as {path.name} is: rename it")
    further = {name: str for values in table for name in values if name not in _KINDS}
    write_bytes(path, table_bytes(table, path, kinds={**_KINDS, **further}))


def check_target(path: Path) -> None:
    """Fail early where a manifest cannot be written.

    Raises:
        InputError: The name does not end in .csv or .parquet, or is a folder's.
        MissingExtraError: Parquet without pyarrow.
    """
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise InputError(f"a manifest named '{path}': end the name in .csv or .parquet")
    check_packages(path)


def _row(values: Mapping[str, object], folder: Path) -> Row:
    """One row from text, or an InputError that says what is wrong with it."""
    text = {name: _text(values.get(name)) for name in COLUMNS}
    for name in _NEEDED:
        if not text[name]:
            raise InputError(f"has no {name}: fill it in, or delete the row")
    for name, known in (("stem", STEMS), ("split", SPLITS)):
        if text[name] and text[name] not in known:
            hint = suggestion(text[name], known)
            raise InputError(f"{name} '{text[name]}' is unknown: {hint}")
    return Row(
        track=text["track"],
        artist=text["artist"] or text["track"],
        split=text["split"],
        stem=text["stem"],
        path=folder / text["path"],
        seconds=_number(text["seconds"], "seconds"),
        rate=round(_number(text["rate"], "rate")),
        licence=text["licence"] or "unknown",
        origin=text["origin"],
        further=tuple((k, _text(v)) for k, v in values.items() if k and k not in COLUMNS),
    )


def _text(value: object) -> str:
    """A value of a table as text; Parquet has others, and none."""
    return "" if value is None else str(value).strip()


def _number(text: str, name: str) -> float:
    try:
        value = float(text.replace(",", ".") or 0)  # a spreadsheet's comma
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"{name} '{text}' is no number: correct it, or leave it empty")
    return value


def _plain(row: Row, folder: Path) -> dict[str, str | float | int]:
    path = Path(os.path.abspath(row.path))
    base = Path(os.path.abspath(folder))
    if path.is_relative_to(base):
        path = path.relative_to(base)
    values: dict[str, str | float | int] = {name: getattr(row, name) for name in COLUMNS}
    text = str(PurePosixPath(path))
    text = f"./{text}" if text[:1].isspace() else text  # blanks around a value are not read
    values |= {"path": text, "seconds": round(row.seconds, 3)}
    return {**values, **dict(row.further)}
