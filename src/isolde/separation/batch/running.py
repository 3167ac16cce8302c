"""Separate many songs: one by one, in several processes, or on several machines.

`parallel` runs the separation of each song, and the files are the same wherever it runs. A killed
worker costs only time: files are written whole or not at all, and a journal tells whose they are.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core import parallel
from isolde.core.errors import AudioError, InputError
from isolde.core.stems import VOCALS
from isolde.separation.batch.fitness import Fitness, with_whole_path
from isolde.separation.batch.journals import open_journal
from isolde.separation.batch.shard import Shard
from isolde.separation.batch.staging import separate_staged
from isolde.separation.batch.state import Folder, settle, stamp_of, taken_over, weights_of
from isolde.separation.load import stems_of
from isolde.separation.remote import place_of
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of

MEMORY = 700 << 20
"""Bytes of memory for each process: the peaks of the shipped models are 230 to 480 MB."""

_REMEDIES = (
    "replace it with --overwrite, leave it with --skip-existing, or choose another folder with -o"
)
_CUT = "is smaller than it was written: remove it, or replace it with --overwrite"
Report = Callable[[Song, Separated | None, str | None], None]
Progress = Callable[[Song, float], None]
_Item = tuple[Song, tuple[str, ...]]  # and its stems


def separate_songs(
    songs: Sequence[Song],
    settings: FileSettings,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    skip_existing: bool = False,
    shard: Shard | None = None,
    timeout: float | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[Separated | None]:
    """Separate songs in parallel.

    Args:
        songs: Songs with different tracks (see `check_batch`).
        settings: Settings for all of them. With `threads=0` each of several processes has one
            thread.
        jobs: Number of processes: 0 for one per core, if memory suffices; 1 for this process, and
            with a scheduler.
        scheduler: Address of a Dask scheduler, see `parallel.run`; every machine must have songs
            and output folder at the same paths, unless they are remote.
        resume: Whether to keep a journal in the output folder, and to skip songs that an earlier
            run with the same files and settings has finished. Stems that such a run was writing
            when it was stopped are written again; complete stems of a song that is not in the
            journal count as finished. Without a shard, the journals of shards are merged into
            this one.
        skip_existing: Whether existing stems are kept, whatever made them, and only the others are
            written.
        shard: Share of the songs to separate, always with its own journal; None for all songs.
        timeout: Seconds after which a song is given up; None for no limit.
        report: Function called in this process for each song when it is done, with the result or
            with an error of one line.
        progress: Function called with a song and the share of it that is done, in [0, 1], if the
            songs are separated on this machine.
        notify: Function called with lines that the user should see at once.

    Returns:
        The result for each song of the share, or None if it failed.

    Raises:
        InputError: The number of jobs is negative, or given with a scheduler; the time is not
            above 0, the journal is not one, or existing files are to be both replaced and skipped.
        MissingExtraError: A scheduler is given and Dask is not installed.
        IsoldeError: The scheduler cannot be reached or has ended, or one of its workers has another
            version or another model.
    """
    if settings.overwrite and skip_existing:
        raise InputError("--overwrite replaces what --skip-existing leaves: give one of them")
    if scheduler is not None and jobs != 1:
        raise InputError(f"--jobs {jobs} is of this machine: with --scheduler its workers count")
    tell = report or (lambda song, done, error: None)
    settings = with_whole_path(settings)
    if scheduler is not None:  # other machines have other current folders
        if settings.remote is None:
            settings = replace(settings, output=(settings.output or Path()).absolute())
        songs = [song if song.url else replace(song, path=song.path.absolute()) for song in songs]
    by_track = {song.track: song for song in songs if shard is None or shard.holds(song.track)}
    stems = settings.chosen(stems_of(settings.separation.model))
    folder = Folder(settings)
    results: dict[str, Separated | None] = {}

    def take(song: Song, done: Separated | None, error: str | None) -> None:
        results[song.track] = done
        tell(song, done, None if error is None else song.blame(error))

    items: dict[str, _Item] = {}
    stamps, weights = dict[str, str](), weights_of(settings)
    blocked: dict[str, Song] = {}
    for track, song in by_track.items():
        there = folder.existing(song, settings, stems)
        left = tuple(stem for stem in stems if stem not in there)
        if skip_existing and not left:
            take(song, taken_over(song, settings, there, "exists already: skipped"), None)
            continue
        try:
            stamps[track] = stamp_of(song, settings, weights)
        except AudioError as error:
            take(song, None, str(error))
            continue
        items[track] = (song, left if skip_existing else stems)
        if there and not skip_existing and not settings.overwrite:
            blocked[track] = song
    lost: dict[str, _Item] = {}

    def done(outcome: parallel.Outcome) -> None:
        song = by_track[outcome.key]
        value = None if outcome.error else Separated.from_dict(outcome.value)
        if outcome.resumed and value is not None:
            value = value.with_paths(song, paths_of(song, settings, stems))
            if not all(map(folder.has, value.files)):
                lost[outcome.key] = items[outcome.key]
                return
            if cut := folder.cut(value):
                if settings.overwrite:
                    lost[outcome.key] = items[outcome.key]
                else:
                    take(song, None, f"{value.place(cut[0])}: {_CUT}")
                return
        if value is not None and outcome.tries > 1:
            note = f"{song.source}: its worker died; it was done at try {outcome.tries}"
            value = replace(value, warnings=[*value.warnings, note])
        take(song, value, outcome.error)

    def advance(track: str, share: float) -> None:
        if progress is not None:
            progress(by_track[track], share)

    with ExitStack() as open_files:
        journal = None
        if resume or shard is not None:
            journal = open_files.enter_context(open_journal(settings, shard))
            if shard is None:
                journal.merge()
            for track in settle(blocked, settings, stems, folder, journal, stamps):
                del blocked[track]
        for track, song in blocked.items():
            del items[track]
            path = next(iter(folder.existing(song, settings, stems).values()))
            take(song, None, f"{place_of(path, settings.remote)}: exists already: {_REMEDIES}")
        if journal is not None and settings.remote is not None:
            journal.begin({track: stamps[track] for track in items})
        if scheduler is None and jobs == 0:
            jobs = min(parallel.workers_for(MEMORY), max(1, len(items)))
        if settings.separation.threads == 0 and (jobs != 1 or scheduler is not None):
            # one core for each process: more threads only cost more (docs/lab/batch.md)
            settings = replace(settings, separation=replace(settings.separation, threads=1))
        fit = Fitness.here(settings.separation.model) if scheduler else None
        # existing files were checked above; a song that is begun again may find its own stems
        again = journal is not None or scheduler is not None or jobs != 1 or timeout is not None
        allowed = replace(settings, overwrite=settings.overwrite or again)
        run = partial(
            parallel.run,
            partial(_job, settings=allowed, fit=fit),
            workers=jobs,
            scheduler=scheduler,
            timeout=timeout,
            ready=fit,
            report=done,
            progress=advance,
            notify=notify,
        )
        run(items, journal=journal, stamps=stamps)
        if lost:  # finished, but its stems are gone
            for outcome in run(dict(lost), journal=None):
                if journal is not None and outcome.error is None:  # the sizes may be others now
                    journal.finish(outcome.key, stamps[outcome.key], outcome.value)
    return [results[track] for track in by_track]


def _job(
    item: _Item, *, settings: FileSettings, fit: Fitness | None, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Separate one song and return JSON values, as a job of `parallel`."""
    if fit is not None:
        fit()
    song, stems = item
    settings = replace(settings, stems=stems, phrases=settings.phrases and VOCALS in stems)
    return separate_staged(song, settings, progress=progress).to_dict()
