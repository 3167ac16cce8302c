"""What benchmarks that train have in common: how they begin, and the folders that DATA holds."""

import argparse
from pathlib import Path

import torch

from isolde.datasets.mixing.library import Entry, Library

TRAIN = ("magnatune", "cc-songs", "everything-is-free", "vocalset-arpeggios")
DEV = "musdb18-7-dev"


def command_line(about: str | None) -> argparse.ArgumentParser:
    """A command that takes DATA CACHE OUT; CACHE is for decoded audio."""
    parser = argparse.ArgumentParser(description=about)
    for name in ("data", "cache", "out"):
        parser.add_argument(name, type=Path)
    return parser


def started(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; from here on torch computes as `isolde train` lets it."""
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    return args


def opened(args: argparse.Namespace) -> tuple[list[Entry], list[Entry]]:
    """The songs to learn from, and every other dev song, at most `args.songs`, to measure on."""
    entries = Library([args.data / name for name in TRAIN], args.cache).entries
    return entries, Library([args.data / DEV], args.cache).entries[::2][: args.songs]
