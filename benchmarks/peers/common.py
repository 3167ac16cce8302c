"""The ends that all adapters share: WAV in and out, timing, one file or many; no separator itself.

An adapter's `separate.py` gives `run` a function that loads its networks; what comes back separates
stereo audio at one sample rate. Everything else (other rates, mono, files, costs, `--serve`) is
here. Imports nothing of isolde and only what every adapter's environment has.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr


@dataclass(frozen=True)
class Loaded:
    """A separator with its weights in memory.

    Attributes:
        separate: stereo float32 audio (2, n_samples) at `sample_rate` -> stem -> the same shape.
        sample_rate: in Hz.
        model_bytes: size of the weights.
    """

    separate: Callable[[np.ndarray], dict[str, np.ndarray]]
    sample_rate: int
    model_bytes: int


def run(load: Callable[[int], Loaded], *, description: str) -> None:
    """The adapter's command line: INPUT OUTPUT, or tasks from standard input with --serve.

    Each task is a line {"input": file, "output": folder}; its answer is a line {} or {"error"}.

    Args:
        load: gets the number of threads, gives the separator.
        description: for --help.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("input", type=Path, nargs="?", help="mixture, WAV")
    parser.add_argument("output", type=Path, nargs="?", help="folder for the stems")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--stems", type=int, choices=(2, 4), default=2, help="2: all but vocals summed"
    )
    parser.add_argument("--serve", action="store_true", help="take tasks from standard input")
    arguments = parser.parse_args()
    if not arguments.serve and (arguments.input is None or arguments.output is None):
        parser.error("give INPUT and OUTPUT, or --serve")
    loaded = load(arguments.threads)
    load_cpu_seconds = time.process_time()
    if not arguments.serve:
        n_stems, source, output = arguments.stems, arguments.input, arguments.output
        separate_file(loaded, source, output, load_cpu_seconds, n_stems=n_stems)
        return
    for line in sys.stdin:
        answer = {}
        try:
            task = json.loads(line)
            separate_file(loaded, Path(task["input"]), Path(task["output"]), load_cpu_seconds)
        except Exception as error:  # told to the caller, who decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def separate_file(
    loaded: Loaded, source: Path, output: Path, load_cpu_seconds: float, *, n_stems: int = 2
) -> None:
    """Read a mixture, separate it, write the stems at its rate, and say what it cost."""
    audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
    start = time.process_time()
    stereo = audio if audio.shape[1] == 2 else np.repeat(audio.mean(1, keepdims=True), 2, axis=1)
    own = loaded.sample_rate
    ready = stereo if rate == own else soxr.resample(stereo, rate, own)
    stems = {}
    found = loaded.separate(np.ascontiguousarray(ready.T))
    if n_stems == 2:
        vocals = found.pop("vocals")
        found = {"vocals": vocals, "accompaniment": np.sum(list(found.values()), axis=0)}
    for stem, samples in found.items():
        back = samples.T if rate == own else soxr.resample(samples.T, own, rate)
        stems[stem] = back if audio.shape[1] == 2 else back.mean(1, keepdims=True)
    cpu_seconds = time.process_time() - start
    output.mkdir(parents=True, exist_ok=True)
    for stem, samples in stems.items():
        soundfile.write(output / f"{stem}.wav", samples, rate, subtype="FLOAT")
    measured = {
        "cpu_seconds": cpu_seconds,
        "load_cpu_seconds": load_cpu_seconds,
        "peak_megabytes": peak_megabytes(),
        "model_bytes": loaded.model_bytes,
    }
    (output / "measured.json").write_text(json.dumps(measured) + "\n")


def peak_megabytes() -> float:
    """Peak resident memory. Linux keeps it per program; ru_maxrss remembers the parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
