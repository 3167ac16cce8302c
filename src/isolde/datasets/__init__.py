"""Songs with known stems: found, listed, checked, labelled and decoded; nothing is learnt here."""

from isolde.datasets.layouts import Found, Hints, find
from isolde.datasets.manifest import (
    COLUMNS,
    SPLITS,
    STEMS,
    Row,
    by_track,
    merge,
    read_manifest,
    split_of,
    write_manifest,
)
from isolde.datasets.rows import rows_of, scan

__all__ = [
    "COLUMNS",
    "SPLITS",
    "STEMS",
    "Found",
    "Hints",
    "Row",
    "by_track",
    "find",
    "merge",
    "read_manifest",
    "rows_of",
    "scan",
    "split_of",
    "write_manifest",
]
