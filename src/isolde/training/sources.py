"""Open the songs of a training and of its validation, from folders or a manifest."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isolde.core.errors import InputError
from isolde.datasets.manifest import artist_key, manifest_in
from isolde.datasets.mixing.library import Entry, Library
from isolde.datasets.mixing.packed import is_packed, packed_songs
from isolde.datasets.voicing import labelled
from isolde.training.mixing.mixer import Mixer
from isolde.training.mixing.timeline import Timeline
from isolde.training.recipe import Recipe
from isolde.training.tasks.excerpts import Stretches


@dataclass(frozen=True)
class Songs:
    """The songs of a training.

    Attributes:
        train: Songs and voices to learn from.
        validation: Whole songs to measure on.
        problems: One line for each song that cannot be used.
    """

    train: list[Entry]
    validation: list[Entry]
    problems: list[str]

    @property
    def digest(self) -> str:
        """A short text that changes when the songs to learn from do."""
        lines = (f"{e.track}|{e.artist}|{len(e.activity)}\n" for e in self.train)
        return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()[:16]


def open_songs(
    data: Sequence[Path], recipe: Recipe, *, cache: Path, validation: Path | None = None
) -> Songs:
    """Open the songs of a training.

    Args:
        data: Folders of songs, or of packed ones, or one manifest, whose column `split` then
            decides. Of folders, songs that folders or tags call "test" are left out where there
            are others.
        recipe: Recipe, whose task says what must be decoded, and whose `hold_out` is the share of
            the music in folders that is kept for validation, by artists, when `validation` is None.
        cache: Folder for decoded audio.
        validation: Folder, also of packed songs, or manifest to measure on instead.

    Raises:
        InputError: There is nothing to learn from, nothing can be held out, or none of `validation`
            can be measured on.
    """
    parts = recipe.task.parts
    train, problems = _open(data, cache, parts, split="train")
    kept = [e for e in train if e.split != "test"]
    if kept and len(kept) < len(train):
        problems.append(f"{len(train) - len(kept)} songs of 'test', which are to measure on")
        train = kept
    held, failed = list[Entry](), list[str]()
    if validation:
        held, failed = _open([validation], cache, parts)
    elif manifest_in(data):
        try:
            held, failed = _open(data, cache, parts, split="validation")
        except InputError as error:
            failed = [f"measuring on other songs: {error}"]
    elif recipe.hold_out:
        out = held_out(train, recipe.hold_out)
        held = [e for e in train if artist_key(e.artist) in out]
        train = [e for e in train if artist_key(e.artist) not in out]
    held = [replace(e, accompaniment=e.backing) for e in held]
    songs = [e for e in held if e.vocals is not None and e.accompaniment is not None]
    if validation and not songs:
        raise InputError(
            f"{validation}: no song to measure on has vocals and an accompaniment: give others "
            "with --validate"
        )
    if recipe.labels == "heard":
        train, songs = labelled(train), labelled(songs)
    return Songs(train, songs, problems + failed)


def _open(
    data: Sequence[Path], cache: Path, parts: Sequence[str], *, split: str | None = None
) -> tuple[list[Entry], list[str]]:
    """Open the songs of folders, or of a split of a manifest; also a line for each left out."""
    packed = [folder for folder in data if is_packed(folder)]
    if packed and len(packed) < len(data):
        raise InputError(f"{packed[0]}: holds packed songs: give such folders alone, or others")
    if packed:
        found = [packed_songs(folder) for folder in packed]
        return [e for songs, _ in found for e in songs], [p for _, lines in found for p in lines]
    if manifest := manifest_in(data):
        library = Library.from_manifest(manifest, cache, split, stems=parts)
    else:
        library = Library(data, cache, stems=parts)
    return library.entries, library.failed


def held_out(entries: Iterable[Entry], share: float) -> set[str]:
    """Choose the artists kept for validation: at least one, until they hold `share` of the music.

    Which ones depends on their names alone, so that a second run holds out the same.

    Returns:
        Artists by `artist_key`.

    Raises:
        InputError: There is one artist only.
    """
    lengths: dict[str, int] = {}
    for entry in entries:
        name = artist_key(entry.artist)
        lengths[name] = lengths.get(name, 0) + len(entry.activity)
    if len(lengths) < 2:
        raise InputError(
            "all songs are by one artist, so none can be held out: "
            "give a folder of other songs with --validate"
        )
    order = sorted(lengths, key=lambda a: hashlib.sha256(os.fsencode(a)).hexdigest())
    out: set[str] = set()
    for artist in order[:-1]:
        if out and sum(lengths[a] for a in out) >= share * sum(lengths.values()):
            break
        out.add(artist)
    return out


def examples_of(recipe: Recipe, songs: Sequence[Entry] | Timeline, device: str = "cpu") -> Any:
    """Make the source of a recipe's examples: new mixes, or the songs as they are.

    Args:
        recipe: Of the run.
        songs: To learn from; for new mixes also those that lie on a device already.
        device: Where new mixes are made.

    Raises:
        InputError: When the songs do not hold what is to be learnt.
    """
    if recipe.draw == "songs":
        entries = songs if isinstance(songs, Sequence) else ()
        return Stretches(entries, frames=recipe.frames, seed=recipe.seed)
    if not isinstance(songs, Timeline):
        songs = Timeline(songs, stems=recipe.task.parts, device=device)
    return Mixer(songs, recipe.mix, seed=recipe.seed, grid=recipe.task.grid)
