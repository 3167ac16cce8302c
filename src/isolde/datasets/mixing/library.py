"""A library of songs for training: rows of a manifest, mapped from the cache of decoded sound.

Folders are searched for songs, which gives rows; a manifest holds rows; from there on there is one
path. It never writes beside the songs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isolde.core.atomic import explain
from isolde.core.errors import InputError, IsoldeError
from isolde.core.stems import PARTS
from isolde.datasets.cache import FULL_SCALE, Int16, ensure, has_part
from isolde.datasets.layouts import Hints, find
from isolde.datasets.manifest import SPLITS, Row, by_track, read_manifest

__all__ = ["FULL_SCALE", "Entry", "Int16", "Library"]


@dataclass(frozen=True)
class Entry:
    """One song, or one solo voice, in the cache.

    Attributes:
        track: Name, unique in the library.
        artist: Artist who must not be on both sides of a split.
        top_hz: Highest frequency that the recording holds.
        vocals: (2, n) int16 or None.
        accompaniment: (2, n) int16 or None.
        activity: (n_frames,) bool: where the voice sounds, frame by frame.
        drums: (2, n) int16; None where the song has none for itself, or nobody asked.
        bass: Likewise.
        other: Likewise.
        split: "train", "validation", "test" or empty.
        licence: Licence of the audio.
        origin: Empty for a recording; for a separator's estimate, the separator.
    """

    track: str
    artist: str
    top_hz: float
    vocals: Int16 | None
    accompaniment: Int16 | None
    activity: NDArray[np.bool_]
    drums: Int16 | None = None
    bass: Int16 | None = None
    other: Int16 | None = None
    split: str = ""
    licence: str = "unknown"
    origin: str = ""

    @property
    def backing(self) -> Int16 | None:
        """The accompaniment, or else the sum of its parts, clipped."""
        if self.accompaniment is not None:
            return self.accompaniment
        parts = [part for part in (self.drums, self.bass, self.other) if part is not None]
        if len(parts) < len(PARTS):
            return None
        total = np.sum(parts, axis=0, dtype=np.int32)
        return np.clip(total, -FULL_SCALE, FULL_SCALE).astype(np.int16)


class Library:
    """Songs, decoded into a cache and mapped from there.

    Attributes:
        entries: The songs that can be used.
        failed: One line for each that cannot, with its name and the reason.
    """

    entries: list[Entry]
    failed: list[str]

    def __init__(
        self, folders: Iterable[Path], cache: Path, *, stems: Sequence[str] = ("vocals",)
    ) -> None:
        """Find songs, in any layout of `isolde.datasets.layouts`, and decode them.

        Args:
            folders: Folders of songs, and of solo voices: loose files are voices, unless their
                folder is called instrumental, karaoke or the like.
            cache: Folder for decoded samples.
            stems: Drums, bass and other are decoded only where they are named here; vocals and
                accompaniment always.

        Raises:
            InputError: Nothing is found or can be used, a folder does not exist, or a stem is
                unknown.
        """
        found = find(folders, how=Hints(otherwise="vocals"))
        if not found.rows:
            why = f" ({found.problems[0]})" if found.problems else ""
            raise InputError(
                "no songs found: a folder must hold {track}/{stem}.wav or {voice}.wav" + why
            )
        self._decode(found.rows, cache, stems, failed=found.problems)

    @classmethod
    def from_manifest(
        cls,
        path: str | Path,
        cache: Path,
        split: str | None = None,
        *,
        stems: Sequence[str] = ("vocals",),
    ) -> "Library":
        """Take the songs of a manifest.

        Args:
            path: CSV or Parquet, see `isolde.datasets.manifest`.
            cache: Folder for decoded samples.
            split: "train", "validation" or "test"; None: all rows.
            stems: Names of the stems as for `Library`.

        Raises:
            InputError: The manifest cannot be read, has no such rows, none of its songs can be
                used, or a name is unknown.
            MissingExtraError: It is Parquet, and pyarrow is not installed.
        """
        if split is not None and split not in SPLITS:
            raise InputError(f"split '{split}': choose from {', '.join(SPLITS)}")
        rows = [row for row in read_manifest(path) if split in (None, row.split)]
        if not rows:
            raise InputError(f"{path}: has no rows of split '{split}': fill in the column 'split'")
        return cls.from_rows(rows, cache, stems=stems)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Row],
        cache: Path,
        *,
        stems: Sequence[str] = ("vocals",),
    ) -> "Library":
        """Take the songs of some rows; arguments and errors as for `from_manifest`."""
        library = cls.__new__(cls)
        library._decode(rows, cache, stems, failed=[])
        return library

    def _decode(
        self,
        rows: Iterable[Row],
        cache: Path,
        stems: Sequence[str],
        *,
        failed: list[str],
    ) -> None:
        unknown = set(stems) - {"vocals", "accompaniment", *PARTS}
        if unknown:
            raise InputError(
                f"stems {', '.join(sorted(unknown))}: choose from vocals, accompaniment, "
                + ", ".join(PARTS)
            )
        self.entries, self.failed = [], failed
        make_cache(cache)
        parts = [part for part in PARTS if part in stems]
        for files in by_track(rows).values():
            found = entry_of(files, cache, parts)
            if isinstance(found, Entry):
                self.entries.append(found)
            else:
                self.failed.append(found)
        if not self.entries:
            why = self.failed[-1] if self.failed else "there are none"
            raise InputError(f"none of the songs can be used: {why}")


def make_cache(cache: Path) -> None:
    """Make the folder for decoded samples.

    Raises:
        InputError: It cannot be made.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(explain(str(cache), error, remedy="choose another folder")) from None


def entry_of(rows: Sequence[Row], cache: Path, parts: Sequence[str] = ()) -> Entry | str:
    """Open a song, decoded if the cache lacks it; a line with the reason if it cannot be used."""
    try:
        return _entry(rows, cache, parts)
    except IsoldeError as error:
        track, named = rows[0].track, str(error)
        return named if track in named else f"'{track}': {named}"


def _entry(rows: Sequence[Row], cache: Path, parts: Sequence[str]) -> Entry:
    key, top_hz = ensure(rows, cache, parts=parts)

    def load(stem: str) -> Int16 | None:
        path = cache / f"{key}.{stem}.npy"
        return np.load(path, mmap_mode="r") if path.is_file() else None

    first = rows[0]
    return Entry(
        track=first.track,
        artist=first.artist,
        top_hz=top_hz,
        vocals=load("vocals"),
        accompaniment=load("accompaniment"),
        activity=np.load(cache / f"{key}.activity.npy"),
        **{part: load(part) for part in parts if has_part(rows, part)},
        split=first.split,
        licence=first.licence,
        origin=next((row.origin for row in rows if row.origin), ""),
    )
