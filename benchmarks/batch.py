"""Measure how many songs an hour isolde separates, as ratios: python benchmarks/batch.py.

1. Many files: the loop `for f in *; do isolde separate "$f"; done` beside one command, in one
   process with one thread, in one with a thread for each core, and in a process for each core.
2. A model that stays loaded: clips in one process, with the loaded graphs kept and dropped.

Clips of 10 seconds and songs of 2 minutes, 44.1 kHz stereo, 16 bits. Alternating rounds; wall
and CPU seconds of whole commands. On a machine that does other things, take the ratios.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from shared import RATE, song

LOOP = "loop"


def fill(folder: Path, *, n: int, seconds: float) -> None:
    """Write songs that differ: each begins a second later than the one before."""
    from isolde.audio import write

    for k in range(n):
        write(folder / f"song {k:02d}.wav", song(seconds, shift=RATE * k), RATE)


def spent(job: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds of a job, and CPU seconds of the processes that it starts and waits for."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    job()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def command(*arguments: object) -> None:
    """One run of the command."""
    line = [sys.executable, "-m", "isolde", "separate", *map(str, arguments), "-q"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def ways(folder: Path, output: Path, model: str, cores: int) -> dict[str, Callable[[], None]]:
    """The ways to separate a folder, by name."""
    settings = ("-o", output, "--model", model)

    def loop() -> None:
        for path in sorted(folder.iterdir()):
            command(path, *settings)

    def batch(jobs: int, threads: int) -> Callable[[], None]:
        return lambda: command(folder, *settings, "--jobs", jobs, "--threads", threads)

    return {
        LOOP: loop,
        "1 process of 1 thread": batch(1, 1),
        f"1 process of {cores} threads": batch(1, cores),
        f"{cores} processes of 1 thread": batch(cores, 1),
    }


def rates(
    folder: Path, model: str, *, seconds: float, rounds: int, cores: int
) -> dict[str, object]:
    """Songs an hour and audio hours a core hour of each way, and ratios to the loop."""
    n = len(list(folder.iterdir()))
    output = folder.with_name("stems")
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, way in ways(folder, output, model, cores).items():
            found.setdefault(name, []).append(spent(way))
            shutil.rmtree(output)
    loops = found[LOOP]
    return {
        name: {
            "songs per hour": round(n * 3600 / median(wall for wall, _ in runs)),
            "audio hours per core hour": round(n * seconds / median(cpu for _, cpu in runs), 1),
            "wall, loop / this": [round(a[0] / b[0], 2) for a, b in zip(loops, runs, strict=True)],
            "CPU, loop / this": [round(a[1] / b[1], 2) for a, b in zip(loops, runs, strict=True)],
        }
        for name, runs in found.items()
    }


def warmth(folder: Path, model: str, *, rounds: int) -> dict[str, float]:
    """CPU seconds of a clip in one process, with the loaded graph dropped after each and kept."""
    from isolde.models import loading
    from isolde.separation import FileSettings, SeparationSettings, separate_songs, songs_in

    songs = songs_in([folder])
    found: dict[str, list[float]] = {"loaded for each": [], "kept": []}
    for _ in range(rounds):
        for name, each in found.items():

            def done(*_: object, drops: bool = name != "kept") -> None:
                if drops:
                    loading._make.cache_clear()

            with tempfile.TemporaryDirectory() as output:
                settings = FileSettings(
                    output=Path(output), separation=SeparationSettings(model, threads=1)
                )
                began = time.process_time()
                separate_songs(songs, settings, report=done)
                each.append((time.process_time() - began) / len(songs))
    pairs = zip(found["loaded for each"], found["kept"], strict=True)
    ratio = median(cold / kept for cold, kept in pairs)
    return {
        **{name: round(median(values), 3) for name, values in found.items()},
        "ratio": round(ratio, 2),
    }


def main() -> None:
    """Measure and print one JSON object."""
    from isolde.models import catalogue

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=catalogue.DEFAULT, help="model of the commands")
    parser.add_argument("--clips", type=int, default=12, help="number of clips of 10 seconds")
    parser.add_argument("--songs", type=int, default=4, help="number of songs of 2 minutes")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, object] = {}
        for kind, n, seconds in (("clips", options.clips, 10.0), ("songs", options.songs, 120.0)):
            folder = Path(name, kind)
            folder.mkdir()
            fill(folder, n=n, seconds=seconds)
            found[kind] = rates(
                folder, options.model, seconds=seconds, rounds=options.rounds, cores=cores
            )
            print(json.dumps({kind: found[kind]}, indent=1), file=sys.stderr, flush=True)
        for model in ("vocals", "spleeter"):
            found[f"warm, {model}"] = warmth(Path(name, "clips"), model, rounds=options.rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
