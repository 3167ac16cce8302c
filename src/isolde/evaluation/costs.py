"""What a separator costs: CPU time, peak memory, size, latency; never how well it sounds.

Each candidate is measured in a fresh process of its own with one thread, on one song: a first
separation that pays for imports and weights, then the one that counts.
"""

import math
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from isolde.evaluation.candidates import Candidate
from isolde.evaluation.songs import Song

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Cost:
    """Cost of a candidate on one thread; nan where it is not known.

    Attributes:
        candidate: its name.
        audio_seconds: length of the song.
        first_cpu_seconds: CPU time of the first separation, imports and weights included.
        cpu_seconds: CPU time of the second.
        peak_megabytes: peak resident memory of the process, Python included.
        model_megabytes: size of the weights.
        latency_seconds: of the streaming form.
        error: one line when it failed.
    """

    candidate: str
    audio_seconds: float = math.nan
    first_cpu_seconds: float = math.nan
    cpu_seconds: float = math.nan
    peak_megabytes: float = math.nan
    model_megabytes: float = math.nan
    latency_seconds: float = math.nan
    error: str | None = None

    @property
    def speed(self) -> float:
        """Audio seconds per CPU second of the second separation."""
        return self.audio_seconds / self.cpu_seconds if self.cpu_seconds > 0 else math.nan


def measure_costs(candidates: Sequence[Candidate], song: Song) -> list[Cost]:
    """Measure candidates one after the other, each in a fresh process.

    Args:
        candidates: picklable.
        song: what they separate; longer is better for speed and worse for memory.
    """
    context = multiprocessing.get_context("spawn")
    out = []
    for candidate in candidates:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(candidate, song, theirs))
        with _one_thread():
            process.start()
        theirs.close()
        try:
            out.append(mine.recv())
        except EOFError:
            out.append(Cost(candidate.name, error="the process died"))
        process.join()
    return out


def peak_megabytes() -> float:
    """Peak resident memory of this process.

    Linux keeps it per program in /proc; ru_maxrss there also remembers the parent's size at the
    fork, and is the fallback elsewhere (bytes on macOS, KiB on other systems).
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def costs_markdown(costs: Sequence[Cost]) -> str:
    """The costs as a Markdown table."""
    head = "| candidate | audio s per CPU s | first run, CPU s | peak MB | model MB | latency, ms |"
    lines = [head, "|---|---|---|---|---|---|"]
    for cost in costs:
        if cost.error:
            lines.append(f"| {cost.candidate} | failed: {cost.error} | | | | |")
            continue
        numbers = (
            (cost.speed, "{:.3g}"),
            (cost.first_cpu_seconds, "{:.2f}"),
            (cost.peak_megabytes, "{:.0f}"),
            (cost.model_megabytes, "{:.1f}"),
            (1000 * cost.latency_seconds, "{:.1f}"),
        )
        cells = ("-" if math.isnan(value) else text.format(value) for value, text in numbers)
        lines.append(f"| {cost.candidate} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _work(candidate: Candidate, song: Song, pipe: Connection) -> None:
    try:
        stems = song.load()
        times = []
        for _ in range(2):
            start = time.process_time()
            candidate(stems)
            times.append(time.process_time() - start)
        said = getattr(candidate.separate, "measured", None)
        bytes_ = candidate.model_bytes
        if said is None:
            cost = Cost(
                candidate.name,
                stems.seconds,
                times[0],
                times[1],
                peak_megabytes(),
                math.nan if bytes_ is None else bytes_ / 1e6,
                math.nan if candidate.latency_seconds is None else candidate.latency_seconds,
            )
        else:  # a foreign program: this process only waited for it
            cpu = said.get("cpu_seconds", math.nan)
            cost = Cost(
                candidate.name,
                stems.seconds,
                cpu + said.get("load_cpu_seconds", math.nan),
                cpu,
                said.get("peak_megabytes", math.nan),
                said.get("model_bytes", math.nan) / 1e6,
            )
        pipe.send(cost)
    except Exception as error:  # reported in the table
        line = " ".join(f"{type(error).__name__}: {error}".split())
        pipe.send(Cost(candidate.name, error=line))
    finally:
        pipe.close()


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the numeric libraries of processes started inside."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
