"""Songs with known stems: found, listed, checked, labelled and decoded; nothing is learnt here."""

from isolde.datasets.layouts import Hints, find
from isolde.datasets.manifest import Row, read_manifest, split_of, write_manifest
from isolde.datasets.rows import scan

__all__ = ["Hints", "Row", "find", "read_manifest", "scan", "split_of", "write_manifest"]
