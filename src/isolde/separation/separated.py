"""Describe the files of a separated song, for users and journals; it opens no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isolde.activity import Phrase
from isolde.core.config import build
from isolde.core.stems import VOCALS
from isolde.separation.remote import is_url, path_in, place_of, shown
from isolde.separation.songs import Song


@dataclass(frozen=True)
class Separated:
    """The result of the separation of a song.

    Attributes:
        song: Song.
        paths: Path of the file of each stem; of phrases, their folder.
        seconds: Duration of the audio in seconds.
        elapsed: Duration of the work in seconds.
        warnings: Warnings, one line each.
        phrases: Phrases of the vocals, in order; None if they were not cut.
        remote: URL of the remote folder of all paths; empty for paths of this machine.
        sizes: Size of each file in bytes, as it was written; empty if it is unknown.
    """

    song: Song
    paths: dict[str, Path]
    seconds: float
    elapsed: float
    warnings: list[str] = field(default_factory=list)
    phrases: list[Phrase] | None = None
    remote: str = ""
    sizes: dict[Path, int] = field(default_factory=dict)

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of work."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    @property
    def files(self) -> list[Path]:
        """Paths of all files, in the order of the stems."""
        whole = {stem: [path] for stem, path in self.paths.items()}
        if self.phrases is not None:
            whole[VOCALS] = [phrase.path for phrase in self.phrases]
        return list(dict.fromkeys(path for paths in whole.values() for path in paths))

    def place(self, path: Path) -> str:
        """Give the path or URL of a file, for messages."""
        return place_of(path, self.remote)

    def with_paths(self, song: Song, paths: Mapping[str, Path]) -> "Separated":
        """Name the song and its files by other paths: those of a journal may be relative.

        Args:
            song: Song.
            paths: Path of each stem, also of those that existed before and were skipped.
        """
        own, phrases = {s: paths.get(s, p) for s, p in self.paths.items()}, self.phrases
        if phrases is not None:
            phrases = [Phrase(own[VOCALS] / p.path.name, p.start, p.end) for p in phrases]
        new = replace(self, song=song, paths=own, phrases=phrases)
        pairs = zip(self.files, new.files, strict=True)
        sizes = {b: self.sizes[a] for a, b in pairs if a in self.sizes}
        return replace(new, paths={**own, **paths}, sizes=sizes)

    def to_dict(self) -> dict[str, Any]:
        """Give the values as JSON types."""
        values: dict[str, Any] = {
            "source": self.song.source,
            "track": self.song.track,
            "paths": {stem: self.place(path) for stem, path in self.paths.items()},
            "seconds": round(self.seconds, 6),
            "elapsed": round(self.elapsed, 3),
            "real_time_factor": round(self.real_time_factor, 2),
            "warnings": self.warnings,
        }
        if self.phrases is not None:
            values["phrases"] = [
                {"path": self.place(p.path), "start": round(p.start, 6), "end": round(p.end, 6)}
                for p in self.phrases
            ]
        if self.remote:
            values["remote"] = shown(self.remote)
        if self.sizes:
            values["bytes"] = {self.place(path): size for path, size in self.sizes.items()}
        return values

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Separated":
        """Rebuild the result from the values of `to_dict`.

        Raises:
            InputError: They are not those of a separated song.
        """
        told = build(_Values, data, where="a song in the journal")
        song = Song(Path(told.source), told.track)
        if is_url(told.source):
            song = Song(Path(path_in(told.source)), told.track, url=told.source)
        prefix = f"{told.remote.rstrip('/')}/" if told.remote else ""

        def path(place: str) -> Path:
            return Path(place.removeprefix(prefix))

        phrases = None
        if told.phrases is not None:
            phrases = [Phrase(path(p.path), p.start, p.end) for p in told.phrases]
        paths = {stem: path(place) for stem, place in told.paths.items()}
        sizes = {path(place): size for place, size in told.bytes.items()}
        return cls(
            song, paths, told.seconds, told.elapsed, told.warnings, phrases, told.remote, sizes
        )


@dataclass(frozen=True)
class _PhraseValues:
    """JSON values of a phrase."""

    path: str
    start: float
    end: float


@dataclass(frozen=True)
class _Values:
    """JSON values of a separated song, see `Separated`."""

    source: str
    track: str
    paths: dict[str, str]
    seconds: float
    elapsed: float
    warnings: list[str]
    real_time_factor: float = 0.0
    phrases: list[_PhraseValues] | None = None
    remote: str = ""
    bytes: dict[str, int] = field(default_factory=dict)
