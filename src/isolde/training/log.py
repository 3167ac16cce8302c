"""The log of a training run, a row a step, as CSV; it decides nothing."""

import csv
import io
from pathlib import Path

from isolde.core.atomic import write_text

COLUMNS = ("step", "hours", "loss", "seconds", "median", "mean")
NAME = "log.csv"


class Log:
    """`log.csv`: a row a step, and the validation's median and mean in the rows that have them.

    Attributes:
        measured: Whether the step after which it continues has a score.
    """

    def __init__(self, folder: Path, *, step: int, writes: bool = True) -> None:
        """Continue after a step; rows of later steps, which a crash undid, are dropped.

        Args:
            folder: Folder of the run.
            step: Number of steps that count.
            writes: Whether anything is written; one process of a team writes.
        """
        self._path, self._writes = folder / NAME, writes
        self.measured = not writes
        if not writes:
            return
        rows: list[list[str]] = []
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8", errors="replace") as file:
                rows = [r for r in csv.reader(file) if len(r) >= 3 and r[0].isdigit()]
        self.measured = any(int(r[0]) == step and len(r) > 4 and r[4] for r in rows)
        text = io.StringIO(newline="")
        kept = [[*COLUMNS], *(r for r in rows if int(r[0]) <= step)]
        csv.writer(text, lineterminator="\n").writerows(kept)
        write_text(self._path, text.getvalue())

    def _add(self, row: list[str]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

    def step(self, step: int, hours: float, loss: float, seconds: float) -> None:
        """Write the row of a step.

        Args:
            step: Number of steps taken.
            hours: Hours of music heard.
            loss: Loss of its examples.
            seconds: Seconds that it took.
        """
        if self._writes:
            self._add([str(step), f"{hours:.4f}", f"{loss:.6f}", f"{seconds:.3f}", "", ""])

    def score(self, step: int, hours: float, median: float, mean: float) -> None:
        """Write the scores on the validation songs."""
        if self._writes:
            self._add([str(step), f"{hours:.4f}", "", "", f"{median:.4f}", f"{mean:.4f}"])
