"""Live separation for a long time on null sinks: what is late, what it costs, whether memory grows.

    python benchmarks/live_soak.py --seconds 600 --frames 1 4 16     # half an hour in all
    taskset -c 0 python benchmarks/live_soak.py                      # the same on one core
    python benchmarks/live_soak.py --beside 0                        # and nothing else on it
    python benchmarks/live_soak.py --seconds 60 --compare            # where the network should live

Noise plays all the while, so the network works as it does for music. Beside it another process of
the same priority takes half of the core (`--beside`), 5 ms of every 10. Prints a Markdown table, a
row as soon as it is known, and the machine's load. There should be no late block, underrun or
overrun, flat memory and a p99 below 100 %. `--compare` runs the pipeline four ways, each beside
a thread of plain Python at work (`--busy`, a share of the time): the network in a child process or
in a thread of this one, the device by blocking calls or by a callback. Linux only (see
live_server.py).
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from live_server import NullSinks, missing

WAYS = [(place, io) for place in ("process", "thread") for io in ("blocking", "callback")]


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Attributes:
        blocks: played.
        late: of them, played from the mixture.
        underruns: gaps of the output device.
        overruns: losses of the input device.
        slips: blocks left out because the devices' queues had grown.
        load: p50, p95, p99 of the time per block as a share of its duration.
        cpu: CPU seconds for a second of sound: the network's process and this one.
        grown: megabytes from a quarter of the time to the end: the network's process, this one,
            and the memory that this one shares, which is the sound server's library's: the tapes
            are full by then.
        latency_ms: printed at the end.
        beside: CPU seconds for a second of sound that another program had.
        stolen: share of the time in which our cores ran another machine (virtual ones only).
    """

    blocks: int
    late: int
    underruns: int
    overruns: int
    slips: int
    load: tuple[float, float, float]
    cpu: tuple[float, float]
    grown: tuple[float, float, float]
    latency_ms: float
    beside: float
    stolen: float


def _resident_mb(pid: int) -> tuple[float, float]:
    """What is a process's own, and what it shares with others."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return (kb["RssAnon"] + kb["RssFile"]) * 1.024e-3, kb["RssShmem"] * 1.024e-3


def _stolen_seconds() -> float:
    """By the host, from the cores that we may use, in the mean over them."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [s.split() for s in Path("/proc/stat").read_text().splitlines()]
    return sum(int(s[8]) for s in lines if s[0] in ours) / os.sysconf("SC_CLK_TCK") / len(ours)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class _Busy:
    """A thread of plain Python, at work for a share of the time in pieces of some ms."""

    def __init__(self, share: float) -> None:
        self._share, self._end = share, threading.Event()
        if share:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._end.is_set():
            until, total = time.perf_counter() + 0.02 * self._share, 0
            while time.perf_counter() < until:
                total += sum(range(100))
            time.sleep(0.02 * (1 - self._share))

    def close(self) -> None:
        self._end.set()


_NEIGHBOUR = """
import sys, time
share, period, at = float(sys.argv[1]), 0.01, time.monotonic()
while True:
    until, at = time.process_time() + share * period, at + period
    while time.process_time() < until:
        sum(range(100))
    wait = at - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    else:
        at = time.monotonic()
"""


class _Neighbour:
    """Another program at work on the same cores, for a share of one."""

    def __init__(self, share: float) -> None:
        self._child = None
        if share:
            self._child = subprocess.Popen([sys.executable, "-c", _NEIGHBOUR, str(share)])
        self._began = time.monotonic()

    def close(self) -> float:
        """End it; gives the share that it got."""
        if self._child is None:
            return 0.0
        got = _cpu_seconds(self._child.pid) / (time.monotonic() - self._began)
        self._child.kill()
        self._child.wait()
        return got


class _Session:
    """The way that ships: `isolde.live.Live`, whole."""

    def __init__(self, plan, source, target, device_latency) -> None:  # type: ignore[no-untyped-def]
        from isolde.live import Live

        self._live = Live(plan, source=source, target=target, device_latency=device_latency)
        self.pipeline = self._live.pipeline
        self._live.start()

    @property
    def latency_ms(self) -> float:
        return 1000 * self._live.latency

    def close(self) -> None:
        self._live.close()


class _Variant:
    """The other ways, only to compare: the network in a thread, the device by a callback."""

    def __init__(self, plan, source, target, device_latency, *, place, io) -> None:  # type: ignore[no-untyped-def]
        from isolde.live.stream.pipeline import Pipeline
        from isolde.live.worker.engine import Engine

        self._plan, self._stop, self._queued = plan, threading.Event(), 0.0
        self._engine = Engine(plan, place=place)
        self.pipeline = Pipeline(plan, self._engine, follow=True)
        while not self.pipeline.ready:
            self.pipeline.collect(0.2)
        self._stream = self._thread = None
        if io == "blocking":
            self._thread = threading.Thread(
                target=self._block, args=(source, target, device_latency), daemon=True
            )
            self._thread.start()
        else:
            from isolde.live.io.devices import portaudio

            self._stream = portaudio().Stream(
                device=(source.index, target.index),
                samplerate=plan.sample_rate,
                blocksize=plan.block,
                channels=plan.n_channels,
                dtype="float32",
                latency=device_latency,
                callback=self._callback,
            )
            self._stream.start()

    @property
    def latency_ms(self) -> float:
        plan = self._plan
        return 1000 * (plan.delay + plan.block + self._queued) / plan.sample_rate

    def close(self) -> None:
        self._stop.set()
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
        if self._thread is not None:
            self._thread.join(10)
        self._engine.close()

    def _block(self, source, target, device_latency) -> None:  # type: ignore[no-untyped-def]
        from isolde.live.io.open import open_ports

        plan, pipeline = self._plan, self.pipeline
        ports = open_ports(plan, source=source, target=target, latency=device_latency)
        while not self._stop.is_set():
            captured, lost = ports.read()
            pipeline.counts.overruns += lost
            pipeline.push(captured)
            store = ports.queued[1] / plan.sample_rate - 0.003
            patience = max(0.0, min(store, 4 * plan.block_seconds)) * pipeline.on_stems
            heard = pipeline.pull(plan.block, patience=patience)
            self._queued = sum(ports.queued)
            pipeline.counts.underruns += ports.write(heard)
        ports.close()

    def _callback(self, indata, outdata, n, when, flags) -> None:  # type: ignore[no-untyped-def]
        plan, pipeline = self._plan, self.pipeline
        pipeline.counts.overruns += bool(flags.input_overflow)
        pipeline.counts.underruns += bool(flags.output_underflow)
        seconds = when.outputBufferDacTime - when.inputBufferAdcTime
        self._queued = seconds * plan.sample_rate - plan.block
        pipeline.push(np.ascontiguousarray(indata.T))
        outdata[:] = pipeline.pull(plan.block).T


def soak(
    model: str,
    *,
    frames: int,
    seconds: float,
    place: str = "process",
    io: str = "blocking",
    depth: int = 1,
    device_latency: float | str = "low",
    busy: float = 0.0,
    beside: float = 0.0,
) -> Result:
    """Capture from the null sink, separate, play to it, for a time. The server must run."""
    from isolde.live import find, make_plan
    from isolde.separation import SeparationSettings

    plan = make_plan(
        SeparationSettings(model),
        sample_rate=44100,
        n_channels=2,
        block=512 * frames,
        depth=depth,
        seconds=4.0,
    )
    source, target = find("isolde_capture", "input"), find("isolde_out", "output")
    noise, neighbour, sizes, marks = _Busy(busy), _Neighbour(beside), [], []
    way: _Session | _Variant
    if (place, io) == WAYS[0]:
        way = _Session(plan, source, target, device_latency)
    else:
        way = _Variant(plan, source, target, device_latency, place=place, io=io)
    pipeline = way.pipeline
    pid = pipeline.engine.pid

    def measure() -> None:
        here = os.getpid()
        seconds = (_cpu_seconds(pid), _cpu_seconds(here), _stolen_seconds(), time.monotonic())
        marks.append(seconds)
        sizes.append((_resident_mb(pid)[0], *_resident_mb(here)))

    began = time.monotonic()
    while time.monotonic() - began < max(seconds / 4, 5.0):  # the tapes have been round once
        time.sleep(0.2)
    measure()
    while time.monotonic() - began < seconds:
        time.sleep(0.2)
        pipeline.load.percentiles(last=1024)  # what the meters do
    measure()
    load, latency_ms = pipeline.load.percentiles(), way.latency_ms
    blocks = (pipeline.position + plan.delay) // plan.block
    way.close()
    noise.close()
    other = neighbour.close()
    *used, passed = (b - a for a, b in zip(*marks, strict=True))
    network, rest, stolen = (seconds / passed for seconds in used)
    grown = [b - a for a, b in zip(*sizes, strict=True)]
    counts = pipeline.counts
    return Result(
        blocks=blocks,
        late=counts.late,
        underruns=counts.underruns,
        overruns=counts.overruns,
        slips=counts.slips,
        load=load,
        cpu=(network, rest),
        grown=(grown[0], grown[1], grown[2]),
        latency_ms=latency_ms,
        beside=other,
        stolen=stolen,
    )


def row(name: str, r: Result) -> str:
    """A line of the table."""
    p50, p95, p99 = (100 * v for v in r.load)
    network, rest, other = (100 * v for v in (*r.cpu, r.beside))
    return (
        f"| {name} | {r.blocks} | {r.late} | {r.underruns} | {r.overruns} | {r.slips} | "
        f"{p50:.0f} / {p95:.0f} / {p99:.0f} % | {network:.0f} + {rest:.0f} + {other:.0f} % | "
        f"{r.grown[0]:+.1f} {r.grown[1]:+.1f} {r.grown[2]:+.1f} | {r.latency_ms:.0f} | "
        f"{100 * r.stolen:.1f} % |"
    )


HEAD = (
    "| run | blocks | late | underruns | overruns | slips | load p50 / p95 / p99 | "
    "CPU network + rest + other program | MB grown | latency ms | stolen |\n" + 11 * "|---" + "|"
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="vocals")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--device-latency", type=float, help="seconds in each device; else low")
    parser.add_argument("--beside", type=float, default=0.5)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--busy", type=float, default=0.5)
    asked = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    with NullSinks() as server:
        server.use_here()
        rng = np.random.default_rng(0)
        minute = (0.2 * rng.standard_normal((2, 44100 * 60))).astype(np.float32)
        print(f"load average before: {os.getloadavg()}, {_cores()} cores\n\n{HEAD}", flush=True)
        for frames in asked.frames:
            for place, io in WAYS if asked.compare else WAYS[:1]:
                player = server.play(minute, times=int(asked.seconds // 60) + 2)
                result = soak(
                    asked.model,
                    frames=frames,
                    seconds=asked.seconds,
                    place=place,
                    io=io,
                    depth=asked.depth,
                    device_latency=asked.device_latency or "low",
                    busy=asked.busy if asked.compare else 0.0,
                    beside=0.0 if asked.compare else asked.beside,
                )
                name = f"{frames} frames" + (f", {place}, {io}" if asked.compare else "")
                print(row(name, result), flush=True)
                player.terminate()
        print(f"\nload average after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
