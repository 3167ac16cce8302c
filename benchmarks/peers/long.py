"""CPU time and peak memory of a long song: `isolde separate` and a peer's adapter, in one run.

    python benchmarks/peers/long.py song.wav --model spleeter --peer spleeter-itself

Compare the ratios: the absolute numbers are those of the machine and what else it does.
"""

import argparse
import sys
import tempfile
from pathlib import Path

PEERS = Path(__file__).parent
sys.path.insert(0, str(PEERS.parent))

from shared import used  # noqa: E402


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
        (our_cpu, our_peak), (cpu, peak) = used(ours), used(theirs)
    print(f"isolde, {asked.model}: {our_cpu:.1f} CPU s, {our_peak:.0f} MB")
    print(f"{asked.peer} by itself: {cpu:.1f} CPU s, {peak:.0f} MB; CPU ratio {cpu / our_cpu:.2f}")


if __name__ == "__main__":
    main()
