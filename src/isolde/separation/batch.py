"""Many songs to stem files: one after the other, in several processes, or on several machines.

It separates nothing itself: `many` runs `separate_file` for every song. Whoever runs it, the files
are the same; a worker that is killed costs time only, since songs are written whole or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core import parallel as many
from isolde.core.atomic import exists_already
from isolde.core.errors import AudioError
from isolde.separation.files import Separated, separate_file
from isolde.separation.load import stems_of
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of

JOURNAL = "separate.journal.jsonl"


def separate_songs(
    songs: Sequence[Song],
    settings: FileSettings,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    report: Callable[[Song, Separated | None, str | None], None] | None = None,
) -> list[Separated | None]:
    """Separate songs side by side.

    Args:
        songs: with tracks that differ (see `check_batch`).
        settings: for all of them. Unless `threads` says otherwise, each of several processes gets
            one thread.
        jobs: processes; 0: one per core; 1: this one.
        scheduler: address of a Dask scheduler, see `many.run`; every machine must see the songs
            and the output folder by the same paths.
        resume: whether to keep a journal in the output folder, and to leave alone the songs that
            an earlier run with the same files and settings has finished.
        report: called in this process for each song as it is done, with what was written or with
            the error, in one line.

    Returns:
        for each song what was written, or None where it failed.

    Raises:
        InputError: a negative number of jobs, or a journal that is none.
        MissingExtraError: a scheduler is given and Dask is not installed.
        IsoldeError: the scheduler cannot be reached.
    """
    say = report or (lambda song, done, error: None)
    folder = (settings.output or Path()).absolute()
    if scheduler is not None:  # other machines have other current folders
        settings = replace(settings, output=folder)
        songs = [Song(song.path.absolute(), song.track) for song in songs]
    separation = settings.separation
    if separation.threads == 0 and (jobs != 1 or scheduler is not None):
        settings = replace(settings, separation=replace(separation, threads=1))
    by_track = {song.track: song for song in songs}
    stems = settings.chosen(stems_of(settings.separation.model))
    stamps = {
        track: many.stamp(
            song.path.absolute(),
            settings=replace(
                settings,
                output=folder,
                overwrite=False,
                separation=replace(separation, threads=0),
            ),
        )
        for track, song in by_track.items()
    }
    journal = folder / JOURNAL if resume else None
    items = {
        track: (
            str(song.path),
            track,
            None if settings.overwrite else _taken(song, settings, stems),
        )
        for track, song in by_track.items()
    }
    results: dict[str, Separated | None] = {}

    def done(outcome: many.Outcome) -> None:
        value = None if outcome.error else Separated.from_dict(outcome.value)
        if outcome.resumed and value is not None and not all(p.exists() for p in value.files):
            lost[outcome.key] = (*items[outcome.key][:2], None)
            return
        results[outcome.key] = value
        say(by_track[outcome.key], value, outcome.error)

    lost: dict[str, tuple[str, str, str | None]] = {}
    # what exists was looked at above: a song whose worker was killed may find its own first stem
    job = partial(_job, settings=replace(settings, overwrite=True))
    run = partial(many.run, job, workers=jobs, scheduler=scheduler, report=done)
    run(items, journal=journal, stamps=stamps)
    if lost:  # finished once, but someone took the stems away
        run(dict(lost))
    return [results[song.track] for song in songs]


def _taken(song: Song, settings: FileSettings, stems: Sequence[str]) -> str | None:
    """The first of a song's files that exists already."""
    paths = paths_of(song, settings, stems).values()
    return next((str(p) for p in paths if p.is_file() or (p.is_dir() and any(p.iterdir()))), None)


def _job(item: tuple[str, str, str | None], *, settings: FileSettings) -> dict[str, Any]:
    """One song, as a job: what comes back is what JSON can hold."""
    path, track, taken = item
    if taken is not None:
        raise AudioError(exists_already(taken))
    return separate_file(Song(Path(path), track), settings).to_dict()
