"""Tables of results as Markdown; computes statistics, measures nothing itself.

Every number over songs is a median with its mean in brackets and the 95 % bootstrap interval of the
median. Songs for which a metric is undefined are excluded, and the count of the others is shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from isolde.core.stems import PARTS, VOCALS
from isolde.evaluation import statistics
from isolde.evaluation.costs import Cost
from isolde.evaluation.metrics.ratios import FLOOR_DBFS, LIMIT_DB
from isolde.evaluation.metrics.voicing import AUDIBLE_DB, BLOCK_SECONDS
from isolde.evaluation.scoring import ACTIVITY, Result
from isolde.evaluation.statistics import Comparison, Interval
from isolde.evaluation.summaries import Summary, activity_of, paired, summarise


@dataclass(frozen=True)
class Column:
    """A column of the summary.

    Attributes:
        metric: Name of the metric.
        heading: What stands above it.
        digits: Digits after the point.
        interval: Whether the interval of the median is shown.
        low: Values that sit at this lower limit are shown as "≤ low".
        high: Values that sit at this upper limit are shown as "≥ high".
    """

    metric: str
    heading: str
    digits: int = 2
    interval: bool = False
    low: float = -LIMIT_DB
    high: float = LIMIT_DB

    def text(self, value: float) -> str:
        """Return a value of this column."""
        return format_value(value, digits=self.digits, low=self.low, high=self.high)


COLUMNS = (
    Column("vocals_usdr", "vocals uSDR", interval=True),
    Column("vocals_si_sdr", "SI-SDR"),
    Column("accompaniment_usdr", "accompaniment uSDR"),
    Column("silence_dbfs", "level in silence, dBFS", 1, low=FLOOR_DBFS, high=math.inf),
    Column("vocals_bleedless", "bleedless", 1, low=-math.inf, high=math.inf),
    Column("vocals_fullness", "fullness", 1, low=-math.inf, high=math.inf),
)
STEM_COLUMNS = tuple(Column(f"{stem}_usdr", stem, interval=True) for stem in (VOCALS, *PARTS))
BSSEVAL_COLUMNS = tuple(
    Column(f"{stem}_{name}_v4", f"{stem} {name.upper()}")
    for stem in ("vocals", "accompaniment")
    for name in ("sdr", "isr", "sir", "sar")
)


def format_value(
    value: float, *, digits: int = 2, low: float = -LIMIT_DB, high: float = LIMIT_DB
) -> str:
    """Return a number for a table: a dash for nan, and a bound where it sits at a limit.

    Examples:
        >>> format_value(5.216), format_value(float("nan"))
        ('5.22', '-')
    """
    if math.isnan(value):
        return "-"
    if value <= low:
        return f"≤ {low:.0f}"
    if value >= high:
        return f"≥ {high:.0f}"
    return f"{value:.{digits}f}"


def format_change(change: Interval) -> str:
    """Return a difference with its interval for a table; a dash where no song counts."""
    if change.n == 0:
        return "-"
    low, high = format_value(change.low), format_value(change.high)
    return f"{change.value:+.2f} [{low}, {high}]"


@dataclass(frozen=True)
class Table:
    """A table whose cells are already text.

    Attributes:
        head: Headings of the columns.
        rows: Cells of each row.
        heading: Title of the table.
        note: Explanation of the numbers.
    """

    head: list[str]
    rows: list[list[str]]
    heading: str = ""
    note: str = ""

    def markdown(self) -> str:
        """Write head and rows as Markdown.

        Examples:
            >>> print(markdown(["model", "dB"], [["vocals", "5.22"]]), end="")
            | model | dB |
            |---|---|
            | vocals | 5.22 |
        """
        return markdown(self.head, self.rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table of cells that are already text."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]) + "\n"


def summary_table(
    results: Sequence[Result],
    *,
    columns: Sequence[Column] = COLUMNS,
    costs: Sequence[Cost] = (),
    seed: int = statistics.SEED,
) -> Table:
    """Make the summary table: median (mean) per metric, the first with its interval of the median.

    Args:
        results: Results of one or more candidates.
        columns: The metrics.
        costs: Costs of some candidates; their speed is shown instead of the median over songs, and
            their memory, size and latency beside it.
        seed: Seed of the bootstrap.
    """
    of = {cost.candidate: cost for cost in costs}
    head = ["candidate", *(column.heading for column in columns), "audio s per CPU s"]
    head += [*(["peak MB", "model MB", "latency, ms"] if of else []), "songs"]
    rows = []
    for summary in summarise(results, seed=seed):
        cells = [summary.candidate, *(_median_text(summary, column) for column in columns)]
        cost = of.get(summary.candidate, Cost(summary.candidate))
        cells.append(_speed_text(summary.speed.value if math.isnan(cost.speed) else cost.speed))
        if of:
            cells += cost.sizes()
        failed = f" ({summary.n_failed} failed)" if summary.n_failed else ""
        cells.append(f"{summary.n_songs}{failed}")
        rows.append(cells)
    return Table(head, rows)


def columns_table(
    results: Sequence[Result], *, columns: Sequence[Column], seed: int = statistics.SEED
) -> Table:
    """Return a table of some metrics alone."""
    rows = [
        [summary.candidate, *(_median_text(summary, column) for column in columns)]
        for summary in summarise(results, seed=seed)
    ]
    return Table(["candidate", *(column.heading for column in columns)], rows)


def activity_table(results: Sequence[Result]) -> Table:
    """Write the table of voice activity: rates in percent, area under the ROC curve in [0, 1]."""
    rows = []
    for name, scores in activity_of(results).items():
        rates = [100 * getattr(scores, rate) for rate in ACTIVITY[:-1]]
        cells = ["-" if math.isnan(rate) else f"{rate:.1f}" for rate in rates]
        auc = "-" if math.isnan(scores.auc) else f"{scores.auc:.3f}"
        rows.append([name, *cells, auc])
    return Table(["candidate", "accuracy, %", "precision, %", "recall, %", "F1, %", "AUC"], rows)


def _median_text(summary: Summary, column: Column) -> str:
    """The cell of a metric: median, mean, interval if wanted, count if songs are left out."""
    median = summary.medians.get(column.metric)
    if median is None or median.n == 0:
        return "-"
    mean = summary.means[column.metric]
    cell = f"{column.text(median.value)} ({column.text(mean.value)})"
    if column.interval:
        cell += f" [{column.text(median.low)}, {column.text(median.high)}]"
    return f"{cell} n={median.n}" if median.n_excluded else cell


def _speed_text(speed: float) -> str:
    return "-" if math.isnan(speed) else f"{speed:.3g}" if speed < 1000 else "> 1000"


def title_of(metric: str) -> str:
    """Return the heading of a metric in tables and plots."""
    return next((c.heading for c in (*COLUMNS, *BSSEVAL_COLUMNS) if c.metric == metric), metric)


def every_table(
    results: Sequence[Result],
    *,
    base: str,
    costs: Sequence[Cost] = (),
    seed: int = statistics.SEED,
) -> list[Table]:
    """Return all tables of a run, each with its heading and an explanation of its numbers.

    Args:
        results: Results of one or more candidates.
        base: The candidate that the paired table compares with.
        costs: Costs of some candidates.
        seed: Seed of the bootstrap.
    """
    out = [
        replace(
            summary_table(results, costs=costs, seed=seed),
            heading="Summary",
            note="Median over songs, mean in brackets, 95 % bootstrap interval of the median in "
            f"square brackets (songs resampled, seed {seed}); dB unless noted; n = songs for which "
            "the metric has a meaning. The level in silence is that of the vocal estimate where "
            "the reference pauses. Speed, peak memory (Python included) and latency (stereo, "
            "44.1 kHz) of models and peers: one thread, a fresh process each.",
        )
    ]
    every = [r for r in results if any(f"{part}_usdr" in r.metrics for part in PARTS)]
    if any(r.kind not in ("floor", "oracle") for r in every):
        out.append(
            replace(
                columns_table(every, columns=STEM_COLUMNS, seed=seed),
                heading="Every stem",
                note="uSDR of each stem in dB, of those candidates that give more than two.",
            )
        )
    if any("vocals_sdr_v4" in result.metrics for result in results):
        out.append(
            replace(
                columns_table(results, columns=BSSEVAL_COLUMNS, seed=seed),
                heading="BSSEval v4",
                note="As museval computes it, frames chosen by the reference: median over songs of "
                "the median over seconds, mean over songs in brackets.",
            )
        )
    if any(result.voicing.labels for result in results):
        out.append(
            replace(
                activity_table(results),
                heading="Voice activity",
                note=f"By the level of the vocal estimate in blocks of {BLOCK_SECONDS} s, over all "
                "songs together: called sung, and labelled sung in the reference, above "
                f"{AUDIBLE_DB:.0f} dB under the RMS of the song's mixture.",
            )
        )
    comparisons = paired(results, against=base, seed=seed)
    if comparisons:
        out.append(
            replace(
                paired_table(comparisons, against=base),
                heading=f"Song by song against {base}",
                note="Vocals uSDR, differences paired by song, with 95 % bootstrap intervals.",
            )
        )
    return out


def paired_table(comparisons: dict[str, Comparison], *, against: str) -> Table:
    """Return the paired table: differences from one candidate, song by song."""
    head = [f"minus {against}, dB", "median", "mean", "better / worse on", "sign test p"]
    rows = []
    for name, result in comparisons.items():
        counts = [f"{result.wins} / {result.losses}", f"{result.p_value:.2g}"]
        rows.append([name, format_change(result.median), format_change(result.mean), *counts])
    return Table(head, rows)
