"""Labels for unlabelled songs from an external separator, the teacher; it separates nothing itself.

The teacher is a command that reads {input} and writes files named by their stems anywhere below
{output}, or a program that stays (`staying`) and is told both. {output}/{track}/ of a song is made
in one step when all is well, so a run that is stopped goes on with the same command, and what is
there is whole:

    vocals.flac drums.flac ...   at the song's own rate and length
    confidence.csv               per second, how far the labels can be trusted
    teacher.json                 the command, and a stamp by which a later run knows its work
"""

import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from isolde.audio import Resampler, write
from isolde.audio.formats import AUDIO_SUFFIXES, container_named
from isolde.core.atomic import Draft, write_text
from isolde.core.errors import AudioError, InputError, IsoldeError
from isolde.core.parallel import stamp
from isolde.core.stage import Float32
from isolde.datasets.check.alignment import lag_of
from isolde.datasets.label.confidence import confidence_of
from isolde.datasets.label.persistent import Staying
from isolde.datasets.label.results import Lesson
from isolde.datasets.layouts import Hints, scan
from isolde.datasets.manifest import Row, by_track
from isolde.datasets.naming import STEM_BY_NAME, file_name
from isolde.datasets.sources import Source, probe

MAX_LAG = 0.0005
"""Seconds by which a teacher's stems may lie beside the song."""

LENGTH_SLACK = 0.1
"""Seconds by which their length may differ."""


@dataclass(frozen=True)
class Teacher:
    """A separator that runs as a command.

    Attributes:
        command: words with {input}, the song's file, and {output}, a folder for the stems; with
            neither, and with --serve, words that start a program that stays.
        name: what the manifest calls it.
        program: the one that stays, if it does.
    """

    command: tuple[str, ...]
    name: str
    program: Staying | None = None

    @classmethod
    def parse(cls, line: str, *, name: str = "") -> "Teacher":
        """Take a command line apart as a shell would, without running one.

        Args:
            line: with {input} and {output}, or with --serve.
            name: for the manifest; empty: the program's, or the module's after `-m`.

        Raises:
            InputError: a placeholder is missing, quotes do not match, or there is no such program.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise InputError(f"teacher '{line}': {error}: check the quotes") from None
        marks = ("{input}", "{output}")
        stays = "--serve" in words and not any(mark in line for mark in marks)
        for mark in () if stays else marks:
            if not any(mark in word for word in words):
                raise InputError(f"teacher '{line}': has no {mark}: say where it belongs")
        if shutil.which(words[0]) is None:
            raise InputError(f"teacher '{words[0]}': no such program: check the name and PATH")
        if not name:
            after = words[words.index("-m") + 1 :] if "-m" in words else []
            scripts = [word for word in words[1:] if word.endswith(".py")]
            name = Path(after[0] if after else (scripts or words)[0]).stem
        return cls(tuple(words), name, Staying(tuple(words)) if stays else None)

    def run(self, song: Path, folder: Path) -> None:
        """Separate one song.

        Raises:
            AudioError: the command fails; the message has its last line.
        """
        if self.program:
            self.program.ask(song, folder)
            return
        marks = {"{input}": str(song), "{output}": str(folder)}
        words = [re.sub(r"\{(input|output)\}", lambda m: marks[m[0]], w) for w in self.command]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as error:
            raise AudioError(f"the teacher cannot be started ({error.strerror})") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            how = f"signal {-done.returncode}" if done.returncode < 0 else str(done.returncode)
            raise AudioError(
                f"the teacher failed ({how}): {said[-1] if said else 'it said nothing'}"
            )


def songs_to_label(folder: Path, *, how: Hints | None = None) -> tuple[list[list[Row]], list[str]]:
    """The songs of a folder that have no vocals yet.

    Args:
        folder: in any layout; loose files are whole songs.
        how: what is known of them.

    Returns:
        rows of each song, and a line for each thing that was left out.

    Raises:
        InputError: the folder does not exist, or holds no such song.
    """
    found = scan([folder], how=replace(how or Hints(), loose="mixture"))
    problems = [p for p in found.problems if ": unsorted: " not in p]
    songs = []
    for track, rows in by_track(found.rows).items():
        if any(row.stem == "vocals" for row in rows):
            problems.append(f"'{track}': has vocals already, so nothing to label")
        else:
            songs.append(rows)
    if not songs:
        why = f" ({problems[0]})" if problems else ""
        raise InputError(f"{folder}: holds no song to label{why}")
    return songs, problems


def teach(
    songs: Iterable[Sequence[Row]],
    output: Path,
    teacher: Teacher,
    *,
    container: str = "flac",
    report: Callable[[Lesson], None] | None = None,
) -> list[Lesson]:
    """Label songs, one after the other; what is done already is not done again.

    Args:
        songs: rows of each, from `songs_to_label`.
        output: folder, where each song gets its own.
        teacher: the separator.
        container: of the stems' files: wav, flac, ogg, opus or mp3.
        report: called with each song as it is done.

    Returns:
        one lesson per song; one that failed costs no other.

    Raises:
        InputError: the container is unknown.
        AudioError: the output folder cannot be made.
    """
    ending = container_named(container).name
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"{output}: cannot be made ({error.strerror})") from None
    lessons = []
    taken: set[str] = set()
    for rows in songs:
        base = name = file_name(rows[0].track)
        number = 2
        while name.casefold() in taken:  # "A/B" and "A_B"
            name, number = f"{base} ({number})", number + 1
        taken.add(name.casefold())
        try:
            lesson = _teach_one(rows, output / name, teacher, ending)
        except (IsoldeError, OSError) as error:
            text = " ".join(str(error).split())
            lesson = Lesson(rows[0].track, error=text)
        lessons.append(lesson)
        if report:
            report(lesson)
    if teacher.program:
        teacher.program.close()
    return lessons


def _teach_one(rows: Sequence[Row], target: Path, teacher: Teacher, ending: str) -> Lesson:
    track = rows[0].track
    settings = (teacher.command, ending, [(r.stem, r.stream) for r in rows])
    mark = stamp(*(row.file for row in rows), settings=settings)
    if _is_done(target, mark):
        made = _rows_of(rows, target, teacher)
        return Lesson(track, made, seconds=made[0].seconds)
    with tempfile.TemporaryDirectory(prefix=".teaching-", dir=target.parent) as place:
        work = Path(place)
        song, mixture, rate = _mixture(rows, work)
        began = time.perf_counter()
        (work / "teacher").mkdir()
        teacher.run(song, work / "teacher")
        elapsed = time.perf_counter() - began
        stems = _stems(work / "teacher", mixture, rate)
        confidence = confidence_of(mixture, stems, rate)
        with Draft(target) as draft:  # in place of another teacher's, or of an older song's
            for stem, audio in stems.items():
                write(draft.path / f"{stem}.{ending}", audio, rate, clip="clip")
            confidence.write(draft.path / "confidence.csv")
            facts = {"teacher": teacher.name, "command": teacher.command, "stamp": mark}
            text = json.dumps(facts, ensure_ascii=False) + "\n"
            write_text(draft.path / "teacher.json", text)
    made = _rows_of(rows, target, teacher)
    seconds = mixture.shape[1] / rate
    return Lesson(track, made, seconds=seconds, elapsed=elapsed, confidence=confidence)


def _is_done(target: Path, mark: str) -> bool:
    try:
        facts = json.loads((target / "teacher.json").read_text("utf-8"))
        return bool(facts["stamp"] == mark)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _mixture(rows: Sequence[Row], work: Path) -> tuple[Path, Float32, int]:
    """The song as a file for the teacher, as samples, and its rate."""
    whole = [row for row in rows if row.stem == "mixture"] or list(rows)
    sounds, rates = [], set()
    for row in whole:
        with Source(row) as source:
            blocks = [block[:2] for block in source]
            rates.add(source.info.sample_rate)
        if not blocks:
            raise AudioError(f"{row.path}: holds no samples")
        sounds.append(np.concatenate(blocks, axis=1))
    if len(rates) > 1:
        raise AudioError(f"'{rows[0].track}': its files differ in rate, {sorted(rates)} Hz")
    n, c = max(s.shape[1] for s in sounds), max(s.shape[0] for s in sounds)
    mixture = np.zeros((c, n), np.float32)
    for sound in sounds:
        mixture[:, : sound.shape[1]] += sound
    rate = rates.pop()
    if len(whole) == 1 and whole[0].stream is None:
        return whole[0].file.resolve(), mixture, rate
    song = work / f"{file_name(rows[0].track)}.wav"
    write(song, mixture, rate, subtype="FLOAT")
    return song, mixture, rate


def _stems(folder: Path, mixture: Float32, rate: int) -> dict[str, Float32]:
    """What the teacher wrote, by stem, at the song's rate and length; or an error that says why."""
    found: dict[str, Float32] = {}
    for path in sorted(folder.rglob("*")):
        stem = STEM_BY_NAME.get(path.stem.casefold())
        if path.suffix.lower() not in AUDIO_SUFFIXES or stem in (None, "mixture"):
            continue
        assert stem is not None
        with Source(Row("", "", "", stem, path)) as source:
            own, n_channels = source.info.sample_rate, source.info.n_channels
            resampler = Resampler(own, rate, n_channels)
            blocks = [resampler.feed(block) for block in source]
            if source.n_nonfinite:
                raise AudioError(f"the teacher's {path.name} holds {source.n_nonfinite} NaN")
        audio = np.concatenate([*blocks, resampler.flush()], axis=1)
        if abs(audio.shape[1] - mixture.shape[1]) > LENGTH_SLACK * rate:
            raise AudioError(
                f"the teacher's {path.name} lasts {audio.shape[1] / rate:.2f} s, "
                f"the song {mixture.shape[1] / rate:.2f} s"
            )
        audio = np.pad(audio, ((0, 0), (0, max(0, mixture.shape[1] - audio.shape[1]))))
        audio = audio[:, : mixture.shape[1]]
        if n_channels != mixture.shape[0]:
            mono = audio.mean(axis=0, keepdims=True)
            audio = np.repeat(mono, mixture.shape[0], axis=0) if n_channels == 1 else mono
            audio = np.ascontiguousarray(np.broadcast_to(audio, mixture.shape))
        found[stem] = found[stem] + audio if stem in found else audio
    if "vocals" not in found:
        raise AudioError(
            f"the teacher wrote no vocals, but {', '.join(found) or 'no stems at all'}: its files "
            "must be named by stems, such as vocals.wav"
        )
    if {"drums", "bass", "other"} <= set(found):
        found.pop("accompaniment", None)
    elif "accompaniment" in found:
        found = {stem: found[stem] for stem in ("vocals", "accompaniment")}
    else:
        found = {"vocals": found["vocals"], "accompaniment": mixture - found["vocals"]}
    for stem, audio in found.items():
        lag = lag_of(audio, mixture, rate)
        if lag is not None and abs(lag.seconds) > MAX_LAG:
            raise AudioError(
                f"the teacher's {stem} is {1000 * lag.seconds:+.1f} ms beside the song: "
                "let it write wav or flac, which add no delay"
            )
    return found


def _rows_of(rows: Sequence[Row], target: Path, teacher: Teacher) -> list[Row]:
    """The manifest's rows: the song itself, if it is one file, and its labels."""
    first = rows[0]
    made = [probe(row)[0] for row in rows if row.stem == "mixture"]
    for path in sorted(target.iterdir()):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem in STEM_BY_NAME:
            row = replace(first, stem=path.stem, path=path, origin=teacher.name)
            made.append(probe(row)[0])
    if len(made) < 2:
        raise AudioError(f"{target}: its stems are gone: delete the folder and run again")
    return made
