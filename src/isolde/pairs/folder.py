"""Make song folders from a folder of files in any order: match by content, then build each pair.

Never looks at samples itself: it hands the work to `parallel` and collects the reports.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core import parallel
from isolde.core.atomic import exists_already
from isolde.core.errors import InputError
from isolde.core.journal import read_lines
from isolde.pairs.match import Match, audio_files, match_files, two_sides
from isolde.pairs.report import REPORT, PairReport, is_report_of, write_csv
from isolde.pairs.song import build_pair, check_choices, check_output

JOURNAL = "pairs.journal.jsonl"


@dataclass(frozen=True)
class FolderReport:
    """Results of a folder.

    Attributes:
        pairs: One report per matched pair, accepted or not.
        unmatched: Files that belong to none of the others.
        errors: File or track -> error.
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
    overwrite: bool = False,
    draw: Callable[[PairReport, Path], None] | None = None,
    report: Callable[[str], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> FolderReport:
    """Find the pairs in a folder and build every one.

    Args:
        folder: Folder with two subfolders (mixes and partners), or all files in one; with
            `partners`, the mixes. What lies below the output is left out.
        output: Folder that gets a folder per accepted song, pairs.csv, and a journal for resuming.
        partners: A folder of a cappellas or instrumentals, or None.
        kind: See `build_pair`.
        keep: See `build_pair`.
        workers: See `parallel.run`.
        scheduler: See `parallel.run`.
        overwrite: See `build_pair`.
        draw: Function that draws each page; must be picklable (a function of a module).
        report: Function called with a line of text for every file or pair as it is done.
        notify: Function called with lines that a user should see at once: each error, once, and
            the songs of earlier runs that are of no pair now.

    Returns:
        The folder's report; pairs are sorted by track.

    Raises:
        InputError: No folder, no audio, unknown settings, or a pairs.csv that is not of a run.
    """
    check_choices(kind, keep)
    folder, output = Path(folder), Path(output)
    check_output(output)
    partners = None if partners is None else Path(partners)
    if scheduler is not None:  # other machines have other current folders
        folder, output = folder.absolute(), output.absolute()
        partners = None if partners is None else partners.absolute()
    if partners is None:
        one, other = two_sides(folder, output=output)
    else:
        one, other = (audio_files(place, output=output) for place in (folder, partners))
        spelt = {path.resolve(): path for path in other}  # a file of both sides has one name
        one = [spelt.get(path.resolve(), path) for path in one]
    if len(set(one) | set(other)) < 2 or not one or not other:
        raise InputError(f"{folder} holds no two audio files to be paired")
    journal, table = output / JOURNAL, output / "pairs.csv"
    if table.exists() and not (overwrite or journal.exists()):
        raise InputError(exists_already(str(table)))
    journal.parent.mkdir(parents=True, exist_ok=True)
    before = _tracks_before(journal)
    say, tell = report or (lambda line: None), notify or (lambda line: None)
    told: set[str] = set()

    def fail(name: str, error: str) -> None:
        if name not in told:
            told.add(name)
            tell(_named(name, error))

    def matched(outcome: parallel.Outcome) -> None:
        for name, error in (outcome.value or {"faults": {}})["faults"].items():
            fail(name, error)
        if outcome.error:
            fail(outcome.key, outcome.error)
        else:
            say(_match_line(outcome))

    def built(outcome: parallel.Outcome) -> None:
        if outcome.error:
            fail(outcome.key, outcome.error)
        else:
            say(PairReport.from_dict(outcome.value).summary())

    matches, left, errors = match_files(
        one, other, workers=workers, scheduler=scheduler, journal=journal, report=matched,
        notify=notify,
    )  # fmt: skip
    for path in left:
        if path not in other:  # the others have said so
            say(f"{path}: no other belongs to it")
    tasks = {name: (m.mix, m.partner, name) for name, m in _tracks(matches).items()}
    job = partial(_build, output=str(output), kind=kind, keep=keep, overwrite=overwrite, draw=draw)
    build = partial(parallel.run, job, workers=workers, scheduler=scheduler)
    outcomes = build(
        tasks, journal=journal, report=built,
        stamps={
            k: parallel.stamp(m, p, settings=("build 1", kind, keep, draw is not None, str(output)))
            for k, (m, p, _) in tasks.items()
        },
    )  # fmt: skip
    lost = {o.key: tasks[o.key] for o in outcomes if o.resumed and not _is_there(o.value)}
    if lost:  # finished once, but someone took the songs away
        fresh = {o.key: o for o in build(lost)}
        outcomes = [fresh.get(o.key, o) for o in outcomes]
    failed = {o.key: o.error for o in outcomes if o.error}
    for outcome in outcomes:
        if outcome.error is None and not _is_there(outcome.value):
            place = outcome.value["folder"]
            failed[outcome.key] = f"{place}: is not seen here: give an output that all machines see"
    for name, error in failed.items():
        fail(name, error)
    reports = tuple(PairReport.from_dict(o.value) for o in outcomes if o.key not in failed)
    write_csv(reports, table)
    for track in sorted(before - set(tasks)):
        if is_report_of(output / track / REPORT, track):
            tell(f"{output / track}: is of an earlier run, of no pair now: delete it, or leave it")
    return FolderReport(reports, tuple(str(p) for p in left), errors | failed)


def _tracks_before(journal: Path) -> set[str]:
    """Names of the songs that earlier runs made."""
    values = [entry.get("value") for _, entry in read_lines(journal)]
    return {value["track"] for value in values if isinstance(value, dict) and "track" in value}


def _named(name: str, error: str) -> str:
    """An error that names what it is of, once."""
    return error if error.startswith(f"{name}:") else f"{name}: {error}"


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
    """The result of the search for one file as a line."""
    match = outcome.value["match"]
    if match is None:
        return f"{outcome.key}: belongs to none of the others"
    if match["mix"] == outcome.key:
        return f"{outcome.key}: holds {match['partner']}"
    return f"{outcome.key}: belongs to {match['mix']}"
