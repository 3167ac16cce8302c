"""Measure where models err on songs with known stems: by width, level and pitch of the voice.

    python benchmarks/errors.py SONGS MODEL... --picture errors.png

Prints a table of vocals uSDR by the width of the true voice, and draws for every model: the score
of each song over the level of the voice's side signal against its mid, and over its level against
the backing; and by frequency the error's energy against the voice's, apart for bins in which the
voice is the louder (voice that was taken away) and the others (backing that was let through).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.core.signal.spectrum import analyse, grid_for
from isolde.evaluation.candidates.models import model
from isolde.evaluation.metrics.ratios import usdr
from isolde.evaluation.songs import Stems, find_songs
from isolde.evaluation.tables import markdown
from isolde.figures.style import BLUE, GREEN, ORANGE, RED, new_axes, new_figure, save

EDGES = (-25.0, -15.0, -8.0)  # side against mid, in dB
OCTAVES = 62.5 * 2 ** np.arange(0, 7.6, 0.5)
COLOURS = (BLUE, ORANGE, GREEN, RED)


@dataclass(frozen=True)
class SongErrors:
    """Score of a song, and errors by band over the energy of the voice (2, n_bands)."""

    usdr: float
    errors: np.ndarray


def decibel(ratio) -> np.ndarray:
    """Convert a ratio of energies to dB."""
    return 10 * np.log10(np.maximum(ratio, 1e-12))


def width_of(stems: Stems) -> float:
    """Energy of the voice's side signal over its mid's, in dB; -60 at the least."""
    v = stems.vocals.astype(float)
    mid, side = np.sum((v[0] + v[-1]) ** 2), np.sum((v[0] - v[-1]) ** 2)
    return max(-60.0, float(decibel(side / mid)))


def measure_errors(stems: Stems, vocals: np.ndarray) -> SongErrors:
    """Score a song and sort its errors."""
    grid = grid_for(stems.sample_rate)
    voice, rest = (np.abs(analyse(x, grid)) for x in (stems.vocals, stems.accompaniment))
    error = np.abs(analyse(vocals - stems.vocals, grid)) ** 2
    hertz = np.arange(grid.n_bins) * grid.sample_rate / grid.n_fft
    band = np.searchsorted(OCTAVES, hertz) - 1
    lost, let_through = np.zeros(len(OCTAVES) - 1), np.zeros(len(OCTAVES) - 1)
    for k in range(len(OCTAVES) - 1):
        here = band == k
        louder = voice[..., here] > rest[..., here]
        lost[k] = (error[..., here] * louder).sum()
        let_through[k] = (error[..., here] * ~louder).sum()
    return SongErrors(usdr(stems.vocals, vocals), np.stack([lost, let_through]) / np.sum(voice**2))


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    candidates = [model(name) for name in args.models]
    widths, levels, found = [], [], {name: [] for name in args.models}
    for song in find_songs(args.songs, limit=args.limit):
        stems = song.load()
        widths.append(width_of(stems))
        levels.append(float(decibel(np.sum(stems.vocals**2) / np.sum(stems.accompaniment**2))))
        for candidate in candidates:
            found[candidate.name].append(measure_errors(stems, candidate(stems)["vocals"]))
    scores = {name: np.array([h.usdr for h in rows]) for name, rows in found.items()}
    print(table(np.array(widths), scores))
    if args.picture:
        draw(args.picture, np.array(widths), np.array(levels), scores, found)


def table(widths: np.ndarray, scores: dict[str, np.ndarray]) -> str:
    """Mean scores by width, and the differences to the first model."""
    names = list(scores)
    head = ["side / mid of the true voice", "songs", *names]
    head += [f"{name} - {names[0]}" for name in names[1:]]
    rows, low = [], -np.inf
    for high in (*EDGES, np.inf):
        here = (widths >= low) & (widths < high)
        what = f"below {high:g} dB" if low == -np.inf else f"{low:g} to {high:g} dB"
        means = {
            name: values[here].mean() if here.any() else np.nan for name, values in scores.items()
        }
        cells = [f"{means[name]:.2f}" for name in names]
        cells += [f"{means[name] - means[names[0]]:+.2f}" for name in names[1:]]
        rows.append([f"above {low:g} dB" if high == np.inf else what, str(here.sum()), *cells])
        low = high
    return markdown(head, rows)


def draw(path: Path, widths, levels, scores, found) -> None:
    """The picture: two scatters and the spectrum of the errors."""
    figure = new_figure(11, 3.6)
    ((one, two, three),) = new_axes(figure, 1, 3)
    centres = np.sqrt(OCTAVES[1:] * OCTAVES[:-1])
    for name, colour in zip(scores, COLOURS, strict=False):
        for axes, x in ((one, widths), (two, levels)):
            axes.plot(x, scores[name], "o", ms=3, alpha=0.6, color=colour, label=name)
            line = np.polynomial.Polynomial.fit(x, scores[name], 1)
            ends = np.array([x.min(), x.max()])
            axes.plot(ends, line(ends), color=colour, lw=1.2)
        errors = np.median([h.errors for h in found[name]], axis=0)
        three.plot(centres, decibel(errors[0]), color=colour, label=f"{name}: voice taken away")
        three.plot(centres, decibel(errors[1]), "--", color=colour, label=f"{name}: let through")
    one.set(xlabel="voice: side over mid, dB", ylabel="vocals uSDR, dB")
    two.set(xlabel="voice over backing, dB")
    three.set(
        xlabel="Hz, half octaves", ylabel="error over voice, dB", xscale="log", ylim=(-40, -5)
    )
    three.set_xticks([100, 1000, 10000], ["100", "1k", "10k"])
    one.legend(loc="lower left")
    three.legend(loc="lower left", fontsize=7)
    print(save(figure, path))


if __name__ == "__main__":
    main()
