"""CPU time and peak memory of a long song: `isolde separate` and a peer's adapter, in one run.

    python benchmarks/peers/long.py song.wav --model spleeter --peer spleeter-itself

Compare the ratios: the absolute numbers are those of the machine and what else it does.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEERS = Path(__file__).parent


def peak_of(process: int) -> float:
    """Largest resident memory that a process had so far in MB; 0 when it has ended (Linux)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)


def measure(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MB of a command, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_of(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description="CPU time and memory of a long song.")
    parser.add_argument("song", type=Path)
    parser.add_argument("--model", default="spleeter")
    parser.add_argument(
        "--peer", default="spleeter-itself", help="a folder beside this file, set up"
    )
    asked = parser.parse_args()
    peer = PEERS / asked.peer
    with tempfile.TemporaryDirectory() as folder:
        ours = [sys.executable, "-m", "isolde", "separate", str(asked.song), "-q"]
        ours += ["--model", asked.model, "--threads", "1", "-o", f"{folder}/ours"]
        theirs = [str(peer / ".venv/bin/python"), str(peer / "separate.py"), str(asked.song)]
        theirs += [f"{folder}/theirs", "--threads", "1"]
        (our_cpu, our_peak), (cpu, peak) = measure(ours), measure(theirs)
    print(f"isolde, {asked.model}: {our_cpu:.1f} CPU s, {our_peak:.0f} MB")
    print(f"{asked.peer} by itself: {cpu:.1f} CPU s, {peak:.0f} MB; CPU ratio {cpu / our_cpu:.2f}")


if __name__ == "__main__":
    main()
