"""Write the report of an evaluation: tables, a plot, pictures and sound; it measures nothing.

The best, the median and the worst song of one candidate are separated again, to see and hear them.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isolde.core.config import plain
from isolde.evaluation.command import Evaluation
from isolde.evaluation.scoring import Result
from isolde.evaluation.summaries import METRIC, by_candidate
from isolde.evaluation.tables import every_table, title_of
from isolde.figures.canvas import canvas_of
from isolde.figures.reports.page import picture_source, require_jinja, sound_source, write_page
from isolde.figures.spectrogram import spectrogram_figure
from isolde.figures.style import BLUE, ORANGE, encode, new_axes, new_figure, require_matplotlib

EXCERPT_SECONDS = 12.0


def write_evaluation_report(path: str | Path, done: Evaluation) -> Path:
    """Write the report of an evaluation.

    Args:
        path: Path of the HTML file; overwritten.
        done: Results of `evaluation.run`.

    Returns:
        The path.

    Raises:
        AudioError: A song cannot be read, or the file not written.
        MissingExtraError: Matplotlib or jinja2 is not installed.
    """
    require_matplotlib()
    require_jinja()
    good = [result for result in done.results if result.error is None]
    groups = {
        name: [row.metrics.get(METRIC, math.nan) for row in rows if row.error is None]
        for name, rows in by_candidate(done.results).items()
    }
    values: dict[str, dict[str, dict[str, float | None]]] = {}
    for r in good:
        values.setdefault(r.track, {})[r.candidate] = plain(r.metrics, digits=3)
    title = title_of(METRIC)
    return write_page(
        path,
        "evaluation.html",
        title="isolde: evaluation",
        made=done.made,
        tables=every_table(done.results, base=done.base, costs=done.costs, seed=done.seed),
        metric=METRIC,
        metric_title=title,
        metrics=list(dict.fromkeys(key for result in good for key in result.metrics)),
        plot=picture_source(box_plot(groups, label=f"{title}, dB")),
        data={"candidates": list(groups), "values": values},
        main=done.base,
        excerpts=_excerpts(done),
        failed=[f"{r.candidate}, {r.track}: {r.error}" for r in done.results if r.error],
    )


def ranked(results: Sequence[Result], candidate: str) -> list[tuple[str, Result]]:
    """Pick the best, the median and the worst song of a candidate; fewer of fewer songs."""
    rows = [
        result
        for result in results
        if result.candidate == candidate and not math.isnan(result.metrics.get(METRIC, math.nan))
    ]
    rows.sort(key=lambda result: -result.metrics[METRIC])
    # the last name of a place counts: one song is the best, and two are the best and the worst
    labels = {len(rows) - 1: "worst", (len(rows) - 1) // 2: "median", 0: "best"}
    return [(labels[place], rows[place]) for place in sorted(labels) if rows]


def box_plot(groups: Mapping[str, Sequence[float]], *, label: str) -> bytes:
    """Draw box plots: quartiles, median, 5th to 95th percentile, and a dot for every song.

    Args:
        groups: Values by name, NaN left out; the first is on top.
        label: Text at the axis.

    Returns:
        A PNG file.
    """
    kept = {name: np.asarray(v, float)[~np.isnan(v)] for name, v in groups.items() if len(v)}
    kept = {name: values for name, values in kept.items() if values.size}
    figure = new_figure(9, 0.8 + 0.34 * max(1, len(kept)))
    ((axes,),) = new_axes(figure, 1, 1)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    if not kept:
        return encode(figure)
    axes.boxplot(
        list(kept.values()),
        orientation="horizontal",
        tick_labels=list(kept),
        whis=(5, 95),
        showfliers=False,
        widths=0.6,
        medianprops={"color": ORANGE, "linewidth": 2.5},
    )
    for row, values in enumerate(kept.values(), start=1):
        # multiples of the golden ratio: spread evenly, but without a pattern
        spread = (np.arange(values.size) * 0.618034) % 1.0 - 0.5
        axes.plot(values, row + 0.5 * spread, ".", color=BLUE, alpha=0.35, markersize=4)
    low, high = np.percentile(np.concatenate(list(kept.values())), (1, 99))
    axes.set_xlim(math.floor(low - 0.5), math.ceil(high + 0.5))
    axes.invert_yaxis()
    return encode(figure)


def _excerpts(done: Evaluation) -> list[dict[str, Any]]:
    """Pictures and sounds of the best, the median and the worst song."""
    by_track = {song.track: song for song in done.songs}
    out = []
    for label, result in ranked(done.results, done.base):
        if result.track not in by_track or done.main is None:
            continue
        stems = by_track[result.track].load()
        estimates, rate = done.main(stems), stems.sample_rate
        start = max(0, int((stems.seconds - EXCERPT_SECONDS) / 2 * rate))
        part = slice(start, start + int(EXCERPT_SECONDS * rate))
        sounds = {
            "mixture": stems.mixture[:, part],
            "vocals, estimate": estimates["vocals"][:, part],
            "vocals, truth": stems.vocals[:, part],
            "accompaniment, estimate": estimates["accompaniment"][:, part],
            "accompaniment, truth": stems.accompaniment[:, part],
        }
        pictures = {}
        for name in list(sounds)[:3]:
            figure = spectrogram_figure(canvas_of(sounds[name], rate), title=name)
            pictures[name] = picture_source(encode(figure, dpi=60))
        value = f"{title_of(METRIC)} {result.metrics[METRIC]:.2f} dB"
        out.append(
            {
                "heading": f"{label}: {result.track}, {value}",
                "pictures": pictures,
                "sounds": {n: sound_source(s, sample_rate=rate) for n, s in sounds.items()},
            }
        )
    return out
