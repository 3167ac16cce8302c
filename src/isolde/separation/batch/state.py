"""What an output folder says of songs, before anything is done: finished, begun, in the way.

It changes nothing but the journal, and that only where `settle` is asked to.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from isolde.audio import info
from isolde.core import parallel
from isolde.core.errors import AudioError
from isolde.core.journal import Journal
from isolde.separation.batch.journals import open_journal
from isolde.separation.batch.shard import Shard
from isolde.separation.load import stems_of
from isolde.separation.remote import files_below, mark_of, shown
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of


class State(StrEnum):
    """How far a song has come, as a check says it."""

    DONE = "done"
    NOT_BEGUN = "not begun"
    BEGUN = "begun and not finished"
    REMOVED = "finished, but its stems are gone"
    CHANGED = "its stems were made from another file or with other settings"
    UNREACHABLE = "the song cannot be reached"
    UNKNOWN = "stems exist that no journal names, and that do not fit the song"


@dataclass(frozen=True)
class Checked:
    """A song and how far it has come."""

    song: Song
    state: State


class Folder:
    """The output folder as it is before anything is done, here or far away."""

    def __init__(self, settings: FileSettings) -> None:
        """Look at it.

        Args:
            settings: Settings with the output folder.

        Raises:
            AudioError: A remote folder cannot be listed.
        """
        self._names: set[str] | None = None
        if settings.remote is not None:
            self._names = set(files_below(settings.remote) or ())

    def has(self, path: Path) -> bool:
        """Tell whether there is such a file, or a folder that holds something.

        Args:
            path: Path of the file; in a remote folder, below it.
        """
        if self._names is None:
            return path.is_file() or (path.is_dir() and any(path.iterdir()))
        name = path.as_posix()
        return name in self._names or any(other.startswith(f"{name}/") for other in self._names)

    def existing(self, song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
        """Find the stems of a song that are there.

        Args:
            song: Song.
            settings: Settings of its separation.
            stems: Names of the stems.
        """
        return {s: p for s, p in paths_of(song, settings, stems).items() if self.has(p)}


def stamp_of(song: Song, settings: FileSettings) -> str:
    """Stamp what decides the sound of a song's stems: neither threads nor what may be replaced.

    Args:
        song: Song.
        settings: Settings of its separation.

    Raises:
        AudioError: A remote song cannot be reached.
    """
    what = replace(
        settings,
        output=(settings.output or Path()).absolute() if settings.remote is None else None,
        remote=None if settings.remote is None else shown(settings.remote),
        overwrite=False,
        separation=replace(settings.separation, threads=0),
    )
    if song.url:
        mark = song.mark or mark_of(song.url)
        return parallel.stamp(settings=(what, shown(song.url), mark))
    return parallel.stamp(song.path.absolute(), settings=what)


def settle(
    blocked: Mapping[str, Song],
    settings: FileSettings,
    stems: Sequence[str],
    folder: Folder,
    journal: Journal,
    stamps: Mapping[str, str],
) -> set[str]:
    """Decide, before a resumed run, which songs may be separated although stems of them exist.

    Stems of a song that an earlier run had begun are that run's, and may be replaced: it was
    stopped between them, or before the journal's line. A song that no line names was separated
    without a journal: its stems count if they are all there, as long as the song and not older; the
    journal then says that it is finished.

    Args:
        blocked: Songs of which stems exist, by track.
        settings: Settings of their separation.
        stems: Names of the stems.
        folder: Output folder.
        journal: Journal of the run.
        stamps: Stamp of each song.

    Returns:
        Tracks of the songs whose stems may be replaced or count as finished.
    """
    free = set()
    for track, song in blocked.items():
        if journal.has_begun(track, stamps[track]):
            free.add(track)
        elif not journal.knows(track) and is_complete(song, settings, stems):
            there = folder.existing(song, settings, stems)
            note = "was separated by a run without --resume: taken as done, settings unknown"
            journal.finish(track, stamps[track], taken_over(song, settings, there, note).to_dict())
            free.add(track)
    return free


def check_songs(
    songs: Sequence[Song], settings: FileSettings, *, shard: Shard | None = None
) -> list[Checked]:
    """Say how far songs have come, by all journals of the output folder and its files.

    Args:
        songs: Songs with tracks that differ.
        settings: Settings of the run in question.
        shard: Share of the songs; None for all.

    Returns:
        The songs of the share, in order.

    Raises:
        InputError: A journal of the folder is damaged.
    """
    stems = settings.chosen(stems_of(settings.separation.model))
    songs = [song for song in songs if shard is None or shard.holds(song.track)]
    stamps: dict[str, str] = {}
    for song in songs:
        with suppress(AudioError):  # a remote song that cannot be reached
            stamps[song.track] = stamp_of(song, settings)
    with open_journal(settings, None) as journal:
        done = journal.finished(stamps)
    folder = Folder(settings)

    def state(song: Song) -> State:
        if song.track not in stamps:
            return State.UNREACHABLE
        if song.track in done:
            files = Separated.from_dict(done[song.track]).files
            return State.DONE if all(map(folder.has, files)) else State.REMOVED
        if journal.has_begun(song.track, stamps[song.track]):
            return State.BEGUN
        if journal.knows(song.track):
            return State.CHANGED
        if is_complete(song, settings, stems):
            return State.DONE
        return State.UNKNOWN if folder.existing(song, settings, stems) else State.NOT_BEGUN

    return [Checked(song, state(song)) for song in songs]


def is_complete(song: Song, settings: FileSettings, stems: Sequence[str]) -> bool:
    """Tell whether all stems of a song are there, not older than it, and of its rate and length.

    Of remote songs and stems nobody looks so closely: they are not.

    Args:
        song: Song.
        settings: Settings of its separation.
        stems: Names of the stems.
    """
    if song.url or settings.remote is not None:
        return False
    paths = paths_of(song, settings, stems)
    if settings.phrases or settings.preview or not all(path.is_file() for path in paths.values()):
        return False
    try:
        source = info(song.path)
        if any(path.stat().st_mtime < song.path.stat().st_mtime for path in paths.values()):
            return False
        stored = [info(path) for path in paths.values()]
    except (AudioError, OSError):
        return False
    if source.n_samples is None:
        return False
    whole = source.n_samples / source.sample_rate
    seconds = min(whole, whole if settings.end is None else settings.end) - settings.start
    return all(
        s.n_samples is not None and abs(s.n_samples / s.sample_rate - seconds) < 0.1 for s in stored
    )


def taken_over(song: Song, settings: FileSettings, paths: dict[str, Path], note: str) -> Separated:
    """Describe stems that are not written now.

    Args:
        song: Song.
        settings: Settings with the output folder.
        paths: Path of each stem.
        note: What a user should know.
    """
    first = next(iter(paths.values()))
    try:
        about = info(first) if settings.remote is None and first.is_file() else None
    except AudioError:
        about = None
    n_samples = about.n_samples if about and about.n_samples else 0
    seconds = n_samples / about.sample_rate if about else 0.0
    notes = [f"{song.track}: {note}"]
    return Separated(song, paths, seconds, 0.0, notes, remote=settings.remote or "")
