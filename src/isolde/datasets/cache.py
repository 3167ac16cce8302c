"""Songs decoded once, to 22,050 Hz stereo int16, in a folder that can be deleted.

A song's files are named by a key: `{key}.vocals.npy`, `.accompaniment.npy`, `.activity.npy`, where
asked for `.drums.npy`, `.bass.npy`, `.other.npy`, and `{key}.json`, which is written last: without
it the rest does not count. It never writes beside the songs.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.atomic import Draft, write_text
from isolde.core.errors import AudioError, InputError
from isolde.core.parallel import stamp
from isolde.core.signal.spectrum import GRID_22, GRID_44
from isolde.core.stage import Float32
from isolde.core.stems import PARTS
from isolde.datasets.frames import activity_of
from isolde.datasets.manifest import Row
from isolde.datasets.sources import stereo_at

FULL_SCALE = 32767.0
QUIET_END = 0.1
"""Seconds by which stems may differ in length and are all cut to the shortest: codecs pad. Beyond
it the shorter ones are silent to the end, as games' songs have them."""

Int16 = NDArray[np.int16]

# What the first form of this cache took from a folder; its keys are still good where that is all.
_PLAIN_NAMES = ("vocals", "drums", "bass", "other", "accompaniment")
_PLAIN_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")


def key_of(rows: Sequence[Row]) -> str:
    """Return the key of a song, which changes with its files and with their rows.

    Args:
        rows: Rows of one song.

    Returns:
        16 hexadecimal digits.

    Raises:
        AudioError: A file is missing.
    """
    rows = needed(rows)
    item, plain = _item(rows)
    try:
        text = f"{item.resolve()}|{item.stat().st_mtime_ns}"
        if not plain:
            facts = sorted(
                f"{row.stem}={row.path.name}@{row.file.stat().st_mtime_ns}" for row in rows
            )
            text = "|".join([text, *facts])
    except OSError as error:
        raise AudioError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return hashlib.sha1(os.fsencode(text), usedforsecurity=False).hexdigest()[:16]


def _item(rows: Sequence[Row]) -> tuple[Path, bool]:
    """The song's folder or file, and whether that alone tells what the rows tell."""
    files = {row.file for row in rows}
    first = rows[0].file
    folders = {file.parent for file in files}
    if len(folders) > 1:
        return first, False
    named = {row.file.stem: row.stem for row in rows if row.stem != "mixture"}
    if not any(file.stem in _PLAIN_NAMES for file in files):
        return first, len(rows) == 1 and rows[0].stem == "vocals" and rows[0].stream is None
    try:
        there = {
            path
            for path in first.parent.iterdir()
            if path.suffix in _PLAIN_SUFFIXES and path.stem in _PLAIN_NAMES
        }
    except OSError:
        there = set()
    same = {file for file in files if file.stem in named} == there
    doubled = "accompaniment" in named and len(set(named) - {"vocals"}) > 1
    derived = "mixture" in {row.stem for row in rows}
    plain = same and not derived and not doubled and all(k == v for k, v in named.items())
    return first.parent, plain and len(rows) == len(files)


def ensure(rows: Sequence[Row], cache: Path, *, parts: Iterable[str] = ()) -> tuple[str, float]:
    """Decode what the cache does not hold of a song.

    Args:
        rows: Rows of one song.
        cache: Folder of the cache.
        parts: Which of `PARTS` to hold besides vocals and accompaniment.

    Returns:
        The key, and the highest frequency that the recording holds, in Hz.

    Raises:
        AudioError: A file is missing or cannot be decoded.
        InputError: There is nothing to learn from in these rows.
    """
    check_stems(rows)
    rows = needed(rows)
    key = key_of(rows)
    facts = cache / f"{key}.json"
    meta: dict[str, Any] = {}
    if facts.is_file():
        meta = json.loads(facts.read_text(encoding="utf-8"))
    names = (*PARTS, "vocals", "accompaniment", "activity")
    held = {name for name in names if (cache / f"{key}.{name}.npy").is_file()}
    wanted = {part for part in parts if has_part(rows, part)}
    missing = wanted - held
    if not meta or _always_held(rows) - held or _has_changed(rows, meta, facts):
        meta = _decode(rows, cache, key, wanted | held & {*PARTS})  # none stays as it was before
    elif missing:
        _decode_parts(rows, cache, key, missing)
    return key, float(meta["top_hz"])


def check_stems(rows: Sequence[Row]) -> None:
    """Refuse songs without a voice and without a backing.

    Raises:
        InputError: There is neither.
    """
    stems = {row.stem for row in rows}
    if not stems - {"mixture", "unsorted"}:
        raise InputError(
            f"'{rows[0].track}': only {' and '.join(sorted(stems))}, nothing to learn from: "
            "label it with `isolde data label`, or leave it out"
        )


def has_part(rows: Sequence[Row], part: str) -> bool:
    """Tell whether a song has all of one of `PARTS` in files of its own."""
    stems = {row.stem for row in rows}
    return part in stems and not (part == "other" and stems & {"rest", "unsorted"})


def derived_of(rows: Sequence[Row]) -> str:
    """Tell which stem is computed as the mixture less the rest: "vocals", "accompaniment" or "".

    The voice, where there is a mixture with its instrumental; the backing, where there is a mixture
    with a voice and stems that do not say that they are all.
    """
    stems = {row.stem for row in rows}
    if "mixture" not in stems:
        return ""
    if "vocals" not in stems:
        return "vocals" if "accompaniment" in stems else ""
    complete = stems & {"accompaniment", "rest"} or stems >= set(PARTS)
    return "" if complete else "accompaniment"


def _always_held(rows: Sequence[Row]) -> set[str]:
    """Files that the cache holds of a song, whatever parts are asked for."""
    stems, derived = {row.stem for row in rows}, derived_of(rows)
    held = {"activity"}
    if "vocals" in (*stems, derived):
        held.add("vocals")
    if derived == "accompaniment" or stems & {*PARTS, "rest", "accompaniment"}:
        held.add("accompaniment")
    return held


def needed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that take part: the mixture only where something is derived from it."""
    derived = derived_of(rows)
    return [row for row in rows if derived or row.stem != "mixture"]


def _stamp(rows: Sequence[Row]) -> str:
    """A stamp that changes when a file does, also to an older one."""
    return stamp(*(row.file.resolve() for row in rows))


def _has_changed(rows: Sequence[Row], meta: Mapping[str, Any], facts: Path) -> bool:
    """Whether files have changed since; earlier caches know only the newest time of change."""
    if "stamp" in meta:
        return bool(meta["stamp"] != _stamp(rows))
    newest = max(row.file.stat().st_mtime_ns for row in rows)
    return bool(newest > meta.get("newest", facts.stat().st_mtime_ns))


def _decode(rows: Sequence[Row], cache: Path, key: str, wanted: set[str]) -> dict[str, Any]:
    """Decode all of a song, one file after the other."""
    mark = _stamp(rows)
    sums, top = _sums(rows, wanted)
    n = _common_length([part.shape[1] for part in sums.values()])
    sums = {stem: _to_length(part, n) for stem, part in sums.items()}
    if derived := derived_of(rows):
        known = "vocals" if derived == "accompaniment" else "accompaniment"
        sums[derived] = sums.pop("mixture") - sums[known]
    vocals, backing = sums.pop("vocals", None), sums.pop("accompaniment", None)
    if vocals is not None:
        save_array(cache / f"{key}.vocals.npy", int16(vocals))
        save_array(cache / f"{key}.activity.npy", activity_of(vocals))
    else:
        save_array(cache / f"{key}.activity.npy", np.zeros(GRID_22.n_frames(n), np.bool_))
    if backing is not None:
        save_array(cache / f"{key}.accompaniment.npy", int16(backing))
    for stem, part in sums.items():
        save_array(cache / f"{key}.{stem}.npy", int16(part))
    meta = {"top_hz": top, "item": str(_item(rows)[0]), "n": n, "stamp": mark}
    write_text(cache / f"{key}.json", json.dumps(meta))
    return meta


def _sums(rows: Sequence[Row], wanted: set[str]) -> tuple[dict[str, Float32], float]:
    """Decode and sum files by stem: vocals, accompaniment, mixture where needed, and `wanted`."""
    derived = derived_of(rows)
    whole = derived == "accompaniment" or any(row.stem == "accompaniment" for row in rows)
    sums: dict[str, Float32] = {}
    top = GRID_44.sample_rate / 2.0
    for row in rows:
        to = [row.stem] if row.stem in (*wanted, "vocals", "accompaniment") else []
        if row.stem == "mixture" and derived:
            to.append("mixture")
        if row.stem in (*PARTS, "rest") and not whole:
            to.append("accompaniment")
        if not to:
            continue
        audio, rate = stereo_at(row, GRID_22.sample_rate)
        top = min(top, rate / 2)
        for stem in to:
            sums[stem] = _add(sums[stem], audio) if stem in sums else audio
    return sums, top


def _decode_parts(rows: Sequence[Row], cache: Path, key: str, missing: set[str]) -> None:
    """Decode further stems of a song, to its length in the cache."""
    held = next(
        path
        for name in ("vocals", "accompaniment")
        if (path := cache / f"{key}.{name}.npy").is_file()
    )
    n = np.load(held, mmap_mode="r").shape[1]
    for stem, part in _sums([row for row in rows if row.stem in missing], missing)[0].items():
        if stem in missing:
            save_array(cache / f"{key}.{stem}.npy", int16(_to_length(part, n)))


def _common_length(lengths: Sequence[int]) -> int:
    """The shortest length where all are about as long, else the longest."""
    slack = round(QUIET_END * GRID_22.sample_rate)
    longest = max(lengths)
    return min((n for n in lengths if n >= longest - slack), default=longest)


def _to_length(audio: Float32, n: int) -> Float32:
    return np.pad(audio[:, :n], ((0, 0), (0, max(0, n - audio.shape[1]))))


def _add(a: Float32, b: Float32) -> Float32:
    """The sum of two sounds, as long as `_common_length` says."""
    n = _common_length([a.shape[1], b.shape[1]])
    return _to_length(a, n) + _to_length(b, n)


def int16(audio: Float32) -> Int16:
    """Round samples in [-1, 1] to int16; others are clipped."""
    return np.round(np.clip(audio, -1, 1) * FULL_SCALE).astype(np.int16)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array whole or not at all, also when two processes write the same one."""
    with Draft(path) as draft, draft.path.open("wb") as file:
        np.save(file, array)
