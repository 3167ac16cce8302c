"""Measures the end-to-end latency: clicks into one device, out of the other, on one clock.

    python benchmarks/live/latency.py
    python benchmarks/live/latency.py --model vocals-live --block 512 --device-latency 0.01
    python benchmarks/live/latency.py --starts 5      # how soon `isolde live SONG` is heard

Prints for each setting what the session says and what was measured. Linux only (see
null_sinks.py).
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from null_sinks import NullSinks, missing

APART = 66_150
"""Samples from one click to the next, 1.5 s: more than any latency here, so that each is known."""


@dataclass(frozen=True)
class Latency:
    """What one run gave, in ms.

    Attributes:
        separator: Latency of the network's look-ahead and the windows.
        declared: Latency that the session printed, devices included.
        measured: Median over the clicks.
        spread: Largest less smallest; not 0 when a device had a gap.
        gaps: Underruns, overruns and late blocks.
    """

    separator: float
    declared: float
    measured: float
    spread: float
    gaps: tuple[int, int, int]


def measure(
    server: NullSinks,
    model: str,
    *,
    block: int,
    depth: int,
    device_latency: float | str,
    synthesis: str | None = None,
    seconds: float = 8.0,
) -> Latency:
    """Play a click every 1.5 s through a session whose output is all stems together."""
    from isolde.live import Live, find, make_plan
    from isolde.separation import SeparationSettings

    clicks = np.zeros((2, int(44100 * seconds)), np.float32)
    clicks[:, APART // 3 :: APART] = 0.5
    plan = make_plan(
        SeparationSettings(model, synthesis=synthesis),
        sample_rate=44100,
        n_channels=2,
        block=block,
        depth=depth,
    )
    live = Live(
        plan,
        source=find("isolde_capture", "input"),
        target=find("isolde_out", "output"),
        device_latency=device_latency,
    )
    live.controls.do("mix")
    live.pipeline.mixer.settle()
    with live:
        bus = server.record()
        server.play(clicks).wait(60)
        time.sleep(1.0)
        declared, counts = live.latency, live.status().counts
    recorded = server.stop_recording(bus)
    sent = np.flatnonzero(np.abs(recorded[0]) > 0.4)
    came = np.flatnonzero(np.abs(recorded[2]) > 0.4)
    delays = np.array([c - sent[sent < c].max() for c in came if (sent < c).any()]) / 44.1
    return Latency(
        separator=plan.lag / 44.1,
        declared=1000 * declared,
        measured=float(np.median(delays)),
        spread=float(np.ptp(delays)),
        gaps=(counts.underruns, counts.overruns, counts.late),
    )


_COMMAND = """
import sys
from isolde.live import session
close = session.Live.close
def tell(live):
    print(live._loop._began, live.first_sound, live.first_stems, flush=True)
    close(live)
session.Live.close = tell
from isolde.cli import main
sys.argv = ["isolde", "live", sys.argv[1], "--output", "isolde_out", "--stop-after", "6", "-q"]
main()
"""


def starts(server: NullSinks, times: int) -> None:
    """Print how long `isolde live SONG` takes to its first sound and to its first stems."""
    from isolde.audio import write

    path = server.folder / "song.wav"
    rng = np.random.default_rng(0)
    write(path, (0.2 * rng.standard_normal((2, 44100 * 20))).astype(np.float32), 44100)
    rows = []
    for _ in range(times):
        began = time.monotonic()
        told = subprocess.run(
            [sys.executable, "-c", _COMMAND, str(path)], capture_output=True, text=True
        ).stdout
        inside, sound, stems = (float(v) for v in told.split()[:3])
        rows.append((inside - began, sound, inside - began + sound, inside - began + stems))
    names = ("Python and imports", "`start()` to sound", "command to sound", "command to stems")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        each = " ".join(f"{v:.2f}" for v in sorted(values))
        print(f"| {name} | {np.median(values):.2f} s | {each} |", flush=True)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", nargs="+", default=["vocals", "vocals-live"])
    parser.add_argument("--synthesis", choices=["long", "short"])
    parser.add_argument("--block", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--depth", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--device-latency", nargs="+", default=["low"])
    parser.add_argument("--starts", type=int, default=0)
    asked = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    every = [
        (m, b, d, q)
        for m in asked.model
        for b in asked.block
        for d in asked.depth
        for q in asked.device_latency
    ]
    with NullSinks() as server:
        server.use_here()
        print(f"load average {os.getloadavg()}, {os.cpu_count()} cores")
        if asked.starts:
            starts(server, asked.starts)
            return
        print(
            "| model | block | depth | device buffer | separator | printed | measured | spread | "
            "gaps |\n" + 9 * "|---" + "|"
        )
        for model, block, depth, buffered in every:
            r = measure(
                server,
                model,
                block=block,
                depth=depth,
                device_latency=buffered if buffered in ("low", "high") else float(buffered),
                synthesis=asked.synthesis,
            )
            print(
                f"| {Path(model).stem} | {1000 * block / 44100:.1f} | {depth} | {buffered} | "
                f"{r.separator:.1f} | {r.declared:.1f} | {r.measured:.1f} | {r.spread:.1f} | "
                f"{r.gaps[0]} / {r.gaps[1]} / {r.gaps[2]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
