"""A song of the page: its name, its progress and its files; it separates nothing."""

import re
import secrets
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.activity import Activity, Segment, find_segments
from isolde.audio import CONTAINERS, AudioInfo, subtype_for
from isolde.audio.limits import check_target
from isolde.audio.stemfile import check_stem_file
from isolde.core.errors import InputError
from isolde.core.names import JOINERS, readable
from isolde.core.stage import Float32
from isolde.separation import SeparationSettings
from isolde.studio.picture import LevelColumns, PeakColumns
from isolde.studio.spool import StemSpool

NAME_LENGTH = 200

WAITING, SEPARATING, READY, FAILED = "waiting", "separating", "ready", "failed"


class NoSuchSongError(InputError):
    """There is no song of that id in the session, or it was removed."""


def display_name(name: str) -> str:
    """Clean a name that a client sent, to show it and to suggest it for downloads.

    The result is one line without control characters, path separators or quotes. It is never used
    as the path of a file.
    """
    last = re.split(r"[/\\]", readable(name))[-1]
    kept = (c for c in last if (c.isprintable() or c in JOINERS) and c not in '"<>|:*?')
    clean = "".join(kept).strip(" ." + JOINERS)
    return clean[:NAME_LENGTH] or "song"


@dataclass(eq=False)
class Song:
    """One song of one session.

    Attributes:
        session: Session that added it; "" for songs of the command line, which all may read.
        name: Name to show.
        source: File that is read; it is deleted with the song if it lies in `folder`.
        folder: Folder of all its files.
        info: Format and tags of the source.
        settings: How it is separated.
        stems: Names of the stems that the model gives, the residual last.
        id: Random name, by which sessions that may read the song ask for it.
        state: WAITING, SEPARATING, READY or FAILED.
        error: Reason of a failure.
        n_samples: Number of samples per channel; None while it is unknown.
        elapsed: Seconds of computation so far.
        warnings: Warnings, one line each.
        version: Number that grows with every change.
        place: Place in the list of songs; a replacement has the place of the other song.
        replaces: Id of the song whose place it will take; None for none.
        next: Song that took its place.
        spools: Samples of each stem.
        levels: Spectrograms of mixture and vocals.
        peaks: Peaks of mixture and vocals.
        segments: Phrases so far.
        files: Files made for downloads.
        held: Files that are being sent, once per download.
        closed: Whether it was removed.
        lock: Held while a block is separated and while files are made or deleted.
        frame_seconds: Seconds from one probability to the next.
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
    held: list[Path] = field(default_factory=list)
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
        """Number of samples per channel that every stem has."""
        return min((spool.n_samples for spool in self.spools.values()), default=0)

    @property
    def seconds(self) -> float | None:
        """Length: exact if `n_samples` is known, else as the file declares it, else None."""
        if self.n_samples is not None:
            return self.n_samples / self.info.sample_rate
        return self.info.seconds

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of computation."""
        return self.n_ready / self.info.sample_rate / self.elapsed if self.elapsed else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Remaining seconds of computation; None while they cannot be estimated."""
        seconds, factor = self.seconds, self.real_time_factor
        if not seconds or not factor:
            return None
        return max(0.0, (seconds - self.n_ready / self.info.sample_rate) / factor)

    @property
    def share(self) -> float:
        """Share of the song that is separated, 0 to 1."""
        ready = self.n_ready / self.info.sample_rate
        return min(1.0, ready / self.seconds) if self.seconds else 0.0

    @property
    def spans(self) -> list[list[float]]:
        """Start and end of each phrase so far in seconds, and its probability."""
        return [[s.start, s.end, round(s.probability, 3)] for s in list(self.segments)]

    @property
    def formats(self) -> list[str]:
        """Formats that can hold its stems."""
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
        """Whether a stem file for DJs can hold its stems."""
        info = self.info
        try:
            check_stem_file(self.stems, sample_rate=info.sample_rate, n_channels=info.n_channels)
        except InputError:
            return False
        return True

    def add_probabilities(self, probabilities: Float32) -> None:
        """Append probabilities (n_frames,) that somebody sings."""
        self._probabilities.append(probabilities)

    def activity(self) -> Activity:
        """Return where somebody sings, as far as the song is separated."""
        found = np.concatenate([np.zeros(0, np.float32), *self._probabilities])
        seconds = self.n_ready / self.info.sample_rate
        if self.state == READY and self.seconds is not None:
            seconds = self.seconds
        segments = find_segments(found, self.frame_seconds, seconds=seconds)
        return Activity(found, self.frame_seconds, segments, seconds)

    def close(self) -> None:
        """Close all files and delete them; those that are being sent are deleted afterwards."""
        for kept in (*self.spools.values(), *self.levels.values(), self.peaks):
            if kept is not None:
                kept.close()
        self.closed = True
        if not self.held:
            shutil.rmtree(self.folder, ignore_errors=True)

    def hold(self, path: Path) -> None:
        """Keep a file on the disk until `release`.

        Raises:
            NoSuchSongError: The song was removed.
        """
        self.held.append(path)
        if self.closed:
            self.release(path)
            raise NoSuchSongError("the song was removed meanwhile")

    def release(self, path: Path) -> None:
        """Release a held file; the last one of a removed song is deleted with the folder."""
        self.held.remove(path)
        if self.closed and not self.held:
            shutil.rmtree(self.folder, ignore_errors=True)
