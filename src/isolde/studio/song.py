"""A song of the page: its name, how far it is, and what is kept of it; it separates nothing."""

import re
import secrets
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isolde.activity import Activity, Segment, SegmentRule, find_segments
from isolde.audio import CONTAINERS, AudioInfo, subtype_for
from isolde.audio.limits import check_target
from isolde.audio.stemfile import check_stem_file
from isolde.core.errors import InputError
from isolde.core.names import JOINERS, readable
from isolde.core.stage import Float32
from isolde.separation import SeparationSettings
from isolde.studio.picture import LevelColumns, PeakColumns, column_samples
from isolde.studio.spool import StemSpool

NAME_LENGTH = 200

WAITING, SEPARATING, READY, FAILED = "waiting", "separating", "ready", "failed"


class NoSuchSongError(InputError):
    """There is no song of that id in the session, or it was removed meanwhile."""


def display_name(name: str) -> str:
    """Clean a name that somebody gave, to be shown and to be suggested for a download.

    It is one line without control characters, separators of folders or quotes; it is never the
    name of a file on this computer.
    """
    last = re.split(r"[/\\]", readable(name))[-1]
    kept = (c for c in last if (c.isprintable() or c in JOINERS) and c not in '"<>|:*?')
    clean = "".join(kept).strip(" ." + JOINERS)
    return clean[:NAME_LENGTH] or "song"


@dataclass(eq=False)
class Song:
    """One song of one session.

    Attributes:
        id: Random; whoever knows it and belongs to the session may read the song.
        session: Session that brought it; "" for songs of the command line, which all may read.
        name: Name to be shown.
        source: The file that is read; it is deleted with the song if it lies in `folder`.
        folder: Folder of everything that is kept.
        info: What its reader says of the source.
        settings: How it is separated.
        stems: Names of the stems that the model gives, the residual last.
        state: WAITING, SEPARATING, READY or FAILED.
        error: Why it failed.
        n_samples: Per channel; None until somebody knows.
        elapsed: Seconds of work so far.
        warnings: One line each.
        version: Number that grows with every change.
        place: Place in the list of songs, which one that takes another's place has of it.
        replaces: Id of the song whose place it is to take; None: of no other.
        next: The song that took its place.
        sending: Files that are on their way to somebody, once for each.
        closed: Whether it was removed.
    """

    session: str
    name: str
    source: Path
    folder: Path
    info: AudioInfo
    settings: SeparationSettings
    stems: tuple[str, ...]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = WAITING
    error: str = ""
    n_samples: int | None = None
    elapsed: float = 0.0
    warnings: list[str] = field(default_factory=list)
    version: int = 0
    place: int = 0
    replaces: str | None = None
    next: "Song | None" = None
    spools: dict[str, StemSpool] = field(default_factory=dict)
    levels: dict[str, LevelColumns] = field(default_factory=dict)
    peaks: PeakColumns | None = None
    segments: list[Segment] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    sending: list[Path] = field(default_factory=list)
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    frame_seconds: float = 1.0
    _probabilities: list[Float32] = field(default_factory=list)

    @property
    def track(self) -> str:
        """The name without the suffix of a file."""
        return Path(self.name).stem or self.name

    @property
    def n_ready(self) -> int:
        """Samples per channel that every stem has."""
        return min((spool.n_samples for spool in self.spools.values()), default=0)

    @property
    def seconds(self) -> float | None:
        """Length: exact where `n_samples` is known, else as the file claims, else None."""
        if self.n_samples is not None:
            return self.n_samples / self.info.sample_rate
        return self.info.seconds

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio for each second of work."""
        return self.n_ready / self.info.sample_rate / self.elapsed if self.elapsed else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds of work that are left; None while nobody can say."""
        seconds, factor = self.seconds, self.real_time_factor
        if not seconds or not factor:
            return None
        return max(0.0, (seconds - self.n_ready / self.info.sample_rate) / factor)

    @property
    def share(self) -> float:
        """Share that is separated, 0 to 1."""
        ready = self.n_ready / self.info.sample_rate
        return min(1.0, ready / self.seconds) if self.seconds else 0.0

    @property
    def spans(self) -> list[list[float]]:
        """Start and end of each phrase so far, in seconds, and how surely it is sung."""
        return [[s.start, s.end, round(s.probability, 3)] for s in list(self.segments)]

    @property
    def formats(self) -> list[str]:
        """Formats of files that can hold it."""
        fitting = []
        for name, kind in CONTAINERS.items():
            try:
                check_target(
                    kind,
                    sample_rate=self.info.sample_rate,
                    n_channels=self.info.n_channels,
                    subtype=subtype_for(name, like=self.info),
                )
            except InputError:
                continue
            fitting.append(name)
        return fitting

    @property
    def fits_stem_file(self) -> bool:
        """Whether a stem file for DJs can hold it."""
        info = self.info
        try:
            check_stem_file(self.stems, sample_rate=info.sample_rate, n_channels=info.n_channels)
        except InputError:
            return False
        return True

    def hear(self, probabilities: Float32) -> None:
        """Append probabilities (n_frames,) that somebody sings."""
        self._probabilities.append(probabilities)

    def activity(self, rule: SegmentRule | None = None) -> Activity:
        """Say where somebody sings, as far as it is known.

        Args:
            rule: When singing starts and stops; None: the detector's own.
        """
        heard = np.concatenate([np.zeros(0, np.float32), *self._probabilities])
        seconds = self.n_ready / self.info.sample_rate
        if self.state == READY and self.seconds is not None:
            seconds = self.seconds
        segments = find_segments(heard, self.frame_seconds, seconds=seconds, rule=rule)
        return Activity(heard, self.frame_seconds, segments, seconds)

    def to_dict(self) -> dict[str, Any]:
        """Give the values as JSON types."""
        rate, left = self.info.sample_rate, self.seconds_left
        return {
            "id": self.id,
            "place": self.place,
            "replaces": self.replaces,
            "name": self.name,
            "title": self.info.tags.get("title") or self.track,
            "artist": self.info.tags.get("artist", ""),
            "state": self.state,
            "error": self.error,
            "model": self.settings.model,
            "strength": self.settings.strength,
            "stems": list(self.stems),
            "sample_rate": rate,
            "column_samples": column_samples(rate),
            "n_channels": self.info.n_channels,
            "container": self.info.container,
            "n_samples": self.n_samples,
            "n_ready": self.n_ready,
            "seconds": self.seconds,
            "ready_seconds": round(self.n_ready / rate, 3),
            "share": round(self.share, 4),
            "elapsed": round(self.elapsed, 3),
            "real_time_factor": round(self.real_time_factor, 2),
            "seconds_left": None if left is None else round(left, 1),
            "n_segments": len(self.segments),
            "segments": self.spans,
            "formats": self.formats,
            "stem_file": self.fits_stem_file,
            "warnings": self.warnings,
        }

    def close(self) -> None:
        """Let go of all files and delete what was kept, once nothing of it is being sent."""
        for kept in (*self.spools.values(), *self.levels.values(), self.peaks):
            if kept is not None:
                kept.close()
        self.closed = True
        if not self.sending:
            shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, path: Path) -> None:
        """Keep a file until it is `sent`.

        Raises:
            NoSuchSongError: When the song was removed.
        """
        self.sending.append(path)
        if self.closed:
            self.sent(path)
            raise NoSuchSongError("the song was removed meanwhile")

    def sent(self, path: Path) -> None:
        """Let go of a file of `sending`; of a closed song's the last one takes its folder along."""
        self.sending.remove(path)
        if self.closed and not self.sending:
            shutil.rmtree(self.folder, ignore_errors=True)
