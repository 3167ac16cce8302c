"""Separate a file and write its stems: python examples/separate_file.py SONG FOLDER."""

import sys
from pathlib import Path

import isolde
from isolde.audio import info, write


def main(song: str, folder: str) -> None:
    """Write {folder}/vocals.wav and {folder}/accompaniment.wav."""
    sample_rate = info(song).sample_rate
    for stem, samples in isolde.separate(song).items():
        path = Path(folder) / f"{stem}.wav"
        write(path, samples, sample_rate)
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/separate_file.py SONG FOLDER")
    try:
        main(*sys.argv[1:])
    except isolde.IsoldeError as error:
        sys.exit(str(error))
