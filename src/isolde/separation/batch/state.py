"""Find out from the output folder how far songs have come; only `settle` changes the journal."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from isolde.audio import info
from isolde.core import parallel
from isolde.core.errors import AudioError
from isolde.core.journal import Journal
from isolde.models.catalogue import names
from isolde.separation.batch.fitness import checksums_of, with_whole_path
from isolde.separation.batch.journals import open_journal
from isolde.separation.batch.shard import Shard
from isolde.separation.load import stems_of
from isolde.separation.remote import Listed, files_below, mark_of, shown
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of


class State(StrEnum):
    """State of a song."""

    DONE = "done"
    NOT_BEGUN = "not begun"
    BEGUN = "begun and not finished: it failed, or its run was stopped or goes on"
    REMOVED = "finished, but its stems are gone"
    CUT = "finished, but a stem is smaller than it was written"
    CHANGED = "its stems were made from another file or with other settings"
    UNREACHABLE = "the song cannot be reached"
    UNKNOWN = "stems exist that no run has finished, or that do not fit the song"


@dataclass(frozen=True)
class Checked:
    """A song and its state."""

    song: Song
    state: State


class Folder:
    """The local or remote output folder before the work."""

    def __init__(self, settings: FileSettings) -> None:
        """List a remote folder; a local one is read when needed.

        Args:
            settings: Settings with the output folder.

        Raises:
            AudioError: A remote folder cannot be listed.
        """
        self._listed: Mapping[str, Listed] | None = None
        if settings.remote is not None:
            self._listed = files_below(settings.remote) or {}

    def has(self, path: Path) -> bool:
        """Tell whether there is such a file, or a folder that is not empty.

        Args:
            path: Path of the file; in a remote folder, relative to it.
        """
        if self._listed is None:
            # not `Path.is_file`, which raises for a name that is too long: its song alone fails
            return os.path.isfile(path) or (os.path.isdir(path) and any(path.iterdir()))
        name = path.as_posix()
        return name in self._listed or any(other.startswith(f"{name}/") for other in self._listed)

    def cut(self, done: Separated) -> list[Path]:
        """List the files of a finished song that are smaller than they were written.

        A larger file has got tags or a cover since then, and is whole.

        Args:
            done: Result in a journal; its files exist.
        """
        return [path for path, size in done.sizes.items() if self._size(path, size) < size]

    def _size(self, path: Path, otherwise: int) -> int:
        """Size of a file in bytes, or `otherwise` if a store does not tell it."""
        if self._listed is None:
            return path.stat().st_size
        told = self._listed.get(path.as_posix())
        return otherwise if told is None or told.n_bytes is None else told.n_bytes

    def existing(self, song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
        """Find the existing stems of a song.

        Args:
            song: Song.
            settings: Settings of its separation.
            stems: Names of the stems.
        """
        return {s: p for s, p in paths_of(song, settings, stems).items() if self.has(p)}


def weights_of(settings: FileSettings) -> tuple[str, ...]:
    """Give checksums that change when an added model does; shipped models have none.

    Args:
        settings: Settings with the model.

    Raises:
        ModelError: There is no such model.
    """
    model = settings.separation.model
    return () if model in names() else checksums_of(model)


def stamp_of(song: Song, settings: FileSettings, weights: tuple[str, ...] = ()) -> str:
    """Make a text that changes when the song or a setting does that decides what is written.

    Threads and whether files may be replaced do not count.

    Args:
        song: Song.
        settings: Settings of its separation.
        weights: Checksums of `weights_of`.

    Raises:
        AudioError: A remote song cannot be reached.
    """
    all_songs = replace(
        settings,
        output=None if settings.remote else Path(os.path.realpath(settings.output or "")),
        remote=None if settings.remote is None else shown(settings.remote),
        overwrite=False,
        separation=replace(settings.separation, threads=0),
    )
    what = (all_songs, weights) if weights else all_songs
    if song.url:
        mark = song.mark or mark_of(song.url)
        return parallel.stamp(settings=(what, shown(song.url), mark))
    return parallel.stamp(os.path.realpath(song.path), settings=what)


def settle(
    blocked: Mapping[str, Song],
    settings: FileSettings,
    stems: Sequence[str],
    folder: Folder,
    journal: Journal,
    stamps: Mapping[str, str],
) -> set[str]:
    """Decide before a resumed run which songs with existing stems may be separated.

    Stems of a song that an earlier run had begun belong to that run, and may be replaced: it was
    stopped before it could note the song as finished. A song without any line in the journal was
    separated without one: if all its stems exist, are as long as the song and not older, the
    journal notes it as finished.

    Args:
        blocked: Songs with existing stems, by track.
        settings: Settings of their separation.
        stems: Names of the stems.
        folder: Output folder.
        journal: Journal of the run.
        stamps: Stamp of each song.

    Returns:
        Tracks of the songs whose stems may be replaced or are finished.
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
    """Find the state of songs from all journals of the output folder and its files.

    Args:
        songs: Songs with different tracks.
        settings: Settings of the run.
        shard: Share of the songs; None for all.

    Returns:
        The songs of the share, in order.

    Raises:
        InputError: A journal of the folder is damaged.
    """
    settings = with_whole_path(settings)
    stems = settings.chosen(stems_of(settings.separation.model))
    songs = [song for song in songs if shard is None or shard.holds(song.track)]
    stamps, weights = dict[str, str](), weights_of(settings)
    for song in songs:
        with suppress(AudioError):  # a remote song that cannot be reached
            stamps[song.track] = stamp_of(song, settings, weights)
    with open_journal(settings, None) as journal:
        done = journal.finished(stamps)
    folder = Folder(settings)

    def state(song: Song) -> State:
        if song.track not in stamps or not (song.url or os.path.exists(song.path)):
            return State.UNREACHABLE
        last = journal.last_value(song.track)
        kept = None if last is None else Separated.from_dict(last)
        if song.track in done and kept is not None:
            kept = kept.with_paths(song, paths_of(song, settings, stems))
        is_there = kept is not None and all(map(folder.has, kept.files))
        if song.track in done and kept is not None:
            if is_there:
                return State.CUT if folder.cut(kept) else State.DONE
            return State.REMOVED
        if journal.has_begun(song.track, stamps[song.track]):
            return State.BEGUN
        if is_there:
            return State.CHANGED
        if not journal.knows(song.track) and is_complete(song, settings, stems):
            return State.DONE
        return State.UNKNOWN if folder.existing(song, settings, stems) else State.NOT_BEGUN

    return [Checked(song, state(song)) for song in songs]


def is_complete(song: Song, settings: FileSettings, stems: Sequence[str]) -> bool:
    """Tell whether all stems of a song exist, are not older than it, and as long.

    Lengths are those that the files claim, to a tenth of a second. Remote songs and stems are not
    read, and count as incomplete.

    Args:
        song: Song.
        settings: Settings of its separation.
        stems: Names of the stems.
    """
    if song.url or settings.remote is not None:
        return False
    paths = paths_of(song, settings, stems)
    if settings.phrases or settings.preview or not all(map(os.path.isfile, paths.values())):
        return False
    try:
        source = info(song.path)
        if any(path.stat().st_mtime < song.path.stat().st_mtime for path in paths.values()):
            return False
        stored = [info(path) for path in paths.values()]
    except (AudioError, OSError):
        return False
    if (whole := source.seconds) is None:
        return False
    seconds = min(whole, whole if settings.end is None else settings.end) - settings.start
    return all(s.seconds is not None and abs(s.seconds - seconds) < 0.1 for s in stored)


def taken_over(song: Song, settings: FileSettings, paths: dict[str, Path], note: str) -> Separated:
    """Describe existing stems, which are not written again.

    Args:
        song: Song.
        settings: Settings with the output folder.
        paths: Path of each stem.
        note: Line for the user.
    """
    first = next(iter(paths.values()))
    try:
        about = info(first) if settings.remote is None and os.path.isfile(first) else None
    except AudioError:
        about = None
    seconds = (about.seconds or 0.0) if about else 0.0
    notes = [f"{song.track}: {note}"]
    return Separated(song, paths, seconds, 0.0, notes, remote=settings.remote or "")
