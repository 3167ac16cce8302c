"""Run another separator as a command; it imports no code of it.

A command is given the path of a mixture and of an empty folder, {input} and {output}, and writes
files that are named by their stems anywhere below the folder: `vocals.wav`, perhaps
`accompaniment.flac` or `no_vocals.wav`, or drums, bass and other. With --serve instead of the two
it is started once, and gets a line {"input": file, "output": folder} on its standard input for each
song. It answers with {} or {"error": text} when the stems are written; logs go to standard error.

If the command also writes `measured.json` with "cpu_seconds", that is the cost of the separation,
without the start and the loading of weights; "load_cpu_seconds", "peak_megabytes" and "model_bytes"
may be there too.
"""

import atexit
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio import AudioReader, Resampler, write
from isolde.audio.formats import AUDIO_SUFFIXES
from isolde.core import programs
from isolde.core.errors import InputError, IsoldeError
from isolde.core.programs import TIMEOUT
from isolde.core.stage import Float32
from isolde.core.stems import MIXTURE, STEM_BY_NAME, STEM_NAMES, VOCALS

LENGTH_SLACK = 0.1
"""Greatest difference in seconds between the lengths of a stem and of the mixture."""

MARKS = ("{input}", "{output}")

_running: dict[tuple[str, ...], subprocess.Popen[str]] = {}
"""Persistent programs of this process by command: copies of a separator share one."""

_turns: dict[tuple[str, ...], threading.Lock] = {}
"""Locks for the threads of this process: a program answers one song at a time."""


class ExternalError(IsoldeError, RuntimeError):
    """Another separator failed, or wrote no vocals."""


@dataclass
class ExternalSeparator:
    """A separator that runs as a command; picklable: every process starts one program.

    Attributes:
        command: Words with {input} and {output} in them, or with --serve; no shell is involved.
        name: Name in messages and manifests.
        timeout: Seconds for a song, after which the program and its children are ended and the
            song has failed; None for no limit.
        measured: Values of `measured.json` of the last run; empty if there were none.

    Raises:
        InputError: A placeholder is missing, or the time is out of range.
    """

    command: tuple[str, ...]
    name: str
    timeout: float | None = TIMEOUT
    measured: dict[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Refuse a command without placeholders, and a time out of range."""
        if self.timeout is not None and not 0 < self.timeout < 1e6:
            raise InputError(f"{self.timeout:g} s for a song: give more than 0, less than 1e6")
        present = [any(mark in word for word in self.command) for mark in MARKS]
        if "--serve" in self.command and not any(present):
            return
        for mark, is_there in zip(MARKS, present, strict=True):
            if not is_there:
                line = shlex.join(self.command)
                raise InputError(f"command '{line}': has no {mark}: say where it belongs")

    @classmethod
    def parse(
        cls, line: str, *, name: str = "", timeout: float | None = TIMEOUT
    ) -> "ExternalSeparator":
        """Split a command line like a shell.

        Args:
            line: Command line with {input} and {output}, or with --serve.
            name: Name of the separator; empty: the program's, or the module's after `-m`.
            timeout: Seconds for a song; None for no limit.

        Raises:
            InputError: A placeholder is missing, quotes do not match, there is no such program, or
                the time is out of range.
        """
        try:
            words = tuple(shlex.split(line))
        except ValueError as error:
            raise InputError(f"command '{line}': {error}: check the quotes") from None
        if not words:
            raise InputError("an empty command: give a program, {input} and {output}")
        if not name:
            after = words[words.index("-m") + 1 :] if "-m" in words else ()
            scripts = [word for word in words[1:] if word.endswith(".py")]
            name = Path(after[0] if after else (scripts or words)[0]).stem
        separator = cls(words, name, timeout)
        if shutil.which(words[0]) is None:
            raise InputError(f"command '{words[0]}': no such program: check the name and PATH")
        return separator

    @property
    def is_persistent(self) -> bool:
        """Whether the program is started once for all songs."""
        return not any(mark in word for word in self.command for mark in MARKS)

    def run(self, song: Path, folder: Path) -> None:
        """Separate a file into files below a folder.

        Args:
            song: Path of the mixture.
            folder: Path of an empty folder.

        Raises:
            ExternalError: The program cannot be started, fails or takes too long.
        """
        if self.is_persistent:
            self._ask(song, folder)
            return
        marks = dict(zip(MARKS, (str(song), str(folder)), strict=True))
        words = [re.sub(r"\{(?:input|output)\}", lambda m: marks[m[0]], w) for w in self.command]
        program = self._started(words)
        try:
            out, err = program.communicate(timeout=self.timeout)
        except BaseException as error:  # also Ctrl-C: the program must not outlive the run
            programs.kill(program)
            raise self._late(error) from None
        if program.returncode:
            said = (err or out).strip().splitlines()
            last = said[-1] if said else "it said nothing"
            raise ExternalError(f"{self.name} failed ({programs.code_of(program)}): {last}")

    def __call__(self, mixture: Float32, sample_rate: int, /) -> dict[str, Float32]:
        """Separate an array.

        Args:
            mixture: Mixture (n_channels, n_samples).
            sample_rate: Sample rate in Hz.

        Returns:
            Stems by name, of the mixture's shape.

        Raises:
            ExternalError: The program fails, or writes no vocals or stems of another length.
            AudioError: Its output cannot be read.
        """
        with tempfile.TemporaryDirectory(prefix="isolde-external-") as folder:
            song, output = Path(folder) / "mixture.wav", Path(folder) / "output"
            output.mkdir()
            write(song, mixture, sample_rate, subtype="FLOAT")
            self.run(song, output)
            self.measured = _measured(output)
            return read_stems(output, mixture, sample_rate, name=self.name)

    def close(self) -> None:
        """End a persistent program; the next song starts it again."""
        if program := _running.pop(self.command, None):
            programs.close(program)

    def _started(self, words: Sequence[str], *, is_asked: bool = False) -> subprocess.Popen[str]:
        try:
            return programs.start(words, is_asked=is_asked)
        except OSError as error:
            raise ExternalError(
                f"{self.name} cannot be started ({error.strerror}): check '{words[0]}'"
            ) from None

    def _late(self, error: BaseException) -> BaseException:
        """Give an error in place of a timeout; any other error stays as it is."""
        if isinstance(error, subprocess.TimeoutExpired):
            said = f"{self.name} took more than {self.timeout:g} s and was ended"
            return ExternalError(f"{said}: allow more time, or look at what it waits for")
        return error

    def _ask(self, song: Path, folder: Path) -> None:
        """Give a persistent program a song, and wait for its answer."""
        with _turns.setdefault(self.command, threading.Lock()):
            if self.command not in _running:
                _running[self.command] = self._started(self.command, is_asked=True)
                atexit.register(self.close)
            program = _running[self.command]
            try:
                task = json.dumps({"input": str(song), "output": str(folder)})
                answer = self._understood(programs.ask(program, task, timeout=self.timeout))
            except BaseException as error:  # its next answer would be the one to this song
                del _running[self.command]
                programs.kill(program)
                raise self._late(error) from None
        if "error" in answer:
            raise ExternalError(f"{self.name} failed: {answer['error']}")

    def _understood(self, line: str) -> dict[str, Any]:
        """Read the answer of a persistent program, or raise an ExternalError."""
        if not line:
            try:
                how = f"it ended with exit code {programs.code_of(_running[self.command])}"
            except subprocess.TimeoutExpired:
                how = "it closed its standard output"
            raise ExternalError(
                f"{self.name} broke off: {how}, without an answer: see what it said"
            )
        with suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
        raise ExternalError(
            f"{self.name} answered '{line.strip()[:80]}' and no JSON object: let it print logs to "
            "standard error, and {} when the stems are written"
        )


def read_stems(
    folder: Path, mixture: Float32, sample_rate: int, *, name: str
) -> dict[str, Float32]:
    """Read the stems below a folder, at the mixture's rate, channels and length.

    Of several files for one stem, the one with the preferred name and format is read; instruments
    are summed to `other`.

    Args:
        folder: Folder that is searched with all its subfolders.
        mixture: Mixture (n_channels, n_samples).
        sample_rate: Sample rate of the mixture in Hz.
        name: Name of the separator, for messages.

    Returns:
        Stems by name, vocals among them, each (n_channels, n_samples).

    Raises:
        ExternalError: There are no vocals, or a stem has NaN or another length.
        AudioError: A file cannot be read.
    """
    files: dict[str, Path] = {}
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in AUDIO_SUFFIXES]
    for path in sorted(found, key=lambda p: AUDIO_SUFFIXES.index(p.suffix.lower())):
        files.setdefault(path.stem.casefold(), path)
    stems: dict[str, Float32] = {}
    for stem, words in STEM_NAMES.items():
        paths = [files[word] for word in words if word in files]
        if not paths or stem == MIXTURE:
            continue
        taken = paths if stem == "other" else paths[:1]
        sounds = [_fitted(path, mixture, sample_rate, name=name) for path in taken]
        stems[stem] = sounds[0] if len(sounds) == 1 else np.sum(sounds, axis=0, dtype=np.float32)
    if VOCALS not in stems:
        other = ", ".join(p.name for p in found if p.stem.casefold() not in STEM_BY_NAME)
        raise ExternalError(
            f"{name} wrote no vocals, but {', '.join(stems) or other or 'no stems at all'}: its "
            "files must be named by stems, such as vocals.wav"
        )
    return stems


def _fitted(path: Path, mixture: Float32, sample_rate: int, *, name: str) -> Float32:
    """Read a file at the mixture's rate, channels and length; refuse another length."""
    with AudioReader(path) as reader:
        own, n_channels = reader.info.sample_rate, reader.info.n_channels
        resampler = Resampler(own, sample_rate, n_channels)
        audio = np.concatenate([*map(resampler.feed, reader), resampler.flush()], axis=1)
        if reader.n_nonfinite:
            raise ExternalError(f"{name} wrote {reader.n_nonfinite} NaN into {path.name}")
    surplus = audio.shape[1] - mixture.shape[1]
    if abs(surplus) > LENGTH_SLACK * sample_rate:
        raise ExternalError(
            f"{name} wrote a {path.name} of {audio.shape[1] / sample_rate:.2f} s "
            f"for a mixture of {mixture.shape[1] / sample_rate:.2f} s"
        )
    audio = np.pad(audio, ((0, 0), (0, max(0, -surplus))))[:, : mixture.shape[1]]
    if n_channels != mixture.shape[0]:  # a mono stem is in every channel
        audio = np.broadcast_to(audio.mean(axis=0, keepdims=True), mixture.shape)
    return np.ascontiguousarray(audio, np.float32)


def _measured(folder: Path) -> dict[str, float]:
    try:
        said = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
