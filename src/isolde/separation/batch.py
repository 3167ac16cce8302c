"""Many songs to stem files: one after the other, in several processes, or on several machines.

It separates nothing itself: `parallel` runs `separate_file` for every song. Whoever runs it, the
files are the same; a worker that is killed costs time only, since files are written whole or not
at all, and a journal says whose they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isolde.audio import info
from isolde.core import parallel
from isolde.core.errors import AudioError
from isolde.core.journal import Journal
from isolde.core.stems import VOCALS
from isolde.separation.files import Separated, separate_file
from isolde.separation.load import stems_of
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of

JOURNAL = "separate.journal.jsonl"

Report = Callable[[Song, Separated | None, str | None], None]
Progress = Callable[[Song, float], None]
_Item = tuple[str, str, tuple[str, ...], str | None]  # path, track, stems, the file in the way


def separate_songs(
    songs: Sequence[Song],
    settings: FileSettings,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    skip_existing: bool = False,
    report: Report | None = None,
    progress: Progress | None = None,
) -> list[Separated | None]:
    """Separate songs side by side.

    Args:
        songs: Songs with tracks that differ (see `check_batch`).
        settings: Settings for all of them. Unless `threads` says otherwise, each of several
            processes gets one thread.
        jobs: Number of processes; 0 for one per core, 1 for this one.
        scheduler: Address of a Dask scheduler, see `parallel.run`; every machine must see the songs
            and the output folder by the same paths.
        resume: Whether to keep a journal in the output folder, and to leave alone the songs that
            an earlier run with the same files and settings has finished. What such a run was
            writing when it was stopped is written anew; whole stems of a song that the journal
            does not know are taken as finished.
        skip_existing: Whether stems whose files exist are left alone, whatever made them, and only
            the others are written.
        report: Function called in this process for each song as it is done, with what was written
            or with the error, in one line.
        progress: Function called with a song and the share of it that is done, in [0, 1], when the
            songs are separated in this process.

    Returns:
        For each song what was written, or None where it failed.

    Raises:
        InputError: The number of jobs is negative, or the journal is not one.
        MissingExtraError: A scheduler is given and Dask is not installed.
        IsoldeError: The scheduler cannot be reached.
    """
    tell = report or (lambda song, done, error: None)
    folder = (settings.output or Path()).absolute()
    if scheduler is not None:  # other machines have other current folders
        settings = replace(settings, output=folder)
        songs = [replace(song, path=song.path.absolute()) for song in songs]
    here = jobs == 1 and scheduler is None
    separation = settings.separation
    if separation.threads == 0 and not here:
        settings = replace(settings, separation=replace(separation, threads=1))
    by_track = {song.track: song for song in songs}
    stems = settings.chosen(stems_of(separation.model))
    results: dict[str, Separated | None] = {}

    def take(song: Song, done: Separated | None, error: str | None) -> None:
        results[song.track] = done
        tell(song, done, error)

    items: dict[str, _Item] = {}
    for track, song in by_track.items():
        there = _existing(song, settings, stems)
        left = tuple(stem for stem in stems if stem not in there)
        if skip_existing and not left:
            take(song, _taken_over(song, there, "exists already: skipped"), None)
        elif skip_existing:
            items[track] = (str(song.path), track, left, None)
        else:
            blocker = None if settings.overwrite else next(map(str, there.values()), None)
            items[track] = (str(song.path), track, stems, blocker)
    stamps = {track: _stamp(by_track[track], settings, folder) for track in items}
    journal = folder / JOURNAL if resume else None
    if journal is not None:
        _settle(items, by_track, settings, Journal(journal), stamps)
    lost: dict[str, _Item] = {}

    def done(outcome: parallel.Outcome) -> None:
        value = None if outcome.error else Separated.from_dict(outcome.value)
        if outcome.resumed and value is not None and not all(p.exists() for p in value.files):
            lost[outcome.key] = (*items[outcome.key][:3], None)
            return
        take(by_track[outcome.key], value, outcome.error)

    # what exists was looked at above: a song whose worker was killed may find its own first stem
    job = partial(
        _job,
        settings=replace(settings, overwrite=True),
        progress=progress if here else None,
    )
    run = partial(parallel.run, job, workers=jobs, scheduler=scheduler, report=done)
    run(items, journal=journal, stamps=stamps)
    if lost:  # finished once, but someone took the stems away
        run(dict(lost), journal=None)
    return [results[song.track] for song in songs]


def _stamp(song: Song, settings: FileSettings, folder: Path) -> str:
    """Stamp what decides the sound of a song's stems: neither threads nor what may be replaced."""
    separation = replace(settings.separation, threads=0)
    what = replace(settings, output=folder, overwrite=False, separation=separation)
    return parallel.stamp(song.path.absolute(), settings=what)


def _existing(song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
    """Find the stems of a song that are there: files, and folders that hold something."""
    paths = paths_of(song, settings, stems)
    return {s: p for s, p in paths.items() if p.is_file() or (p.is_dir() and any(p.iterdir()))}


def _settle(
    items: dict[str, _Item],
    songs: Mapping[str, Song],
    settings: FileSettings,
    journal: Journal,
    stamps: Mapping[str, str],
) -> None:
    """Decide, before a resumed run, what becomes of files that are there already.

    Files of a song that an earlier run had begun are that run's, and may be replaced: it was
    stopped between them, or before the journal's line. A song that no line names was separated
    without a journal: its stems count if they are all there, as long as the song and not older.
    """
    for track, (path, _, stems, blocker) in items.items():
        if blocker is None:
            continue
        if journal.has_begun(track, stamps[track]):
            items[track] = (path, track, stems, None)
        elif not journal.knows(track) and _complete(songs[track], settings, stems):
            there = _existing(songs[track], settings, stems)
            note = "was separated by a run without --resume: taken as done, settings unknown"
            done = _taken_over(songs[track], there, note)
            journal.finish(track, stamps[track], done.to_dict())


def _complete(song: Song, settings: FileSettings, stems: Sequence[str]) -> bool:
    """Whether all stems of a song are there, not older than it, and of its rate and length."""
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


def _taken_over(song: Song, paths: dict[str, Path], note: str) -> Separated:
    """Describe stems that are not written now."""
    first = next(iter(paths.values()))
    try:
        about = info(first) if first.is_file() else None
    except AudioError:
        about = None
    n_samples = about.n_samples if about and about.n_samples else 0
    seconds = n_samples / about.sample_rate if about else 0.0
    return Separated(song, paths, seconds, 0.0, [f"{song.track}: {note}"])


def _job(item: _Item, *, settings: FileSettings, progress: Progress | None) -> dict[str, Any]:
    """Separate one song, as a job: what comes back is what JSON can hold."""
    path, track, stems, blocker = item
    if blocker is not None:
        raise AudioError(
            f"{blocker}: exists already: replace it with --overwrite, leave it with "
            "--skip-existing, or choose another folder with -o"
        )
    settings = replace(settings, stems=stems, phrases=settings.phrases and VOCALS in stems)
    song = Song(Path(path), track)
    advance = None if progress is None else partial(progress, song)
    return separate_file(song, settings, progress=advance).to_dict()
