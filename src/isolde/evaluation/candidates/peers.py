"""Any other separator as a command line with {input} and {output}; imports nothing of theirs.

The command gets the mixture as a 32-bit float WAV file and an empty folder, and leaves
`vocals.wav` (also .flac) somewhere below that folder, maybe with `accompaniment.wav`,
`no_vocals.wav` or `instrumental.wav`. If it also leaves `measured.json` with "cpu_seconds", that is
taken as the cost of the separation itself, without starting Python and loading weights; it may hold
"peak_megabytes" and "model_bytes" as well.
"""

import hashlib
import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.audio import Resampler, read, write
from isolde.core.errors import AudioError, InputError, IsoldeError
from isolde.core.stage import Float32
from isolde.datasets.label.persistent import Staying
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.songs import ACCOMPANIMENT, VOCALS

NAMES = {
    VOCALS: ("vocals", "vocal"),
    ACCOMPANIMENT: ("accompaniment", "no_vocals", "instrumental"),
}
OUTPUTS = (".wav", ".flac")
SLACK_SECONDS = 0.1  # how much longer or shorter than the mixture an output may be
TIMEOUT_SECONDS = 3600.0


class PeerError(IsoldeError, RuntimeError):
    """A foreign separator failed or left no vocals."""


@dataclass
class ExternalCommand:
    """A callable mixture -> stems around a command.

    Attributes:
        command: words with {input} and {output} in them; no shell is involved.
        timeout: seconds after which a run counts as failed.
        measured: what the last run said of itself in `measured.json`: "cpu_seconds",
            "peak_megabytes", "model_bytes"; empty when it said nothing.
    """

    command: tuple[str, ...]
    timeout: float = TIMEOUT_SECONDS
    measured: dict[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Check the placeholders.

        Raises:
            InputError: {input} or {output} is missing.
        """
        for mark in ("{input}", "{output}"):
            if not any(mark in word for word in self.command):
                raise InputError(f"peer command {shlex.join(self.command)!r} lacks {mark}")

    def __call__(self, mixture: Float32, sample_rate: int, /) -> dict[str, Float32]:
        """Run the command on a mixture.

        Raises:
            PeerError: it cannot be started, fails, takes too long or leaves no vocals.
            AudioError: its output cannot be read.
        """
        stems, self.measured = exchange(self._run, mixture, sample_rate)
        return stems

    def _run(self, source: Path, output: Path) -> None:
        words = [
            word.replace("{input}", str(source)).replace("{output}", str(output))
            for word in self.command
        ]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=self.timeout, errors="replace"
            )
        except OSError as error:
            raise PeerError(f"cannot start {words[0]!r}: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"{words[0]!r} took more than {self.timeout:.0f} s") from error
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PeerError(f"{words[0]!r} failed with code {done.returncode}: {''.join(last)}")


@dataclass
class Adapter:
    """A callable mixture -> stems around an adapter that stays: it loads its weights once.

    Attributes:
        program: the adapter.
        measured: see `ExternalCommand`.
    """

    program: Staying
    measured: dict[str, float] = field(default_factory=dict, compare=False)

    def __call__(self, mixture: Float32, sample_rate: int, /) -> dict[str, Float32]:
        """Let the adapter separate a mixture.

        Raises:
            PeerError: it cannot be started, fails or leaves no vocals.
            AudioError: its output cannot be read.
        """
        stems, self.measured = exchange(self._ask, mixture, sample_rate)
        return stems

    def _ask(self, source: Path, output: Path) -> None:
        try:
            self.program.ask(source, output)
        except AudioError as error:
            raise PeerError(f"adapter {error}") from error


def exchange(
    work: Callable[[Path, Path], None], mixture: Float32, sample_rate: int
) -> tuple[dict[str, Float32], dict[str, float]]:
    """Hand a mixture to `work` as a file and take back the stems that it leaves.

    Args:
        work: gets the path of a WAV file and of an empty folder, and returns when it is done.
        mixture: (n_channels, n_samples).
        sample_rate: samples per second.

    Returns:
        The stems at the mixture's rate, channels and length, and what `measured.json` said.

    Raises:
        PeerError: no vocals, or stems of another length.
        AudioError: its output cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="isolde-peer-") as folder:
        source, output = Path(folder) / "mixture.wav", Path(folder) / "output"
        output.mkdir()
        write(source, mixture, sample_rate, subtype="FLOAT")
        work(source, output)
        stems = {}
        for stem, names in NAMES.items():
            path = _find(output, names)
            if path is not None:
                audio, rate = read(path)
                stems[stem] = _fitted(audio, rate, mixture, sample_rate, path.name)
        if VOCALS not in stems:
            raise PeerError("the peer left no vocals.wav: run its command by hand")
        return stems, _measured(output)


def peer(text: str, *, home: str | Path = "benchmarks/peers") -> Candidate:
    """A candidate from "name=command with {input} and {output}", or from the name of an adapter.

    An adapter is a folder of `home` with a `separate.py` and its own environment in `.venv`, see
    the README there.

    Args:
        text: as above.
        home: where the adapters are.

    Raises:
        InputError: neither a command nor an adapter that is set up.
    """
    name, equals, command = text.partition("=")
    name = name.strip()
    if equals:
        words = tuple(shlex.split(command))
        if not name or not words:
            raise InputError(f"peer '{text}': expected 'NAME=COMMAND {{input}} {{output}}'")
        return Candidate(name, ExternalCommand(words), kind="peer", identity=shlex.join(words))
    folder = Path(home) / name
    python, script = folder / ".venv" / "bin" / "python", folder / "separate.py"
    if not name or not script.is_file():
        raise InputError(f"no adapter '{script}': give 'NAME=COMMAND {{input}} {{output}}'")
    if not python.exists():
        raise InputError(f"adapter '{name}' is not set up: run 'sh {folder / 'setup.sh'}'")
    words = (str(python), str(script), "--serve")
    sources = [p.read_bytes() for p in (script, script.parents[1] / "common.py") if p.is_file()]
    digest = hashlib.sha256(b"".join(sources)).hexdigest()[:8]
    return Candidate(name, Adapter(Staying(words)), kind="peer", identity=f"adapter {digest}")


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    for name in names:
        for suffix in OUTPUTS:
            found = sorted(folder.rglob(name + suffix))
            if found:
                return found[0]
    return None


def _fitted(audio: Float32, rate: int, mixture: Float32, sample_rate: int, name: str) -> Float32:
    """Bring an output to the mixture's rate, channels and length; refuse what is far off."""
    if rate != sample_rate:
        stage = Resampler(rate, sample_rate, audio.shape[0])
        audio = np.concatenate([stage.feed(audio), stage.flush()], axis=1)
    n_channels, n_samples = mixture.shape
    if audio.shape[0] == 1:
        audio = np.repeat(audio, n_channels, axis=0)
    elif n_channels == 1:
        audio = audio.mean(axis=0, keepdims=True)
    if audio.shape[0] != n_channels:
        raise PeerError(f"'{name}' has {audio.shape[0]} channels for a mixture of {n_channels}")
    surplus = audio.shape[1] - n_samples
    if abs(surplus) > SLACK_SECONDS * sample_rate:
        raise PeerError(f"'{name}' is {surplus / sample_rate:+.2f} s longer than the mixture")
    if surplus < 0:
        audio = np.pad(audio, ((0, 0), (0, -surplus)))
    return np.asarray(audio[:, :n_samples], dtype=np.float32)


def _measured(folder: Path) -> dict[str, float]:
    try:
        said = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
