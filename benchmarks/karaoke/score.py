"""Words and melody against UltraStar songs made by hand: python score.py SONGS.

SONGS holds a folder a song with `song.txt`, in the UltraStar format, and its `audio.mp3` or
`audio.ogg`, as https://github.com/UltraStar-Deluxe/songs has them under "Creative Commons". The
lines of a text are given as words, with a break where nobody sings for five seconds.
"""

import re
import sys
from pathlib import Path

import numpy as np

from isolde.karaoke import WordLine, find_singing
from isolde.separation import SeparationSettings

NOTE = re.compile(r"([:*F])\s*(-?\d+) (\d+) (-?\d+) ?(.*)")
BREAK = 5.0  # seconds
Sung = tuple[float, float, int, str]  # start and end in seconds, semitones from C4, syllable


def read_text(path: Path) -> list[list[Sung]]:
    """Read the lines of a text, without its freestyle notes."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    header = dict(row[1:].split(":", 1) for row in text.splitlines() if row.startswith("#"))
    beat = 15 / float(header["BPM"].replace(",", "."))
    gap = float(header.get("GAP", "0").replace(",", ".")) / 1000
    lines: list[list[Sung]] = [[]]
    for row in text.splitlines():
        if row.startswith("-"):
            lines.append([])
        elif (note := NOTE.match(row)) and note[1] != "F":
            start = gap + beat * int(note[2])
            lines[-1].append((start, start + beat * int(note[3]), int(note[4]), note[5]))
    return [line for line in lines if line]


def words_of(lines: list[list[Sung]]) -> list[WordLine]:
    """What a file of words would hold."""
    found = []
    for k, line in enumerate(lines):
        text = " ".join("".join(note[3] for note in line).replace("~", "").split())
        pause = line[0][0] - lines[k - 1][-1][1] if k else 0.0
        found.append(WordLine(text or "la", pause > BREAK))
    return found


def main(songs: Path) -> None:
    """Print a row for each song, and the mean of all."""
    print(
        "song | lines | median s | within 0.5 s | 1 s | notes | found | a semitone | a quarter tone"
    )
    rows = []
    for path in sorted(songs.glob("*/song.txt")):
        truth = read_text(path)
        audio = next(path.parent.glob("audio.*"))
        found = find_singing(audio, words=words_of(truth), separation=SeparationSettings())
        starts = [cue.start - line[0][0] for cue, line in zip(found.lines, truth, strict=True)]
        late = np.abs(starts)
        notes = [note for line in truth for note in line]
        apart = []  # semitones, whatever the octave: texts are often written in another
        for start, end, pitch, _ in notes:
            middle = (start + end) / 2
            here = [n.pitch for n in found.notes if n.start <= middle < n.end]
            apart += [abs((here[0] - 60 - pitch + 6) % 12 - 6)] if here else []
        row = (
            np.median(late), np.mean(late < 0.5), np.mean(late < 1), len(apart) / len(notes),
            np.mean(np.array(apart) <= 1), np.mean(np.array(apart) <= 0.5),
        )  # fmt: skip
        rows.append(row)
        print(
            path.parent.name, len(truth), *np.round(row[:3], 2), len(notes), *np.round(row[3:], 2)
        )
    print("mean of", len(rows), *np.round(np.mean(rows, axis=0), 2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
