"""Draw the curves of CSV files side by side; it computes nothing.

`python -m isolde.figures.curves PICTURE CSV...`: the first column is the horizontal axis, every
other one a curve named by its heading. The heading of the first may end in " | " and the name of
the vertical axis. The name of a file is its title. An axis of few values below and above 1 is drawn
by doublings, a long one by powers of ten.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isolde.core.errors import InputError
from isolde.figures.style import (
    BLUE,
    CYAN,
    GREEN,
    ORANGE,
    RED,
    check_picture,
    new_axes,
    new_figure,
    save,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, ORANGE, GREEN, RED, CYAN)
MARKS = ("o", "s", "^", "D", "v")
MOST_TICKS = 8
"""Values of an axis that can all be written below it."""
WIDEST = 50.0
"""Ratio of the last value to the first from which an axis is drawn by powers of ten."""


def draw_curves(path: str | Path, tables: Sequence[Path]) -> Path:
    """Draw each table beside the others, all with the same axis upwards.

    Args:
        path: Path of the picture, .png or .svg.
        tables: CSV files of numbers under a line of names; an empty field is a point left out.

    Returns:
        The path.

    Raises:
        AudioError: When the picture cannot be written.
        InputError: When a table cannot be read, or the picture's name ends otherwise.
        MissingExtraError: When matplotlib is not installed.
    """
    path = check_picture(path)
    read = [_read(table) for table in tables]
    figure = new_figure(1.2 + 3.6 * len(tables), 3.2)
    panels = new_axes(figure, 1, len(tables), sharey=True)[0]
    for axes, table, (names, columns) in zip(panels, tables, read, strict=True):
        along, _, upwards = names[0].partition(" | ")
        axes.set_title(table.stem.replace("-", " "))
        axes.set_xlabel(along)
        if axes is panels[0]:
            axes.set_ylabel(upwards)
        _curves(axes, names, columns)
    return save(figure, path)


def _curves(axes: "Axes", names: list[str], columns: list[list[float | None]]) -> None:
    """The curves of one table, with what they are."""
    x = [float(v) for v in columns[0] if v is not None]
    for i, (name, values) in enumerate(zip(names[1:], columns[1:], strict=True)):
        points = [(a, b) for a, b in zip(x, values, strict=True) if b is not None]
        style = {"color": COLOURS[i % 5], "marker": MARKS[i % 5], "markersize": 4.0}
        axes.plot(*zip(*points, strict=True), label=name, **style)  # type: ignore[arg-type]
    ticks = sorted(set(x))
    if 0 < ticks[0] < 1 and len(ticks) <= MOST_TICKS:
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [f"{v:.3g}" for v in ticks])
    elif 0 < ticks[0] < ticks[-1] / WIDEST:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()


def _read(path: Path) -> tuple[list[str], list[list[float | None]]]:
    """Names and columns of a table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = [row for row in csv.reader(file) if row]
        columns = [[float(v) if v else None for v in column] for column in zip(*rows, strict=True)]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no table of numbers ({error}): give a CSV file") from None
    if len(columns) < 2 or len(columns) != len(names) or None in columns[0]:
        raise InputError(f"{path}: give two columns or more, each with a name, and at least a row")
    return names, columns


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print(draw_curves(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
