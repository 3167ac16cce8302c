"""Separate a stream block by block, in constant memory: python examples/separate_stream.py SONG.

What `isolde live` does with a sound card, done with a file: blocks of 1024 samples go in, and what
is ready of each stem comes out, at most `separator.latency` samples late.
"""

import sys

import numpy as np

import isolde
from isolde.audio import AudioReader


def main(song: str) -> None:
    """Print the level of the vocals for each second of a song, while it is being separated."""
    with AudioReader(song) as reader:
        rate = reader.info.sample_rate
        channels = reader.info.n_channels
        separator = isolde.load_separator(
            "vocals", sample_rate=rate, n_channels=channels, live=True
        )
        print(f"latency {1000 * separator.latency / rate:.1f} ms")
        waiting, second = [], 0
        blocks = (
            part
            for block in reader
            for part in np.split(block, range(1024, block.shape[1], 1024), axis=1)
        )
        for block in blocks:
            waiting.append(separator.feed(block)["vocals"])
            if sum(part.shape[1] for part in waiting) >= rate:
                vocals = np.concatenate(waiting, axis=1)
                level = 10 * np.log10(np.mean(vocals[:, :rate] ** 2) + 1e-12)
                print(f"{second:4d} s  {level:6.1f} dB")
                waiting, second = [vocals[:, rate:]], second + 1
        waiting.append(separator.flush()["vocals"])


if __name__ == "__main__":
    main(*sys.argv[1:])
