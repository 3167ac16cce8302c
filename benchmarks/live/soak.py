"""Live separation for a long time on null sinks: what is late, what it costs, whether memory grows.

    python benchmarks/live/soak.py --seconds 600 --frames 1 4 16     # half an hour in all
    taskset -c 0 python benchmarks/live/soak.py                      # the same on one core
    python benchmarks/live/soak.py --beside 0                        # and nothing else on it
    python benchmarks/live/soak.py --seconds 60 --compare            # where the network should live

Noise plays all the while, so the network works as it does for music. Beside it another process of
the same priority takes half of the core (`--beside`), 5 ms of every 10. Prints a Markdown table, a
row as soon as it is known, and the machine's load. There should be no late block, underrun or
overrun, flat memory and a p99 below 100 %. `--compare` runs the pipeline four ways, each beside
a thread of plain Python at work (`--busy`, a share of the time): the network in a child process or
in a thread of this one, the device by blocking calls or by a callback. Linux only (see
null_sinks.py).
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass

import numpy as np
from neighbours import Program, Thread
from null_sinks import NullSinks, missing
from processes import cores, cpu_seconds, resident_mb, stolen_seconds
from ways import WAYS, Session, Variant

from isolde.live import find, make_plan
from isolde.separation import SeparationSettings


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
    plan = make_plan(
        SeparationSettings(model),
        sample_rate=44100,
        n_channels=2,
        block=512 * frames,
        depth=depth,
        seconds=4.0,
    )
    source, target = find("isolde_capture", "input"), find("isolde_out", "output")
    noise, neighbour, sizes, marks = Thread(busy), Program(beside), [], []
    way: Session | Variant
    if (place, io) == WAYS[0]:
        way = Session(plan, source, target, device_latency)
    else:
        way = Variant(plan, source, target, device_latency, place=place, io=io)
    pipeline = way.pipeline
    pid = pipeline.engine.pid

    def measure() -> None:
        here = os.getpid()
        seconds = (cpu_seconds(pid), cpu_seconds(here), stolen_seconds(), time.monotonic())
        marks.append(seconds)
        sizes.append((resident_mb(pid)[0], *resident_mb(here)))

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
        print(f"load average before: {os.getloadavg()}, {cores()} cores\n\n{HEAD}", flush=True)
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
