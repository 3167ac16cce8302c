"""Draw a data set on one page: hours of each kind, and every song as a strip; it decides nothing.

In a strip, brightness is level; it is orange where the voice has the energy, blue where the backing
has it.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isolde.core.atomic import write_bytes
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.datasets.manifest import read_manifest
from isolde.datasets.summary import COLUMNS, Strip, Totals, strips_of, totals_of
from isolde.figures.gallery import KINDS, Drawn
from isolde.figures.reports.page import require_jinja
from isolde.figures.reports.song import write_song_report
from isolde.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    check_writable,
    encode,
    new_axes,
    new_figure,
    require_matplotlib,
    time_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_PICTURE = 50  # strips
LONGEST = 10  # bars of a chart
FLOOR_DB, TOP_DB = -50.0, -8.0
VOICE = np.array([0.94, 0.62, 0.0])
BACKING = np.array([0.12, 0.50, 0.80])


def draw_dataset(
    manifest: str | Path,
    output: str | Path,
    *,
    cache: Path | None = None,
    songs: int = 200,
    report: Callable[[str], None] | None = None,
) -> Drawn:
    """Draw a manifest.

    Args:
        manifest: CSV or Parquet.
        output: A .html page with everything, or .png or .svg, which give {name}-totals and
            {name}-songs, the latter in parts of 50.
        cache: Folder for decoded audio, kept; None: a temporary one.
        songs: Greatest number of strips, evenly chosen.
        report: Function called with each track as its strip is done.

    Returns:
        What was drawn, and a note for each song that could not be.

    Raises:
        AudioError: A picture cannot be written.
        InputError: The manifest cannot be read, or the output's name ends otherwise.
        MissingExtraError: Matplotlib is not installed, or pyarrow for Parquet.
    """
    output = Path(output)
    kind = output.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"'{output}': end the name in .html, .png or .svg")
    require_matplotlib()
    if kind == ".html":
        require_jinja()
    check_writable(output)
    rows = read_manifest(manifest)
    totals = totals_of(rows)
    with tempfile.TemporaryDirectory() as place:
        strips, notes = strips_of(rows, cache or Path(place), songs=songs, report=report)
    drawn = Drawn(notes=notes)
    figures = {"totals": totals_figure(totals, strips)}
    for first in range(0, len(strips), PER_PICTURE):
        number = f"-{first // PER_PICTURE + 1}" if len(strips) > PER_PICTURE else ""
        figures[f"songs{number}"] = strips_figure(strips[first : first + PER_PICTURE])
    name = "svg" if kind == ".svg" else "png"
    pictures = [(part, encode(figure, kind=name)) for part, figure in figures.items()]
    if kind != ".html":
        for part, data in pictures:
            path = output.with_name(f"{output.stem}-{part}{output.suffix}")
            write_bytes(path, data)
            drawn.paths.append(path)
        return drawn
    texts = {"totals": TOTALS_TEXT, "songs": STRIPS_TEXT, "songs-1": STRIPS_TEXT}
    drawn.paths.append(
        write_song_report(
            output,
            title=Path(manifest).name,
            summary=summary_line(totals, strips),
            pictures=[(part, texts.get(part, ""), data) for part, data in pictures],
        )
    )
    return drawn


TOTALS_TEXT = "Hours of songs that have each stem, by split, licence and artist."
STRIPS_TEXT = (
    "Every song from its beginning to its end. Brightness is level, from -50 to -8 dB of full "
    "scale; orange: the voice has the energy; blue: the backing has it. On the right the length, "
    "and how much of the time somebody sings."
)


def summary_line(totals: Totals, strips: Sequence[Strip]) -> str:
    """Summarise the data set in one line."""
    voiced = [(s.voiced, s.seconds) for s in strips if s.voiced is not None]
    line = (
        f"{totals.n_songs} songs by {totals.n_artists} artists, {_hours(totals.hours)}. "
        + ", ".join(f"{name or 'no split'} {_hours(h)}" for name, h in totals.by_split.items())
        + "."
    )
    if voiced:
        share = sum(v * s for v, s in voiced) / sum(s for _, s in voiced)
        line += f" Somebody sings in {share:.0%} of the time of the drawn songs with vocals."
    taught = {name: hours for name, hours in totals.by_origin.items() if name}
    for name, hours in taught.items():
        line += f" {_hours(hours)} are labelled by {name}."
    return line


def totals_figure(totals: Totals, strips: Sequence[Strip]) -> "Figure":
    """Draw bars of hours, and how voice and length are spread over the songs."""
    figure = new_figure(11, 5.4)
    axes = new_axes(figure, 2, 3)
    _bars(axes[0][0], totals.by_stem, "hours by stem", ORANGE)
    _bars(axes[0][1], totals.by_split, "hours by split", GREEN, empty="no split")
    _bars(axes[0][2], totals.by_licence, "hours by licence", BLUE)
    _bars(axes[1][0], totals.by_artist, f"hours by artist ({totals.n_artists})", BLUE)
    voiced = [100 * s.voiced for s in strips if s.voiced is not None]
    _histogram(axes[1][1], voiced, "songs by share of singing (%)", (0, 100))
    lengths = [s.seconds for s in strips]
    _histogram(axes[1][2], lengths, "songs by length (s)", (0, max(lengths, default=1) * 1.02))
    return figure


def strips_figure(strips: Sequence[Strip]) -> "Figure":
    """Draw one strip a song, names on the left, length and share of singing on the right."""
    figure = new_figure(11, 0.7 + 0.2 * len(strips))
    ((axes,),) = new_axes(figure, 1, 1)
    image = np.ones((max(1, 5 * len(strips)), COLUMNS, 3))
    for i, strip in enumerate(strips):
        image[5 * i : 5 * i + 4] = strip_colours(strip)
    axes.imshow(
        image, aspect="auto", interpolation="nearest", extent=(0, 100, len(strips) - 0.1, -0.1)
    )
    places = [i + 0.4 for i in range(len(strips))]
    axes.set_yticks(places, [_short(strip.track) for strip in strips], fontsize=7)
    right = axes.secondary_yaxis("right")
    right.set_yticks(
        places,
        [
            time_label(round(s.seconds, 1)) + ("" if s.voiced is None else f"  {s.voiced:.0%}")
            for s in strips
        ],
        fontsize=7,
    )
    for side in (axes, right):
        side.tick_params(length=0)
        for spine in side.spines.values():
            spine.set_visible(False)
    axes.set_xlabel("% of the song")
    return figure


def strip_colours(strip: Strip) -> Float32:
    """Colours (COLUMNS, 3) in [0, 1] of a strip: silence is near black."""
    light = np.clip((strip.level_db - FLOOR_DB) / (TOP_DB - FLOOR_DB), 0.06, 1)[:, None]
    colour = strip.voice[:, None] * VOICE + (1 - strip.voice[:, None]) * BACKING
    return np.asarray(light * colour, np.float32)


def _bars(
    axes: "Axes", hours: Mapping[str, float], title: str, colour: str, *, empty: str = ""
) -> None:
    names = list(hours)
    if len(names) > LONGEST:
        rest = sum(hours[name] for name in names[LONGEST - 1 :])
        others = f"{len(names) - LONGEST + 1} others"
        hours = {**{name: hours[name] for name in names[: LONGEST - 1]}, others: rest}
        names = list(hours)
    values = list(hours.values())
    places = range(len(names))
    axes.barh(places, values, color=colour)
    axes.set_yticks(places, [_short(name or empty, 24) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, max([*values, 1e-6]) * 1.3)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            _hours(value), (value, place), (3, 0), textcoords="offset points", va="center",
            fontsize=7,
        )  # fmt: skip
    axes.set_title(title, loc="left")


def _histogram(
    axes: "Axes", values: Sequence[float], title: str, span: tuple[float, float]
) -> None:
    axes.hist(values, bins=20, range=span, color=ORANGE)
    axes.set_title(title, loc="left")
    axes.set_ylabel("songs")


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _short(text: str, n: int = 44) -> str:
    """A name that fits; what a font may not have stays, as a box."""
    return text if len(text) <= n else text[: n - 1] + "…"
