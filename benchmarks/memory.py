"""Peak memory of `isolde separate` for a short and a long file: python benchmarks/memory.py.

The promise: three hours peak at no more than three minutes plus 50 MB.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from shared import used


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
    second = rng.uniform(-0.3, 0.3, (options.channels, options.rate)).astype(np.float32)
    peaks = {}
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "song.wav"
            with AudioWriter(path, sample_rate=options.rate, n_channels=options.channels) as writer:
                for _ in range(round(60 * minutes)):
                    writer.write(second)
            command = [sys.executable, "-m", "isolde", "separate", str(path), "-o", folder, "-q"]
            command += ["--model", options.model]
            peaks[f"{minutes:g} min, MB"] = round(used(command)[1], 1)
    print(json.dumps(peaks, indent=1))


if __name__ == "__main__":
    main()
