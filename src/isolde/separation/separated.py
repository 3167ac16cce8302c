"""What the separation of a song has written, for people and for journals; it opens no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isolde.activity import Phrase
from isolde.core.config import build
from isolde.core.stems import VOCALS
from isolde.separation.remote import is_url, path_in, place_of, shown
from isolde.separation.songs import Song


@dataclass(frozen=True)
class Separated:
    """What was written.

    Attributes:
        song: The source.
        paths: The file of each stem; of phrases, their folder.
        seconds: Seconds of audio.
        elapsed: Seconds that it took.
        warnings: One line each.
        phrases: Phrases of the vocals, in order; None when they were not cut.
        remote: URL of the remote folder that all paths are below; empty for paths of this machine.
        sizes: Size of each of the files in bytes, as it was written; empty where nobody looked.
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
        """Seconds of audio for each second of work."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    @property
    def files(self) -> list[Path]:
        """Every file that was written, in the order of the stems."""
        whole = {stem: [path] for stem, path in self.paths.items()}
        if self.phrases is not None:
            whole[VOCALS] = [phrase.path for phrase in self.phrases]
        return list(dict.fromkeys(path for paths in whole.values() for path in paths))

    def place(self, path: Path) -> str:
        """Say where one of the files is, for people: its path or URL."""
        return place_of(path, self.remote)

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
    def from_dict(cls, values: Mapping[str, Any]) -> "Separated":
        """Rebuild from what `to_dict` told.

        Raises:
            InputError: These are not the values of a separated song.
        """
        told = build(_Told, values, where="a song in the journal")
        song = Song(Path(told.source), told.track)
        if is_url(told.source):
            song = Song(Path(path_in(told.source)), told.track, url=told.source)

        def path(place: str) -> Path:
            return Path(place.removeprefix(told.remote.rstrip("/") + "/") if told.remote else place)

        phrases = None
        if told.phrases is not None:
            phrases = [Phrase(path(p.path), p.start, p.end) for p in told.phrases]
        paths = {stem: path(place) for stem, place in told.paths.items()}
        sizes = {path(place): size for place, size in told.bytes.items()}
        return cls(
            song, paths, told.seconds, told.elapsed, told.warnings, phrases, told.remote, sizes
        )


@dataclass(frozen=True)
class _ToldPhrase:
    """A phrase as it is told: where it is, as text."""

    path: str
    start: float
    end: float


@dataclass(frozen=True)
class _Told:
    """A separated song as it is told, see `Separated`."""

    source: str
    track: str
    paths: dict[str, str]
    seconds: float
    elapsed: float
    warnings: list[str]
    real_time_factor: float = 0.0
    phrases: list[_ToldPhrase] | None = None
    remote: str = ""
    bytes: dict[str, int] = field(default_factory=dict)
