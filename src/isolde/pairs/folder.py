"""A folder of songs, from files in any order to song folders: match by content, then build each.

Never looks at samples itself: it names the work, hands it to `many` and gathers the reports.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core import parallel
from isolde.core.errors import InputError
from isolde.pairs.match import Match, audio_files, match_files, two_sides
from isolde.pairs.report import PairReport, write_csv
from isolde.pairs.song import build_pair

JOURNAL = "pairs.journal.jsonl"


@dataclass(frozen=True)
class FolderReport:
    """What became of a folder.

    Attributes:
        pairs: One report per matched pair, accepted or not.
        unmatched: Files that belong to none of the others.
        errors: File or track -> what went wrong with it.
    """

    pairs: tuple[PairReport, ...]
    unmatched: tuple[str, ...]
    errors: dict[str, str]

    @property
    def accepted(self) -> int:
        """Number of song folders written."""
        return sum(r.accepted for r in self.pairs)


def build_folder(
    folder: str | Path,
    output: str | Path,
    *,
    partners: str | Path | None = None,
    kind: str = "auto",
    keep: str = "accepted",
    workers: int = 0,
    scheduler: str | None = None,
    draw: Callable[[PairReport, Path], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> FolderReport:
    """Find the pairs in a folder and build every one.

    Args:
        folder: Folder with two subfolders (mixes and partners), or all files in one; with
            `partners`, the mixes.
        output: Folder that gets a folder per accepted song, pairs.csv, and a journal for resuming.
        partners: A folder of a cappellas or instrumentals, or None.
        kind: See `build_pair`.
        keep: See `build_pair`.
        workers: See `parallel.run`.
        scheduler: See `parallel.run`.
        draw: Function that draws each page; must be picklable (a function of a module).
        report: Function called with a line of text for every file or pair as it is done.

    Returns:
        The folder's report; pairs are sorted by track.

    Raises:
        InputError: No folder, no audio, or unknown settings.
    """
    one, other = (audio_files(folder), audio_files(partners)) if partners else two_sides(folder)
    if len(set(one) | set(other)) < 2 or not one or not other:
        raise InputError(f"{folder} holds no two audio files to be paired")
    journal = Path(output) / JOURNAL
    journal.parent.mkdir(parents=True, exist_ok=True)
    say = report or (lambda line: None)
    matches, left, errors = match_files(
        one, other, workers=workers, scheduler=scheduler, journal=journal,
        report=lambda o: say(_match_line(o)),
    )  # fmt: skip
    tasks = {name: (m.mix, m.partner, name) for name, m in _tracks(matches).items()}
    job = partial(_build, output=str(output), kind=kind, keep=keep, draw=draw)
    outcomes = parallel.run(
        job, tasks, journal=journal, workers=workers, scheduler=scheduler,
        stamps={
            k: parallel.stamp(m, p, settings=("build 1", kind, keep, draw is not None, str(output)))
            for k, (m, p, _) in tasks.items()
        },
        report=lambda o: say(o.error or PairReport.from_dict(o.value).summary()),
    )  # fmt: skip
    lost = {o.key: tasks[o.key] for o in outcomes if o.resumed and not _is_there(o.value)}
    if lost:  # finished once, but someone took the songs away
        again = parallel.run(job, lost, workers=workers, scheduler=scheduler)
        fresh = {o.key: o for o in again}
        outcomes = [fresh.get(o.key, o) for o in outcomes]
    errors |= {o.key: o.error for o in outcomes if o.error}
    reports = tuple(PairReport.from_dict(o.value) for o in outcomes if o.error is None)
    write_csv(reports, Path(output) / "pairs.csv")
    return FolderReport(reports, tuple(str(p) for p in left), errors)


def _build(task: tuple[str, str, str], **settings: Any) -> dict[str, Any]:
    """One pair, as a job: what comes back is what JSON can hold."""
    mix, partner, track = task
    return build_pair(mix, partner, track=track, **settings).to_dict()


def _is_there(values: dict[str, Any]) -> bool:
    """Whether what an earlier run wrote is still there."""
    return not values["accepted"] or (Path(values["folder"]) / "vocals.wav").is_file()


def _tracks(matches: Sequence[Match]) -> dict[str, Match]:
    """Name every pair by its mix, and also by its partner or a number where that is not enough."""
    names: dict[str, Match] = {}
    for match in matches:
        mix, partner = Path(match.mix), Path(match.partner)
        several = sum(Path(m.mix).stem == mix.stem for m in matches) > 1
        name = f"{mix.stem} ({partner.stem})" if several else mix.stem
        number = 2
        while name in names:
            name = f"{mix.stem} ({partner.stem} {number})"
            number += 1
        names[name] = match
    return dict(sorted(names.items()))


def _match_line(outcome: parallel.Outcome) -> str:
    """What the search said of one file."""
    if outcome.error:
        return f"{outcome.key}: {outcome.error}"
    if outcome.value is None:
        return f"{outcome.key}: belongs to none of the others"
    return f"{outcome.key}: belongs to {outcome.value['mix']}"
