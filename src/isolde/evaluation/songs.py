"""Songs with known stems, found by `isolde.datasets` and loaded one at a time.

Never resamples, never changes a level.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from isolde.core import parallel
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32
from isolde.core.stems import ACCOMPANIMENT, MIXTURE, PARTS, VOCALS
from isolde.datasets.cache import derived_of, has_part
from isolde.datasets.layouts import Hints
from isolde.datasets.manifest import Row, by_track
from isolde.datasets.rows import rows_of
from isolde.datasets.sources import samples_of


@dataclass(frozen=True)
class Stems:
    """A loaded song, every array float32 (n_channels, n_samples); mixture = vocals + accompaniment.

    Where a song brings its own mixture that is not that sum (a limiter on the mix), the mixture is
    the file's and the accompaniment is the sum of the other stems. `parts` are those of `PARTS`
    that are known.
    """

    mixture: Float32
    vocals: Float32
    accompaniment: Float32
    sample_rate: int
    parts: Mapping[str, Float32] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.mixture.shape[1] / self.sample_rate)


@dataclass(frozen=True)
class Song:
    """A song whose stems are known; it holds paths only, so sending it to a worker is cheap.

    Attributes:
        track: Unique name within the data set.
        artist: Who it is by; songs of one artist belong on the same side of any split.
        rows: Its files, as a manifest has them, sorted by stem.
    """

    track: str
    artist: str
    rows: tuple[Row, ...]

    @property
    def stamp(self) -> str:
        """Text that changes when a file of the song does, or what the files are."""
        files = [row.file.absolute() for row in self.rows]
        return parallel.stamp(*files, settings=[(row.stem, row.stream) for row in self.rows])

    def absolute(self) -> Self:
        """Return the song with paths that hold in any current folder."""
        rows = (replace(row, path=row.path.absolute()) for row in self.rows)
        return replace(self, rows=tuple(rows))

    def load(self) -> Stems:
        """Read the stems.

        Raises:
            AudioError: A file cannot be read, or rates, channels or lengths of the stems differ.
        """
        read = [(row.stem, *samples_of(row)) for row in self.rows]
        rates, shapes = {rate for _, _, rate in read}, {audio.shape for _, audio, _ in read}
        if len(rates) != 1 or len(shapes) != 1:
            told = "; ".join(
                f"{row.file.name} {rate} Hz, {len(audio)} channels, {audio.shape[1]} samples"
                for row, (_, audio, rate) in zip(self.rows, read, strict=True)
            )
            raise AudioError(
                f"'{self.track}': its files differ ({told}): bring them to one rate, number of "
                "channels and length"
            )
        arrays = {
            stem: _sum([audio for name, audio, _ in read if name == stem])
            for stem in dict.fromkeys(name for name, _, _ in read)
        }
        mixture, vocals = arrays.pop(MIXTURE, None), arrays.pop(VOCALS)
        if derived_of(self.rows) == ACCOMPANIMENT:
            assert mixture is not None  # what it is derived from
            accompaniment = mixture - vocals
        elif ACCOMPANIMENT in arrays:
            accompaniment = arrays[ACCOMPANIMENT]
        else:
            accompaniment = _sum([audio for name, audio, _ in read if name in arrays])
        if mixture is None:
            mixture = vocals + accompaniment
        parts = {name: arrays[name] for name in PARTS if has_part(self.rows, name)}
        if parts.keys() == arrays.keys() and len(parts) == 1:  # the accompaniment itself
            parts = {}
        return Stems(mixture, vocals, accompaniment, rates.pop(), parts)


def find_songs(
    data: str | Path, *, limit: int | None = None, report: Callable[[str], None] | None = None
) -> list[Song]:
    """Find the songs that can be measured in a folder, whatever its layout, or in a manifest.

    Args:
        data: Folder, or manifest (.csv or .parquet) as `isolde data scan` writes it.
        limit: Most songs to take, spread evenly over the sorted list so that artists vary.
        report: Called with a line for each song that is left out, and the reason.

    Returns:
        Songs with vocals and something else, both true and not estimates, sorted by track.

    Raises:
        InputError: Nothing there, or no such song in it.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: expected at least 1 song")
    root = Path(data)
    if not root.exists():
        raise InputError(f"no data at '{root}': give a folder of songs or a manifest")
    found = rows_of([root], how=Hints(otherwise=MIXTURE))
    songs, left_out = [], list(found.problems)
    for track, rows in by_track(found.rows).items():
        reason = _reason_against(rows)
        if reason:
            left_out.append(f"'{track}': {reason}")
        else:
            ordered = sorted(rows, key=lambda row: (row.stem, str(row.path)))
            songs.append(Song(track, rows[0].artist, tuple(ordered)))
    if not songs:
        why = f" ({left_out[0]})" if left_out else ""
        raise InputError(f"no songs in '{root}'{why}: expected {{track}}/vocals.wav and others")
    if report is not None:
        for line in left_out:
            report(line)
    songs.sort(key=lambda song: song.track)
    if limit is not None and limit < len(songs):
        songs = [songs[i * len(songs) // limit] for i in range(limit)]
    return songs


def training_note(songs: Sequence[Song]) -> str:
    """Warn of songs in the split "train" of their folder or manifest; empty: there are none."""
    n = sum(song.rows[0].split == "train" for song in songs)
    if not n:
        return ""
    return (
        f"{n} of {len(songs)} songs are to learn from ('train'): what a model reaches on songs "
        "that it has learnt from says nothing of others"
    )


def _reason_against(rows: Sequence[Row]) -> str:
    """Why a song cannot be measured on; empty if it can."""
    stems = {row.stem for row in rows}
    if VOCALS not in stems or len(stems) < 2:
        return f"has the stems {', '.join(sorted(stems))}: needs vocals and at least one other"
    if "unsorted" in stems:
        return "has a file that may hold a voice beside the vocals: sort it out, or leave it out"
    if guess := next((row.origin for row in rows if row.origin), ""):
        return f"its stems are estimates by {guess}, and no truth to measure against"
    return ""


def _sum(arrays: Sequence[Float32]) -> Float32:
    """The sum of arrays of one shape, rounded once."""
    if len(arrays) == 1:
        return arrays[0]
    return np.asarray(sum(array.astype(np.float64) for array in arrays), dtype=np.float32)
