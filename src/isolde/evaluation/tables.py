"""Tables of results as Markdown, CSV and JSON; computes statistics, measures nothing itself.

Every number over songs is a median with its mean in brackets and the 95 % bootstrap interval of the
median; songs without a meaning for a metric are excluded and their count is said.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from isolde.evaluation import statistics
from isolde.evaluation.metrics import FLOOR_DBFS, LIMIT_DB
from isolde.evaluation.scoring import Result
from isolde.evaluation.statistics import Comparison, Interval

KIND_ORDER = ("model", "peer", "floor", "oracle")


@dataclass(frozen=True)
class Column:
    """A column of the summary.

    Attributes:
        metric: name of the metric.
        heading: what stands above it.
        digits: after the point.
        interval: whether the interval of the median is shown.
        low: values that sit at this lower limit are shown as "≤ low".
        high: values that sit at this upper limit are shown as "≥ high".
    """

    metric: str
    heading: str
    digits: int = 2
    interval: bool = False
    low: float = -LIMIT_DB
    high: float = LIMIT_DB

    def text(self, value: float) -> str:
        """A value of this column."""
        return format_value(value, digits=self.digits, low=self.low, high=self.high)


COLUMNS = (
    Column("vocals_usdr", "vocals uSDR", interval=True),
    Column("vocals_si_sdr", "SI-SDR"),
    Column("accompaniment_usdr", "accompaniment uSDR"),
    Column("silence_dbfs", "level in silence, dBFS", 1, low=FLOOR_DBFS, high=math.inf),
    Column("vocals_bleedless", "bleedless", 1, low=-math.inf, high=math.inf),
    Column("vocals_fullness", "fullness", 1, low=-math.inf, high=math.inf),
)
BSSEVAL_COLUMNS = tuple(
    Column(f"vocals_{name}_v4", f"{name.upper()} v4") for name in ("sdr", "isr", "sir", "sar")
)


@dataclass(frozen=True)
class Summary:
    """One candidate over all songs.

    Attributes:
        candidate: its name.
        kind: its kind.
        n_songs: songs measured.
        n_failed: songs on which it failed.
        medians: metric -> median over songs with its interval.
        means: metric -> mean over songs with its interval.
        speed: median over songs of audio seconds per CPU second, with its interval.
    """

    candidate: str
    kind: str
    n_songs: int
    n_failed: int
    medians: dict[str, Interval]
    means: dict[str, Interval]
    speed: Interval


def summarise(results: Sequence[Result], *, seed: int = statistics.SEED) -> list[Summary]:
    """Summaries by candidate: models, peers, floors, oracles, each in the order first seen."""
    names: dict[str, list[Result]] = {}
    for result in results:
        names.setdefault(result.candidate, []).append(result)
    out = []
    for name, rows in names.items():
        good = [row for row in rows if row.error is None]
        keys = list(dict.fromkeys(key for row in good for key in row.metrics))
        columns = {key: [row.metrics.get(key, math.nan) for row in good] for key in keys}
        medians = {k: statistics.bootstrap(v, seed=seed) for k, v in columns.items()}
        means = {
            k: statistics.bootstrap(v, statistic="mean", seed=seed) for k, v in columns.items()
        }
        speed = statistics.bootstrap([row.speed for row in good], seed=seed)
        out.append(
            Summary(name, rows[0].kind, len(good), len(rows) - len(good), medians, means, speed)
        )
    return sorted(out, key=lambda summary: _rank(summary.kind))


def paired(
    results: Sequence[Result],
    *,
    against: str,
    metric: str = "vocals_usdr",
    seed: int = statistics.SEED,
) -> dict[str, Comparison]:
    """Every other candidate compared with one, on the songs that both have.

    Args:
        results: of several candidates.
        against: name of the candidate that the others are compared with.
        metric: what is compared; higher must be better.
        seed: of the bootstrap.

    Returns:
        Candidate -> comparison (candidate minus `against`).
    """
    by: dict[str, dict[str, float]] = {}
    for result in results:
        if result.error is None:
            by.setdefault(result.candidate, {})[result.track] = result.metrics.get(metric, math.nan)
    base = by.get(against, {})
    out = {}
    for name, scores in by.items():
        shared = [track for track in scores if track in base]
        if name != against and shared:
            a, b = [scores[t] for t in shared], [base[t] for t in shared]
            out[name] = statistics.compare(a, b, seed=seed)
    return out


def format_value(
    value: float, *, digits: int = 2, low: float = -LIMIT_DB, high: float = LIMIT_DB
) -> str:
    """A number for a table: a dash for nan, and a bound where it sits at a limit."""
    if math.isnan(value):
        return "-"
    if value <= low:
        return f"≤ {low:.0f}"
    if value >= high:
        return f"≥ {high:.0f}"
    return f"{value:.{digits}f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are already text."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]) + "\n"


def summary_markdown(
    results: Sequence[Result],
    *,
    columns: Sequence[Column] = COLUMNS,
    seed: int = statistics.SEED,
) -> str:
    """The summary table: median (mean) per metric, the first with its interval of the median."""
    summaries = summarise(results, seed=seed)
    head = ["candidate", *(column.heading for column in columns), "audio s per CPU s", "songs"]
    rows = []
    for summary in summaries:
        cells = [summary.candidate]
        for column in columns:
            median = summary.medians.get(column.metric)
            if median is None or median.n == 0:
                cells.append("-")
                continue
            mean = summary.means[column.metric]
            cell = f"{column.text(median.value)} ({column.text(mean.value)})"
            if column.interval:
                cell += f" [{column.text(median.low)}, {column.text(median.high)}]"
            if median.n_excluded:
                cell += f" n={median.n}"
            cells.append(cell)
        fast = summary.speed.value
        cells.append("-" if math.isnan(fast) else f"{fast:.3g}" if fast < 1000 else "> 1000")
        failed = f" ({summary.n_failed} failed)" if summary.n_failed else ""
        cells.append(f"{summary.n_songs}{failed}")
        rows.append(cells)
    return markdown(head, rows)


def paired_markdown(comparisons: dict[str, Comparison], *, against: str) -> str:
    """The paired table: differences from one candidate, song by song."""
    head = [f"minus {against}, dB", "median", "mean", "better / worse on", "sign test p"]
    rows = []
    for name, result in comparisons.items():
        cells = [name]
        for interval in (result.median, result.mean):
            low, high = format_value(interval.low), format_value(interval.high)
            cells.append(f"{interval.value:+.2f} [{low}, {high}]")
        cells += [f"{result.wins} / {result.losses}", f"{result.p_value:.2g}"]
        rows.append(cells)
    return markdown(head, rows)


def results_csv(results: Sequence[Result]) -> str:
    """One line per song and candidate; a metric without meaning is an empty field."""
    keys = list(dict.fromkeys(key for result in results for key in result.metrics))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    about = ["track", "artist", "candidate", "kind", "seconds", "cpu_seconds", "speed"]
    writer.writerow([*about, *keys, "error"])
    for r in results:
        numbers = [r.seconds, r.cpu_seconds, r.speed]
        numbers += [r.metrics.get(key, math.nan) for key in keys]
        cells = ["" if math.isnan(value) else f"{value:.6g}" for value in numbers]
        writer.writerow([r.track, r.artist, r.candidate, r.kind, *cells, r.error or ""])
    return buffer.getvalue()


def summary_json(results: Sequence[Result], *, seed: int = statistics.SEED) -> str:
    """The summaries as JSON; nan becomes null."""
    rows = [asdict(summary) for summary in summarise(results, seed=seed)]
    return json.dumps(_null_nan(rows), indent=1, allow_nan=False) + "\n"


def _rank(kind: str) -> int:
    return KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER)


def _null_nan(value: object) -> object:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _null_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_null_nan(item) for item in value]
    return value
