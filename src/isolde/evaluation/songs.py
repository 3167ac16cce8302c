"""Songs with known stems, found in a folder or a manifest and loaded one at a time.

Knows the musdb layout `{track}/{stem}.{wav,flac,ogg,...}`, below any number of split folders, and
manifests of JSON lines. Never resamples, never changes a level.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.audio import read
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32
from isolde.datasets.cache import PARTS as PARTS  # those scored on their own where a song has them

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
MIXTURE = "mixture"
VOCALS = "vocals"
ACCOMPANIMENT = "accompaniment"


@dataclass(frozen=True)
class Stems:
    """A loaded song, every array float32 (n_channels, n_samples); mixture = vocals + accompaniment.

    Where a folder brings its own mixture that is not that sum (a limiter on the mix), the mixture
    is the file's and the accompaniment is the sum of the other stems. `parts` are those of `PARTS`
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
    """A song whose stems are known; holds paths only, so it is cheap to send to a worker.

    Attributes:
        track: unique name within the data set.
        artist: who it is by; songs of one artist belong on the same side of any split.
        files: stem name -> path; "mixture" may be among them.
    """

    track: str
    artist: str
    files: Mapping[str, Path] = field(hash=False)

    def load(self) -> Stems:
        """Read the stems.

        Raises:
            AudioError: a file cannot be read, or rates, channels or lengths of the stems differ.
        """
        arrays: dict[str, Float32] = {}
        rates = set()
        for stem, path in self.files.items():
            arrays[stem], rate = read(path)
            rates.add(rate)
        shapes = {array.shape for array in arrays.values()}
        if len(rates) != 1 or len(shapes) != 1:
            raise AudioError(
                f"'{self.track}': stems differ in rate or shape, {sorted(rates)} Hz, "
                f"{sorted(shapes)}: bring them to one rate, channel count and length"
            )
        mixture = arrays.pop(MIXTURE, None)
        vocals = arrays.pop(VOCALS)
        if arrays:
            rest = sum(array.astype(np.float64) for array in arrays.values())
            accompaniment = np.asarray(rest, dtype=np.float32)
        else:
            assert mixture is not None  # `_song` lets no song without both through
            accompaniment = mixture - vocals
        if mixture is None:
            mixture = vocals + accompaniment
        parts = {name: arrays[name] for name in PARTS if name in arrays and len(arrays) > 1}
        return Stems(mixture, vocals, accompaniment, rates.pop(), parts)


def find_songs(data: str | Path, *, limit: int | None = None) -> list[Song]:
    """Find the songs of a folder (musdb layout, recursive) or of a manifest, sorted by track.

    A manifest is a text file of JSON lines, {"track": ..., "artist": ..., "stems": {stem: path}},
    paths relative to the manifest; "mixture" may be one of the stems.

    Args:
        data: folder or manifest.
        limit: at most so many songs, spread evenly over the sorted list so that artists vary.

    Raises:
        InputError: nothing there, no song in it, or a manifest line that is not understood.
    """
    root = Path(data)
    if root.is_dir():
        songs = _from_folder(root)
    elif root.is_file():
        songs = _from_manifest(root)
    else:
        raise InputError(f"no data at '{root}': give a folder of songs or a manifest")
    if not songs:
        raise InputError(f"no songs in '{root}': expected {{track}}/vocals.wav and other stems")
    songs.sort(key=lambda song: song.track)
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: expected at least 1 song")
    if limit is not None and limit < len(songs):
        songs = [songs[i * len(songs) // limit] for i in range(limit)]
    return songs


def artist_of(track: str) -> str:
    """The part of "Artist - Title" before the dash; the whole name where there is none."""
    return track.split(" - ", 1)[0].strip()


def _song(track: str, artist: str, files: Mapping[str, Path]) -> Song:
    if VOCALS not in files or len(files) < 2:
        raise InputError(
            f"'{track}' has the stems {sorted(files)}: needs vocals and at least one other file"
        )
    return Song(track, artist, dict(sorted(files.items())))


def _from_folder(root: Path) -> list[Song]:
    songs = []
    for vocals in sorted(root.rglob(f"{VOCALS}.*")):
        folder = vocals.parent
        if vocals.suffix.lower() not in SUFFIXES:
            continue
        files = {
            path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES
        }
        relative = folder.relative_to(root)
        track = relative.as_posix() if relative.parts else folder.resolve().name
        songs.append(_song(track, artist_of(folder.resolve().name), files))
    return songs


def _from_manifest(path: Path) -> list[Song]:
    songs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            track = str(entry["track"])
            files = {str(stem): path.parent / file for stem, file in entry["stems"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"'{path}' line {number} is not a song ({error!r}): "
                'expected {"track": ..., "stems": {"vocals": path, ...}}'
            ) from error
        songs.append(_song(track, str(entry.get("artist", artist_of(track))), files))
    return songs
