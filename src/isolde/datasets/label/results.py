"""The result of labelling a song, and the manifest of all results; it runs no separator."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from isolde.core.errors import InputError
from isolde.datasets.label.confidence import Confidence
from isolde.datasets.manifest import (
    SPLITS,
    Row,
    check_target,
    merge,
    read_manifest,
    write_manifest,
)

VOICED_DB = -30.0
"""Vocals above this, beside the mixture, count as heard in the one-line summary."""


@dataclass
class LabelResult:
    """The result of one song.

    Attributes:
        track: Name of the song.
        rows: Rows for the manifest; empty if it failed.
        error: One line, or empty.
        seconds: Length in seconds.
        elapsed: Wall time of the teacher, in seconds.
        confidence: Confidence of the labels, or None.
    """

    track: str
    rows: list[Row] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0
    elapsed: float = 0.0
    confidence: Confidence | None = None

    def summary(self) -> str:
        """Return one line for a terminal or a log."""
        if self.error:
            return f"{self.track}: {self.error}"
        if self.confidence is None:
            return f"{self.track}: done before"
        voiced = float(np.mean(self.confidence.vocals_db > VOICED_DB))
        return (
            f"{self.track}: {self.seconds:.1f} s in {self.elapsed:.1f} s, confidence "
            f"{float(np.mean(self.confidence.confidence)):.2f}, residual "
            f"{float(np.median(self.confidence.residual_db)):.1f} dB, voice in {voiced:.0%}"
        )


def _facts(rows: Iterable[Row]) -> set[tuple[str, str, float, int]]:
    """The values of rows that come from a labelling."""
    return {(os.path.abspath(r.path), r.origin, round(r.seconds, 3), r.rate) for r in rows}


class LabelManifest:
    """A manifest to which the rows of each result are added; edited rows stay as they are.

    Attributes:
        path: Path of the manifest.
    """

    def __init__(self, path: Path, *, split: str = "") -> None:
        """Open the manifest, or begin one.

        Args:
            path: Path of a .csv or .parquet file.
            split: Split of the new rows; empty: by artist.

        Raises:
            InputError: It cannot be one, or its content cannot be understood.
        """
        check_target(path)
        if split and split not in SPLITS:
            raise InputError(f"split '{split}': choose from {', '.join(SPLITS)}")
        self.path, self._split = path, split
        self._rows = read_manifest(path) if path.exists() else []

    def add(self, result: LabelResult) -> None:
        """Add a result's rows and write the manifest.

        A song that is in it keeps its track, artist, split, licence and further columns there, and
        gets the files that the result made.

        Raises:
            AudioError: It cannot be written.
        """
        if not result.rows:
            return
        files = {os.path.abspath(row.path) for row in result.rows}
        folders = {os.path.dirname(os.path.abspath(r.path)) for r in result.rows if r.origin}
        old = [
            row
            for row in self._rows
            if os.path.abspath(row.path) in files
            or (row.origin and os.path.dirname(os.path.abspath(row.path)) in folders)
        ]
        was_done = result.confidence is None or _facts(old) == _facts(result.rows)
        if {os.path.abspath(row.path) for row in old} == files and was_done:
            return
        new = [replace(row, split=self._split or row.split) for row in result.rows]
        if old:
            first = old[0]
            new = [
                replace(
                    row,
                    track=first.track,
                    artist=first.artist,
                    split=first.split,
                    licence=first.licence,
                    further=first.further,
                )
                for row in new
            ]
        self._rows = merge([row for row in self._rows if row not in old], new)
        write_manifest(self._rows, self.path)
