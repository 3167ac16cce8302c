"""Separate a stream block by block, in constant memory: python examples/separate_stream.py SONG.

What `isolde live` does with a sound card, done with a file: blocks of 1024 samples go in, and what
is ready of each stem comes out, at most `separator.latency` samples late; the rest at the end.
"""

import sys
from collections.abc import Iterator

import numpy as np

import isolde
from isolde.audio import AudioReader


def vocals_of(separator: isolde.Separator, reader: AudioReader) -> Iterator[np.ndarray]:
    """Give the vocals (n_channels, n) of a song, as they are ready."""
    for block in reader:
        for part in np.split(block, range(1024, block.shape[1], 1024), axis=1):
            yield separator.feed(part)["vocals"]
    yield separator.flush()["vocals"]


def main(song: str) -> None:
    """Print the level of the vocals for each second of a song, while it is being separated."""
    with AudioReader(song) as reader:
        rate = reader.info.sample_rate
        channels = reader.info.n_channels
        separator = isolde.load_separator(
            "vocals", sample_rate=rate, n_channels=channels, live=True
        )
        print(f"latency {1000 * separator.latency / rate:.1f} ms")
        waiting, second = np.zeros((channels, 0), np.float32), 0
        for vocals in vocals_of(separator, reader):
            waiting = np.concatenate([waiting, vocals], axis=1)
            while waiting.shape[1] >= rate:
                print_level(second, waiting[:, :rate])
                waiting, second = waiting[:, rate:], second + 1
        if waiting.shape[1]:
            print_level(second, waiting)


def print_level(second: int, vocals: np.ndarray) -> None:
    """Print the RMS of a second, or of less at the end, in dB of full scale."""
    print(f"{second:4d} s  {10 * np.log10(np.mean(vocals**2) + 1e-12):6.1f} dB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/separate_stream.py SONG")
    main(*sys.argv[1:])
