"""Peak memory of `isolde separate` for a short and a long file: python benchmarks/memory.py.

The promise: three hours peak at no more than three minutes plus 50 MB.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np


def peak_megabytes(command: list[str]) -> float:
    """Peak resident memory of a command."""
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs=2, default=(3.0, 180.0))
    parser.add_argument("--rate", type=int, default=44100)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--model", default="vocals")
    options = parser.parse_args()
    from isolde.audio import AudioWriter

    rng = np.random.default_rng(0)
    minute = rng.uniform(-0.3, 0.3, (options.channels, 60 * options.rate)).astype(np.float32)
    peaks = {}
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "song.wav"
            with AudioWriter(path, sample_rate=options.rate, n_channels=options.channels) as writer:
                for _ in range(int(minutes)):
                    writer.write(minute)
            command = [sys.executable, "-m", "isolde", "separate", str(path), "-o", folder, "-q"]
            command += ["--model", options.model]
            peaks[f"{minutes:g} min, MB"] = round(peak_megabytes(command), 1)
    print(json.dumps(peaks, indent=1))


if __name__ == "__main__":
    main()
