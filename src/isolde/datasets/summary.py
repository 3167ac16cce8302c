"""Totals of a data set by stem, licence, split and artist, and where its voices sound."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32
from isolde.datasets.cache import FULL_SCALE, Int16
from isolde.datasets.manifest import STEMS, Row, by_track
from isolde.datasets.mixing.library import Entry, entry_of, make_cache
from isolde.datasets.voicing import labelled

COLUMNS = 360  # of a strip


@dataclass(frozen=True)
class Strip:
    """One song from its beginning to its end, in `COLUMNS` equal parts.

    Attributes:
        track: Name of the song.
        seconds: Length in seconds.
        level_db: Level (COLUMNS,), RMS, of voice and backing together, dB of full scale.
        voice: Share (COLUMNS,) of the voice in their energy, 0 to 1.
        voiced: Share of the frames in which somebody sings, 0 to 1; None without a vocals file.
    """

    track: str
    seconds: float
    level_db: Float32
    voice: Float32
    voiced: float | None


@dataclass(frozen=True)
class Totals:
    """Hours and counts of a manifest; a song's length is that of its longest file.

    Attributes:
        n_songs: Number of songs.
        n_artists: Number of artists.
        hours: Hours of songs.
        by_stem: Hours of songs that have the stem.
        by_split: Hours; "" is no split.
        by_licence: Hours.
        by_artist: Hours, the longest first.
        by_origin: Hours of songs by who made the stems; "" is recordings.
    """

    n_songs: int
    n_artists: int
    hours: float
    by_stem: dict[str, float]
    by_split: dict[str, float]
    by_licence: dict[str, float]
    by_artist: dict[str, float]
    by_origin: dict[str, float]


def totals_of(rows: Sequence[Row]) -> Totals:
    """Add up a manifest.

    Args:
        rows: Rows with their lengths; a file of unknown length counts as nothing.
    """
    stems, splits, licences, artists, origins = (defaultdict[str, float](float) for _ in range(5))
    songs = by_track(rows)
    for files in songs.values():
        hours = max(row.seconds for row in files) / 3600
        for stem in {row.stem for row in files}:
            stems[stem] += hours
        splits[files[0].split] += hours
        licences[files[0].licence] += hours
        artists[files[0].artist] += hours
        origins[next((row.origin for row in files if row.origin), "")] += hours
    return Totals(
        n_songs=len(songs),
        n_artists=len(artists),
        hours=float(sum(splits.values())),
        by_stem={stem: stems[stem] for stem in STEMS if stem in stems},
        by_split=_most_first(splits),
        by_licence=_most_first(licences),
        by_artist=_most_first(artists),
        by_origin=_most_first(origins),
    )


def _most_first(hours: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(hours.items(), key=lambda item: -item[1]))


def strips_of(
    rows: Sequence[Row],
    cache: Path,
    *,
    songs: int,
    report: Callable[[str], None] | None = None,
) -> tuple[list[Strip], list[str]]:
    """Make the strips of some songs, evenly chosen from the manifest.

    Args:
        rows: Rows of the manifest.
        cache: Folder for decoded audio.
        songs: Greatest number of songs.
        report: Function called with each track as it is done.

    Returns:
        Strips in the manifest's order, and a line for each song that has none.

    Raises:
        InputError: The cache's folder cannot be made.
    """
    files = by_track(rows)
    tracks = list(files)
    n = min(songs, len(tracks))
    strips, notes = list[Strip](), list[str]()
    make_cache(cache)
    for track in (tracks[i * len(tracks) // n] for i in range(n)):
        found = entry_of(files[track], cache)
        if isinstance(found, Entry):
            strips += map(strip_of, labelled([found]))
        else:
            notes.append(found)
        if report:
            report(track)
    return strips, notes


def strip_of(entry: Entry) -> Strip:
    """Make the strip of a song, whose `activity` tells where somebody sings."""
    voice, backing = _energy(entry.vocals), _energy(entry.accompaniment)
    total = voice + backing
    whole = entry.vocals if entry.vocals is not None else entry.accompaniment
    assert whole is not None
    n = whole.shape[1]
    return Strip(
        track=entry.track,
        seconds=n / GRID_22.sample_rate,
        level_db=(10 * np.log10(total / max(1, 2 * n / COLUMNS) + 1e-10)).astype(np.float32),
        voice=(voice / np.maximum(total, 1e-12)).astype(np.float32),
        voiced=None if entry.vocals is None else float(np.mean(entry.activity)),
    )


def _energy(part: Int16 | None) -> Float32:
    """Compute the energy of each column over both channels."""
    if part is None:
        return np.zeros(COLUMNS, np.float32)
    edges = np.linspace(0, part.shape[1], COLUMNS + 1).astype(int)
    power = np.zeros(part.shape[1] + 1)
    for channel in part:
        power[1:] += np.square(channel / np.float32(FULL_SCALE))
    return np.asarray(np.diff(np.cumsum(power)[edges]), np.float32)
