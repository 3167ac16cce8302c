"""Costs of a separator: CPU time, peak memory, size, latency; never how well it sounds.

Each candidate is measured in a new process with one thread, on one song repeated to SECONDS: a
first separation that includes imports and weights, then the one that counts.
"""

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from isolde.core import parallel
from isolde.core.config import build, plain
from isolde.core.journal import append_line, read_lines
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.songs import Song, Stems

SECONDS = 45.0  # short songs are repeated to this: some peers work in chunks of 12 s
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Cost:
    """Cost of a candidate on one thread; nan where it is not known.

    Attributes:
        candidate: Name of the candidate.
        audio_seconds: Length of the song.
        first_cpu_seconds: CPU time of the first separation, imports and weights included.
        cpu_seconds: CPU time of the second.
        peak_megabytes: Peak resident memory of the process, Python included.
        model_megabytes: Size of the weights.
        latency_seconds: Latency of the streaming form.
        error: One line when it failed.
        identity: Identity of the candidate when it was measured.
        stamp: Stamp of the song, see `Song.stamp`.
    """

    candidate: str
    audio_seconds: float = math.nan
    first_cpu_seconds: float = math.nan
    cpu_seconds: float = math.nan
    peak_megabytes: float = math.nan
    model_megabytes: float = math.nan
    latency_seconds: float = math.nan
    error: str | None = None
    identity: str = ""
    stamp: str = ""

    @property
    def speed(self) -> float:
        """Audio seconds per CPU second of the second separation."""
        return self.audio_seconds / self.cpu_seconds if self.cpu_seconds > 0 else math.nan

    def sizes(self) -> tuple[str, str, str]:
        """Format peak megabytes, megabytes of the weights and latency in ms for a table."""
        numbers = (
            (self.peak_megabytes, "{:.0f}"),
            (self.model_megabytes, "{:.1f}"),
            (1000 * self.latency_seconds, "{:.1f}"),
        )
        peak, size, late = ("-" if math.isnan(v) else text.format(v) for v, text in numbers)
        return peak, size, late


def measure_costs(
    candidates: Sequence[Candidate], song: Song, *, known: str | Path | None = None
) -> list[Cost]:
    """Measure candidates one after the other, each in a fresh process.

    Args:
        candidates: Picklable.
        song: Song that they separate, repeated to SECONDS.
        known: File of JSON lines with costs measured before; those of the same identity and song
            are not measured again, and new costs are added.
    """
    stamp = song.stamp
    before = {(cost.candidate, cost.identity, cost.stamp): cost for cost in _read(known)}
    out = []
    for candidate in candidates:
        cost = before.get((candidate.name, candidate.identity, stamp))
        if cost is None:
            cost = replace(_measured(candidate, song), stamp=stamp)
            if known is not None and cost.error is None:
                append_line(known, plain(cost))
        out.append(cost)
    return out


def repeated(stems: Stems, *, seconds: float = SECONDS) -> Stems:
    """Repeat a song until it lasts at least `seconds`; a longer one stays whole."""
    times = max(1, math.ceil(seconds / stems.seconds))
    mixture, vocals, accompaniment = (
        np.tile(x, (1, times)) for x in (stems.mixture, stems.vocals, stems.accompaniment)
    )
    return Stems(mixture, vocals, accompaniment, stems.sample_rate)


def _read(path: str | Path | None) -> list[Cost]:
    """Costs of earlier runs; none of a file that cannot be read."""
    try:
        lines = read_lines(path) if path is not None else ()
        return [build(Cost, line, where=str(path), nan=True) for _, line in lines]
    except (OSError, ValueError):
        return []


def _measured(candidate: Candidate, song: Song) -> Cost:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(candidate, song, theirs))
    with _one_thread():
        process.start()
    theirs.close()
    try:
        cost: Cost = mine.recv()
    except EOFError:
        cost = Cost(candidate.name, error="the process died")
    except BaseException:  # Ctrl-C: end the peer as well
        process.terminate()
        raise
    process.join()
    return cost


def peak_megabytes() -> float:
    """Peak resident memory of this process.

    Linux keeps it per program in /proc. Its ru_maxrss includes the parent's size at the fork, and
    is the fallback elsewhere (bytes on macOS, KiB on other systems).
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _work(candidate: Candidate, song: Song, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, parallel.terminate)
    try:
        stems = repeated(song.load())
        times = []
        for _ in range(2):
            start = time.process_time()
            candidate(stems)
            times.append(time.process_time() - start)
        late, size = candidate.latency_seconds, candidate.model_bytes
        cost = Cost(
            candidate.name,
            stems.seconds,
            times[0],
            times[1],
            peak_megabytes(),
            math.nan if size is None else size / 1e6,
            math.nan if late is None else late,
            identity=candidate.identity,
        )
        said = getattr(candidate.separate, "measured", None)
        if said is not None:  # a foreign program: this process only waited for it
            first, cpu, peak, size = (
                said.get(name, math.nan)
                for name in ("load_cpu_seconds", "cpu_seconds", "peak_megabytes", "model_bytes")
            )
            cost = replace(
                cost,
                first_cpu_seconds=first + cpu,
                cpu_seconds=cpu,
                peak_megabytes=peak,
                model_megabytes=size / 1e6,
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
