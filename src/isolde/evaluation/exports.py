"""Results as files for other programs: CSV, Parquet, JSON, and museval's layout; it draws no table.

A metric that is undefined for a song is empty (CSV), null (Parquet, JSON) or NaN (museval, whose
files hold it so); it is never a number.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from isolde.core.atomic import Draft, write_text
from isolde.core.config import plain
from isolde.core.errors import MissingExtraError
from isolde.core.names import readable, unused_name
from isolde.core.stems import ACCOMPANIMENT, VOCALS
from isolde.datasets.naming import file_name
from isolde.evaluation import statistics
from isolde.evaluation.metrics.bsseval import MEASURES, museval_json
from isolde.evaluation.scoring import Result
from isolde.evaluation.summaries import summarise

ABOUT = ("track", "artist", "candidate", "kind")
NUMBERS = ("seconds", "cpu_seconds", "speed")


def columns_of(results: Sequence[Result]) -> dict[str, list[Any]]:
    """Arrange results by column: names, numbers (None where undefined), the error."""
    keys = list(dict.fromkeys(key for result in results for key in result.metrics))
    columns: dict[str, list[Any]] = {
        name: [readable(getattr(result, name)) for result in results] for name in ABOUT
    }
    columns |= {name: [getattr(result, name) for result in results] for name in NUMBERS}
    columns |= {key: [r.metrics.get(key, math.nan) for r in results] for key in keys}
    for name in (*NUMBERS, *keys):
        columns[name] = plain(columns[name])
    columns["error"] = [result.error and readable(result.error) for result in results]
    return columns


def results_csv(results: Sequence[Result]) -> str:
    """Return one line per song and candidate."""
    columns = columns_of(results)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row])
    return buffer.getvalue()


def require_parquet() -> ModuleType:
    """Import the module that writes Parquet.

    Raises:
        MissingExtraError: Pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", extra="parquet", purpose="Parquet") from None
    module: ModuleType = pyarrow
    return module


def write_parquet(path: str | Path, results: Sequence[Result]) -> None:
    """Write the columns of the CSV as a Parquet file: text, 64-bit numbers, nulls.

    Raises:
        MissingExtraError: Pyarrow is not installed.
        AudioError: The file cannot be written.
    """
    arrow = require_parquet()
    columns = columns_of(results)
    arrays = {
        name: arrow.array(values, arrow.string() if name in (*ABOUT, "error") else arrow.float64())
        for name, values in columns.items()
    }
    with Draft(path) as draft:
        arrow.parquet.write_table(arrow.table(arrays), draft.path)


def write_museval(folder: str | Path, results: Sequence[Result]) -> list[Path]:
    """Write a JSON file of museval's for every result that BSSEval scored.

    The files are `{folder}/{candidate}/test/{track}.json`, as museval's own evaluation leaves them,
    so that `museval.EvalStore().add_eval_dir(folder / candidate)` reads them.

    Returns:
        The files written.
    """
    candidates = _file_names(result.candidate for result in results)
    tracks = _file_names(result.track for result in results)
    written = []
    for result in results:
        frames = {
            stem: {name: result.frames[f"{stem}_{name}_v4"] for name in MEASURES}
            for stem in (VOCALS, ACCOMPANIMENT)
            if f"{stem}_sdr_v4" in result.frames
        }
        if not frames:
            continue
        path = Path(folder, candidates[result.candidate], "test", f"{tracks[result.track]}.json")
        write_text(path, json.dumps(museval_json(frames), indent=2) + "\n")
        written.append(path)
    return written


def _file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each name; where two names give the same one, the later gets a number."""
    taken: set[str] = set()
    return {name: unused_name(file_name(name), taken) for name in dict.fromkeys(names)}


def summary_json(results: Sequence[Result], *, seed: int = statistics.SEED) -> str:
    """Return the summaries as JSON."""
    rows = summarise(results, seed=seed)
    return json.dumps(plain(rows), indent=1, allow_nan=False) + "\n"
