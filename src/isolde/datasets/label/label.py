"""Labels for songs without stems from a separator, the teacher; it separates nothing itself.

{output}/{track}/ of a song is made in one step when all is well, so a run that is stopped goes on
with the same command, and what is there is whole:

    vocals.flac drums.flac ...   at the song's own rate and length
    confidence.csv               per second, how far the labels can be trusted
    teacher.json                 the command, and a stamp by which a later run knows its work
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from isolde.audio import write
from isolde.audio.formats import AUDIO_SUFFIXES, container_named
from isolde.core.atomic import Draft, explain, write_text
from isolde.core.errors import AudioError, InputError, IsoldeError
from isolde.core.names import unused_name
from isolde.core.parallel import stamp
from isolde.core.stage import Float32
from isolde.core.stems import ACCOMPANIMENT, MIXTURE, PARTS, STEM_BY_NAME, VOCALS
from isolde.core.unfinished import hidden_name, remove_stale
from isolde.datasets.check.alignment import lag_of
from isolde.datasets.label.confidence import confidence_of
from isolde.datasets.label.model import Teacher
from isolde.datasets.label.results import LabelResult
from isolde.datasets.layouts import Hints
from isolde.datasets.manifest import Row, by_track
from isolde.datasets.naming import file_name
from isolde.datasets.rows import scan
from isolde.datasets.sources import probe, samples_of
from isolde.separation.external import read_stems

FACTS = "teacher.json"

MAX_LAG = 0.0005
"""Seconds by which a teacher's stems may lie before or after the song."""


def songs_to_label(folder: Path, *, how: Hints | None = None) -> tuple[list[list[Row]], list[str]]:
    """Find the songs of a folder that have no vocals yet.

    Args:
        folder: Folder in any layout; loose files are whole songs.
        how: Hints about them.

    Returns:
        Rows of each song, and a line for each thing that was left out.

    Raises:
        InputError: The folder does not exist, or holds no such song.
    """
    found = scan([folder], how=replace(how or Hints(), loose=MIXTURE))
    problems = [p for p in found.problems if ": unsorted: " not in p]
    songs = []
    for track, rows in by_track(found.rows).items():
        if any(row.stem == VOCALS for row in rows):
            problems.append(f"'{track}': has vocals already, so nothing to label")
        else:
            songs.append(rows)
    if not songs:
        why = f" ({problems[0]})" if problems else ""
        raise InputError(f"{folder}: holds no song to label{why}")
    return songs, problems


def label_songs(
    songs: Iterable[Sequence[Row]],
    output: Path,
    teacher: Teacher,
    *,
    container: str = "flac",
    report: Callable[[LabelResult], None] | None = None,
) -> list[LabelResult]:
    """Label songs, one after the other; songs that are done are skipped.

    Args:
        songs: Rows of each, from `songs_to_label`.
        output: Folder, where each song gets its own.
        teacher: The separator.
        container: Container of the stems' files: wav, flac, ogg, opus, mp3 or m4a.
        report: Function called with each song as it is done.

    Returns:
        One result per song; one that failed costs no other.

    Raises:
        InputError: The container is unknown.
        AudioError: The output folder cannot be made.
    """
    ending = container_named(container).name
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(explain(str(output), error, remedy="choose another folder")) from None
    results = []
    taken: set[str] = set()
    for rows in songs:
        name = unused_name(file_name(rows[0].track), taken)  # "A/B" and "A_B"
        try:
            result = _label_one(rows, output / name, teacher, ending)
        except (IsoldeError, OSError) as error:
            text = " ".join(str(error).split())
            result = LabelResult(rows[0].track, error=text)
        results.append(result)
        if report:
            report(result)
    teacher.close()
    return results


def _label_one(rows: Sequence[Row], target: Path, teacher: Teacher, ending: str) -> LabelResult:
    track = rows[0].track
    settings = (teacher.command, ending, [(r.stem, r.stream) for r in rows])
    mark = stamp(*(row.file for row in rows), settings=settings)
    if _is_done(target, mark):
        made = _rows_of(rows, target, teacher)
        return LabelResult(track, made, seconds=made[0].seconds)
    if target.is_dir() and any(target.iterdir()) and not (target / FACTS).is_file():
        raise AudioError(
            f"{target}: was not made by a labelling and would be replaced: choose another folder"
        )
    with _work_folder(target.parent) as work:
        song, mixture, rate = _mixture(rows, work)
        began = time.perf_counter()
        (work / "teacher").mkdir()
        teacher.run(song, work / "teacher")
        elapsed = time.perf_counter() - began
        stems = _stems(work / "teacher", mixture, rate, teacher)
        confidence = confidence_of(mixture, stems, rate)
        with Draft(target) as draft:  # in place of another teacher's, or of an older song's
            for stem, audio in stems.items():
                write(draft.path / f"{stem}.{ending}", audio, rate, clip="clip")
            confidence.write(draft.path / "confidence.csv")
            facts = {"teacher": teacher.name, "command": teacher.command, "stamp": mark}
            text = json.dumps(facts, ensure_ascii=False) + "\n"
            write_text(draft.path / FACTS, text)
    made = _rows_of(rows, target, teacher)
    seconds = mixture.shape[1] / rate
    return LabelResult(track, made, seconds=seconds, elapsed=elapsed, confidence=confidence)


@contextmanager
def _work_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for one song and remove it afterwards; also those of killed processes."""
    remove_stale(parent)
    work = parent / hidden_name()
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _is_done(target: Path, mark: str) -> bool:
    try:
        facts = json.loads((target / FACTS).read_text("utf-8"))
        return bool(facts["stamp"] == mark)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _mixture(rows: Sequence[Row], work: Path) -> tuple[Path, Float32, int]:
    """Give the song as a file for the teacher, as samples, and its rate."""
    whole = [row for row in rows if row.stem == MIXTURE] or list(rows)
    sounds, (rate, *others) = zip(*map(samples_of, whole), strict=True)
    if set(others) - {rate}:
        raise AudioError(f"'{rows[0].track}': its files differ in rate, {[rate, *others]} Hz")
    n, n_channels = (max(sound.shape[axis] for sound in sounds) for axis in (1, 0))
    if not n:
        raise AudioError(f"{whole[0].path}: holds no samples")
    mixture = np.zeros((min(2, n_channels), n), np.float32)
    for sound in sounds:
        mixture[:, : sound.shape[1]] += sound[:2]
    if len(whole) == 1 and whole[0].stream is None and n_channels == len(mixture):
        return whole[0].file.resolve(), mixture, rate
    song = work / f"{file_name(rows[0].track)}.wav"
    write(song, mixture, rate, subtype="FLOAT")
    return song, mixture, rate


def _stems(folder: Path, mixture: Float32, rate: int, teacher: Teacher) -> dict[str, Float32]:
    """Read the stems of the teacher, vocals and what else sums to the song; check their delay."""
    found = read_stems(folder, mixture, rate, name=teacher.name)
    if set(PARTS) <= set(found):
        found.pop(ACCOMPANIMENT, None)
    elif ACCOMPANIMENT in found:
        found = {stem: found[stem] for stem in (VOCALS, ACCOMPANIMENT)}
    else:
        found = {VOCALS: found[VOCALS], ACCOMPANIMENT: mixture - found[VOCALS]}
    for stem, audio in found.items():
        lag = lag_of(audio, mixture, rate)
        if lag is not None and abs(lag.seconds) > MAX_LAG:
            raise AudioError(
                f"{teacher.name}'s {stem} is {1000 * lag.seconds:+.1f} ms beside the song: "
                "let it write wav or flac, which add no delay"
            )
    return found


def _rows_of(rows: Sequence[Row], target: Path, teacher: Teacher) -> list[Row]:
    """Make the manifest's rows: the song itself, if it is one file, and its labels."""
    first = rows[0]
    made = [probe(row)[0] for row in rows if row.stem == MIXTURE]
    for path in sorted(target.iterdir()):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem in STEM_BY_NAME:
            row = replace(first, stem=path.stem, path=path, origin=teacher.name)
            made.append(probe(row)[0])
    if len(made) < 2:
        raise AudioError(f"{target}: its stems are gone: delete the folder and run again")
    return made
