"""What runs have learnt by hours heard: `python learning.py PICTURE RUN...`.

Draws, from each run's log.csv, the loss, its mean over every `--hours` of music heard, and the mean
score on the validation songs where it was measured; writes the same numbers beside the picture.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isolde.figures.curves import draw_curves
from isolde.training.log import NAME

Points = dict[float, float]
HEADINGS = {"loss": "hours heard | loss", "mean": "hours heard | validation mean (dB)"}


def points(run: Path, column: str, every: float) -> Points:
    """Means of a column of a run's log by hours heard."""
    with (run / NAME).open(newline="", encoding="utf-8") as file:
        rows = [(float(r["hours"]), float(r[column])) for r in csv.DictReader(file) if r[column]]
    bins: dict[int, list[tuple[float, float]]] = {}
    for hours, value in rows:
        bins.setdefault(int(hours / every), []).append((hours, value))
    means = (np.mean(found, axis=0) for found in bins.values())
    return {round(float(hours), 4): float(value) for hours, value in means}


def write_table(path: Path, heading: str, curves: dict[str, Points]) -> None:
    """A column a run; fields are empty where a run has no point."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([heading, *curves])
        for hours in sorted({h for curve in curves.values() for h in curve}):
            values = (curve.get(hours) for curve in curves.values())
            lines.writerow([hours, *("" if v is None else f"{v:.4f}" for v in values)])


def draw(picture: Path, runs: Sequence[Path], every: float) -> Path:
    """The picture of some runs."""
    tables = []
    for column, heading in HEADINGS.items():
        curves = {run.name: points(run, column, every) for run in runs}
        curves = {name: curve for name, curve in curves.items() if curve}
        if curves:
            tables.append(picture.with_name(f"{picture.stem}-{column}.csv"))
            write_table(tables[-1], heading, curves)
    return draw_curves(picture, tables)


def main() -> None:
    """Read, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--hours", type=float, default=0.5, help="heard between two points")
    asked = parser.parse_args()
    print(draw(asked.picture, asked.runs, asked.hours))


if __name__ == "__main__":
    main()
