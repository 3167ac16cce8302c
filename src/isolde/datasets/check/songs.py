"""Check whether songs are as their manifest says: every file is decoded; nothing is changed.

Faults of a file or a song are found by `isolde.datasets.check.song`; here those of the whole set:
one artist, or one recording, on two sides of the split.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from isolde.core.parallel import Outcome, run
from isolde.datasets.check.song import MIN_SECONDS, Checked, Finding, check_song
from isolde.datasets.manifest import Row, artist_key, by_track


@dataclass
class CheckReport:
    """Findings of all songs."""

    findings: list[Finding] = field(default_factory=list)
    n_songs: int = 0
    n_files: int = 0
    seconds: float = 0.0

    @property
    def faults(self) -> list[Finding]:
        """Findings that spoil training."""
        return [finding for finding in self.findings if finding.is_fault]

    @property
    def bad_tracks(self) -> set[str]:
        """Songs with a fault."""
        return {finding.track for finding in self.faults}


def check(
    rows: Iterable[Row],
    *,
    min_seconds: float = MIN_SECONDS,
    workers: int = 1,
    report: Callable[[Checked], None] | None = None,
) -> CheckReport:
    """Decode and check every file of a manifest.

    Args:
        rows: Rows of the manifest.
        min_seconds: Length below which a file is short.
        workers: Processes; 0: one per core; 1: this one.
        report: Function called with each song as it is done, in any order.

    Returns:
        Findings in the order of the songs, those of the set at the end.

    Raises:
        InputError: A negative number of workers.
    """
    songs = by_track(rows)
    whole = CheckReport(n_songs=len(songs), n_files=sum(len(files) for files in songs.values()))
    results: dict[str, Checked] = {}

    def take(outcome: Outcome) -> None:
        track, checked = outcome.key, outcome.value
        if checked is None:
            finding = Finding(track, None, "unreadable", outcome.error or "unknown")
            checked = Checked(track, [finding])
        results[track] = checked
        if report:
            report(checked)

    run(partial(check_song, min_seconds=min_seconds), songs, workers=workers, report=take)
    for track in songs:
        whole.findings += results[track].findings
        whole.seconds += results[track].seconds
    whole.findings += _of_the_set(songs, results)
    return whole


def _of_the_set(songs: dict[str, list[Row]], results: dict[str, Checked]) -> list[Finding]:
    """Find artists and recordings on two sides, and songs without a licence."""
    found: list[Finding] = []
    sides: dict[str, dict[str, str]] = {}
    for track, rows in songs.items():
        if rows[0].split:
            sides.setdefault(artist_key(rows[0].artist), {}).setdefault(rows[0].split, track)
    for where in sides.values():
        if len(where) > 1:
            (split, track), *others = where.items()
            listed = ", ".join(f"'{t}' in {s}" for s, t in others)
            artist = songs[track][0].artist
            text = f"'{artist}' is in {split}, and with {listed}: give the artist one side"
            found.append(Finding(track, None, "artist", text))
    first: dict[str, tuple[str, str]] = {}
    for track in songs:
        for path, mark in results[track].prints.items():
            other, where_path = first.setdefault(mark, (track, path))
            if other != track:
                text = f"the same recording as {where_path}"
                found.append(Finding(track, Path(path), "recording", text))
    without = [track for track, rows in songs.items() if rows[0].licence == "unknown"]
    if without:
        text = f"unknown of {len(without)} songs: scan with --licence, or fill in the column"
        found.append(Finding(without[0], None, "licence", text, is_fault=False))
    return found
