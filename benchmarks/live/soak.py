"""Live separation for a long time on null sinks: what is late, what it costs, whether memory grows.

    python benchmarks/live/soak.py --seconds 600 --frames 1 4 16     # half an hour in all
    taskset -c 0 python benchmarks/live/soak.py                      # the same on one core
    python benchmarks/live/soak.py --beside 0                        # and nothing else on it

Noise plays all the while, so the network works as it does for music. Beside it another process
takes half of the core (`--beside`), 5 ms of every 10. Prints a Markdown table, a row as soon as it
is known, and the machine's load. There should be no late block, underrun or overrun, flat memory
and a p99 below 100 %. Linux only (see null_sinks.py).
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass

import numpy as np
from null_sinks import NullSinks, missing
from processes import Program, cores, cpu_seconds, resident_mb, stolen_seconds

from isolde.live import Live, find, make_plan
from isolde.separation import SeparationSettings


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Attributes:
        blocks: Number of blocks played.
        late: Number of them that were played from the mixture.
        underruns: Number of gaps of the output device.
        overruns: Number of losses of the input device.
        slips: Number of blocks left out because the devices' queues had grown.
        load: p50, p95, p99 of the time per block as a share of its duration.
        cpu: CPU seconds for a second of sound: of the network's process and of this one.
        grown: Megabytes grown from a quarter of the time to the end: the network's process, this
            one, and the memory that this one shares, which is the sound server's library's.
        latency_ms: Latency in ms at the end.
        beside: CPU seconds for a second of sound that another program had.
        stolen: Share of the time in which the host gave our cores to others (virtual ones only).
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
    depth: int = 1,
    device_latency: float | str = "low",
    beside: float = 0.0,
) -> Result:
    """Capture from the null sink, separate and play to it for a time; the server must run."""
    plan = make_plan(
        SeparationSettings(model),
        sample_rate=44100,
        n_channels=2,
        block=512 * frames,
        depth=depth,
        seconds=4.0,
    )
    source, target = find("isolde_capture", "input"), find("isolde_out", "output")
    neighbour, sizes, marks = Program(beside), [], []
    live = Live(plan, source=source, target=target, device_latency=device_latency)
    live.start()
    pipeline = live.pipeline
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
    load, latency_ms = pipeline.load.percentiles(), 1000 * live.latency
    blocks = (pipeline.position + plan.delay) // plan.block
    live.close()
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
    """Give a row of the table."""
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
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="vocals")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--device-latency", type=float, help="seconds in each device; else low")
    parser.add_argument("--beside", type=float, default=0.5)
    asked = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    with NullSinks() as server:
        server.use_here()
        rng = np.random.default_rng(0)
        minute = (0.2 * rng.standard_normal((2, 44100 * 60))).astype(np.float32)
        print(f"load average before: {os.getloadavg()}, {cores()} cores\n\n{HEAD}", flush=True)
        for frames in asked.frames:
            player = server.play(minute, times=int(asked.seconds // 60) + 2)
            result = soak(
                asked.model,
                frames=frames,
                seconds=asked.seconds,
                depth=asked.depth,
                device_latency=asked.device_latency or "low",
                beside=asked.beside,
            )
            print(row(f"{frames} frames", result), flush=True)
            player.terminate()
        print(f"\nload average after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
