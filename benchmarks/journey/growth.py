"""How the score grows with the songs: `python growth.py DATA CACHE OUT --steps N`.

DATA holds the folders of songs, with musdb18-7-dev to measure on. The recipe `vocals` with fewer
steps, the same number of frames for each share of the songs: 1/8, 1/4, 1/2 and all. Songs are drawn
by artist, in a random order for each `--draws`, and a smaller share is the beginning of a larger
one; with all songs a draw differs by its seed alone, which shows how far chance goes. A row a run,
and OUT/growth.csv for `python -m isolde.figures.curves PICTURE OUT/growth.csv`.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.mixing.library import Entry
from isolde.training.loop import Run
from isolde.training.recipes import read_recipe
from isolde.training.sources import examples_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from songs import command_line, opened, started

SHARES = (0.125, 0.25, 0.5, 1.0)


def hours(entries: Sequence[Entry]) -> float:
    """Of music."""
    return sum(len(e.activity) for e in entries) * GRID_22.frame_seconds / 3600


def drawn(entries: Sequence[Entry], share: float, *, seed: int) -> list[Entry]:
    """Whole artists in random order until they hold a share of the hours.

    The first one has songs with voice and backing, so that every share can be mixed.
    """
    artists = sorted({e.artist for e in entries})
    order = [artists[i] for i in np.random.default_rng(seed).permutation(len(artists))]
    whole = {e.artist for e in entries if e.vocals is not None and e.accompaniment is not None}
    first = next(artist for artist in order if artist in whole)
    order.sort(key=lambda artist: artist != first)
    taken: list[Entry] = []
    for artist in order:
        if hours(taken) >= share * hours(entries) - 1e-9:
            break
        taken += [e for e in entries if e.artist == artist]
    return taken


def main() -> None:
    """Train and measure each."""
    parser = command_line(__doc__)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--songs", type=int, default=47)
    parser.add_argument("--draws", type=int, nargs="+", default=[1, 2])
    args = started(parser)
    entries, dev = opened(args)
    scores: dict[float, list[str]] = {share: [] for share in SHARES}
    print("| share | draw | hours | artists | frames learnt | uSDR median (mean), dB |", flush=True)
    for draw in args.draws:
        recipe = replace(
            read_recipe("vocals"), hours=0.0, steps=args.steps, warm_up=10, average=0.95, seed=draw
        )
        for share in SHARES:
            some = drawn(entries, share, seed=draw)
            folder = args.out / f"{share:g}-{draw}"
            run = Run(folder, recipe, examples_of(recipe, some))
            run.train(save_every=20)
            median, mean = recipe.task.validate(run.averaged_network(), dev, step=run.step)
            frames = recipe.steps * recipe.segments * recipe.frames
            print(
                f"| {share:g} | {draw} | {hours(some):.2f} | {len({e.artist for e in some})} "
                f"| {frames:,} | {median:.2f} ({mean:.2f}) |",
                flush=True,
            )
            scores[share].append(f"{mean:.3f}")
    with (args.out / "growth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["share of the songs | mean uSDR, dB", *(f"draw {draw}" for draw in args.draws)]
        )
        table.writerows([share, *values] for share, values in scores.items())


if __name__ == "__main__":
    main()
