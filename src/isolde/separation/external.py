"""Somebody else's separator as a command; imports nothing of theirs and judges nothing.

A command gets the path of a mixture and of an empty folder, {input} and {output}, and leaves files
named by their stems anywhere below the folder: `vocals.wav`, maybe `accompaniment.flac` or
`no_vocals.wav`, or drums, bass and other. With --serve in place of the two it is started once, and
given one song after another: a line {"input": file, "output": folder} on its standard input, which
it answers with {} or {"error": text} when the stems are written.

If it also leaves `measured.json` with "cpu_seconds", that is taken as the cost of the separation
itself, without starting it and loading weights; "load_cpu_seconds", "peak_megabytes" and
"model_bytes" may be there too.
"""

import atexit
import json
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.audio import AudioReader, Resampler, write
from isolde.audio.formats import AUDIO_SUFFIXES
from isolde.core.errors import InputError, IsoldeError
from isolde.core.stage import Float32
from isolde.core.stems import MIXTURE, STEM_BY_NAME, STEM_NAMES, VOCALS

LENGTH_SLACK = 0.1
"""Seconds by which a stem may be longer or shorter than the mixture."""

TIMEOUT = 3600.0
"""Seconds after which a command counts as failed."""

MARKS = ("{input}", "{output}")

_running: dict[tuple[str, ...], subprocess.Popen[str]] = {}
"""Programs of this process that were started once, by command: copies of a separator share one."""


class ExternalError(IsoldeError, RuntimeError):
    """A foreign separator failed, or left no vocals."""


@dataclass
class ExternalSeparator:
    """A separator that runs as a command; picklable: every process starts one program.

    Attributes:
        command: Words with {input} and {output} in them, or with --serve; no shell is involved.
        name: What messages and manifests call it.
        timeout: Seconds after which a run counts as failed; not for one that is started once.
        measured: What the last run said of itself in `measured.json`; empty if nothing.

    Raises:
        InputError: A placeholder is missing.
    """

    command: tuple[str, ...]
    name: str
    timeout: float = TIMEOUT
    measured: dict[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Refuse a command that cannot be told what to do."""
        present = [any(mark in word for word in self.command) for mark in MARKS]
        if "--serve" in self.command and not any(present):
            return
        for mark, is_there in zip(MARKS, present, strict=True):
            if not is_there:
                line = shlex.join(self.command)
                raise InputError(f"command '{line}': has no {mark}: say where it belongs")

    @classmethod
    def parse(cls, line: str, *, name: str = "") -> "ExternalSeparator":
        """Take a command line apart as a shell would, without running one.

        Args:
            line: Command line with {input} and {output}, or with --serve.
            name: Name of the separator; empty: the program's, or the module's after `-m`.

        Raises:
            InputError: A placeholder is missing, quotes do not match, or there is no such program.
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
        separator = cls(words, name)
        if shutil.which(words[0]) is None:
            raise InputError(f"command '{words[0]}': no such program: check the name and PATH")
        return separator

    @property
    def is_persistent(self) -> bool:
        """Whether the program is started once for all songs."""
        return not any(mark in word for word in self.command for mark in MARKS)

    def run(self, song: Path, folder: Path) -> None:
        """Let it separate a file into files below a folder.

        Args:
            song: Path of the mixture.
            folder: Path of an empty folder.

        Raises:
            ExternalError: It cannot be started, fails or takes too long.
        """
        if self.is_persistent:
            self._ask(song, folder)
            return
        marks = dict(zip(MARKS, (str(song), str(folder)), strict=True))
        words = [re.sub(r"\{(?:input|output)\}", lambda m: marks[m[0]], w) for w in self.command]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=self.timeout,
            )
        except OSError as error:
            raise ExternalError(
                f"{self.name} cannot be started ({error.strerror}): check '{words[0]}'"
            ) from None
        except subprocess.TimeoutExpired:
            raise ExternalError(f"{self.name} took more than {self.timeout:g} s") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            how = f"signal {-done.returncode}" if done.returncode < 0 else str(done.returncode)
            last = said[-1] if said else "it said nothing"
            raise ExternalError(f"{self.name} failed ({how}): {last}")

    def __call__(self, mixture: Float32, sample_rate: int, /) -> dict[str, Float32]:
        """Separate an array.

        Args:
            mixture: Mixture (n_channels, n_samples).
            sample_rate: Sample rate in Hz.

        Returns:
            Stems by name, of the mixture's shape.

        Raises:
            ExternalError: It fails, or leaves no vocals or stems of another length.
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
        _close(self.command)

    def _ask(self, song: Path, folder: Path) -> None:
        """Give a persistent program a song, and wait for its answer."""
        try:
            if self.command not in _running:
                _running[self.command] = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                atexit.register(_close, self.command)
            process = _running[self.command]
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps({"input": str(song), "output": str(folder)}))
            process.stdin.write("\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:  # it is gone, or said something else
            if self.command in _running:
                _running[self.command].kill()
                self.close()
            raise ExternalError(f"{self.name} broke off: {error}") from error
        if "error" in answer:
            raise ExternalError(f"{self.name} failed: {answer['error']}")


def _close(command: tuple[str, ...]) -> None:
    """End a program that was started once, if it runs."""
    process = _running.pop(command, None)
    if process is not None:
        process.communicate()  # closes its standard input, and waits


def read_stems(
    folder: Path, mixture: Float32, sample_rate: int, *, name: str
) -> dict[str, Float32]:
    """Read what a separator left below a folder, at the mixture's rate, channels and length.

    Files called by several words for one stem are one stem, the preferred word and format is read;
    instruments are summed to `other`.

    Args:
        folder: Folder that is searched to its bottom.
        mixture: Mixture (n_channels, n_samples).
        sample_rate: Sample rate of the mixture in Hz.
        name: What messages call the separator.

    Returns:
        Stems by name, vocals among them, each (n_channels, n_samples).

    Raises:
        ExternalError: There are no vocals, or a stem holds NaN or has another length.
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
    """One file at the mixture's rate, channels and length; what is far off is refused."""
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
