"""What the separation of a song has written, for people and for journals; it opens no file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isolde.activity import Phrase
from isolde.core.stems import VOCALS
from isolde.separation.remote import below, is_url, path_in, shown
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
    """

    song: Song
    paths: dict[str, Path]
    seconds: float
    elapsed: float
    warnings: list[str] = field(default_factory=list)
    phrases: list[Phrase] | None = None
    remote: str = ""

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
        return below(shown(self.remote), path.as_posix()) if self.remote else str(path)

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
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Separated":
        """Rebuild from what `to_dict` told."""
        source, remote = values["source"], values.get("remote", "")
        song = Song(Path(source), values["track"])
        if is_url(source):
            song = Song(Path(path_in(source)), values["track"], url=source)

        def path(place: str) -> Path:
            return Path(place.removeprefix(remote.rstrip("/") + "/") if remote else place)

        phrases = None
        if values.get("phrases") is not None:
            phrases = [Phrase(path(p["path"]), p["start"], p["end"]) for p in values["phrases"]]
        return cls(
            song,
            {stem: path(place) for stem, place in values["paths"].items()},
            values["seconds"],
            values["elapsed"],
            values["warnings"],
            phrases,
            remote,
        )
