"""Find, align, normalise and score pairs of mixes and vocals to train on; it trains nothing."""

from isolde.pairs.build import PairArrays, pair_arrays
from isolde.pairs.folder import FolderReport, build_folder
from isolde.pairs.report import PairReport
from isolde.pairs.song import build_pair

__all__ = ["FolderReport", "PairArrays", "PairReport", "build_folder", "build_pair", "pair_arrays"]
