"""Find the files that belong together by their sound; names only order the search.

Never aligns finely and never writes: it returns pairs of paths, which of them is the mix, and the
files of no pair. The loud windows of every partner are searched in every mix (see `offset`); two
windows on one line are a match.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from isolde.core import parallel
from isolde.core.errors import InputError, IsoldeError, MissingExtraError
from isolde.core.warned import without_warnings
from isolde.pairs.report import REPORT, is_report_of
from isolde.pairs.timing.align import Prepared, prepare
from isolde.pairs.timing.drift import warp
from isolde.pairs.timing.edits import shifted
from isolde.pairs.timing.offset import BANK, COARSE_RATE, Haystack, Line, coarse, consensus

WINDOWS = 5  # windows of a partner to search for
SURE = 90.0  # sum of z over windows on one line: no need to search other mixes


@dataclass(frozen=True)
class Match:
    """Two files that hold the same recording.

    Attributes:
        mix: Path of the one that holds more.
        partner: Path of the one that is contained in it.
        z: Sum of the peaks on the line.
        windows: How many windows agree.
    """

    mix: str
    partner: str
    z: float
    windows: int


def audio_files(folder: str | Path, *, output: str | Path | None = None) -> list[Path]:
    """List the audio files in a folder and below, by name.

    Args:
        folder: Folder of songs.
        output: Folder of results, which are left out where it lies below the other; hidden files
            and songs that were made of pairs always are.

    Raises:
        InputError: It is no folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: give a folder of songs")
    top, made = root.resolve(), None if output is None else Path(output).resolve()
    inner = made if made is not None and made != top and made.is_relative_to(top) else None
    suffixes = {*AUDIO_SUFFIXES, *VIDEO_SUFFIXES}
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and not (inner is not None and path.resolve().is_relative_to(inner))
        and not is_report_of(path.parent / REPORT, path.parent.name)
    )


def two_sides(
    folder: str | Path, *, output: str | Path | None = None
) -> tuple[list[Path], list[Path]]:
    """Split a folder: its two subfolders against each other, or all files against all.

    Args:
        folder: Folder with two subfolders that hold audio (mixes and partners, in any order), or
            else any files.
        output: See `audio_files`.

    Returns:
        (one side, other side); the same list twice when there are not just two subfolders.
    """
    files = audio_files(folder, output=output)
    parts = sorted({p.relative_to(folder).parts[0] for p in files if p.parent != Path(folder)})
    if len(parts) == 2 and all(p.parent != Path(folder) for p in files):
        sides = [[p for p in files if p.relative_to(folder).parts[0] == part] for part in parts]
        return sides[0], sides[1]
    return files, files


def line_of(mix: Haystack, partner: Prepared, *, bank: Sequence[float] = BANK) -> Line | None:
    """Return the line on which a few windows of the partner lie in the mix, if there is one.

    Args:
        mix: The whitened mix at COARSE_RATE.
        partner: Partner from `prepare`.
        bank: Drifts to try.

    Returns:
        The line if at least two windows agree on it, else None.
    """
    line = consensus(coarse(mix, partner.mono, partner.white, count=WINDOWS, bank=bank))
    return line if line is not None and line.windows >= 2 else None


def holds_more(a: Prepared, b: Prepared, line: Line) -> bool:
    """Tell whether `a` is the mix and `b` the part, and not the other way round.

    Wherever the part is loud, the mix is loud; but not the reverse. With both on one clock and at
    one level per band, count the energy of each where the other has nothing (12 dB less).

    Args:
        a: One signal.
        b: The other one.
        line: T_a = offset + (1 + drift) * t_b.

    Returns:
        True if `a` holds energy that `b` lacks more than the reverse.
    """
    bent = warp(b.mono[None], COARSE_RATE, COARSE_RATE, line.drift)[0]
    start = max(0, round(line.offset * COARSE_RATE))
    end = min(len(a.mono), round(line.offset * COARSE_RATE) + len(bent))
    if end - start < 512:
        return True
    pair = [a.mono[start:end], shifted(bent, line.offset, COARSE_RATE, len(a.mono))[start:end]]
    window = np.hanning(512).astype(np.float32)
    x, y = (
        np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(s, 512)[::256] * window))[
            :, 12:240
        ]
        + 1e-9
        for s in pair
    )
    both = np.minimum(x / x.max(), y / y.max())
    for band in np.array_split(np.arange(x.shape[1]), 8):  # one level per band
        weight = both[:, band] ** 2
        ratio = np.log(y[:, band] / x[:, band])
        y[:, band] /= np.exp(np.average(ratio, weights=weight))
    return float(np.square(x[x > 4 * y]).sum()) >= float(np.square(y[y > 4 * x]).sum())


@lru_cache(maxsize=256)
def _prepared(path: str, _stamp: str) -> Prepared:
    """Read and whiten once per process.

    Raises:
        AudioError: The file cannot be read.
        InputError: It holds too little.
    """
    from isolde import audio

    with without_warnings():  # damage is told when the pair is made
        return prepare(*audio.read(path))


@lru_cache(maxsize=256)
def _haystack(path: str, mark: str) -> Haystack:
    """Transform once per process."""
    return Haystack(_prepared(path, mark).white, COARSE_RATE)


def find_mix(partner: str, *, candidates: Sequence[str]) -> dict[str, Any]:
    """Find the file among candidates that a partner belongs to.

    Args:
        partner: Path.
        candidates: Paths; the partner's own path is skipped.

    Returns:
        "match": what `Match` holds, with the roles by content, or None; "faults": candidate ->
        why it cannot be used.

    Raises:
        AudioError: The partner cannot be read.
        InputError: It is silent or shorter than a second.
    """
    mark = parallel.stamp
    mine = _prepared(partner, mark(partner))
    name = Path(partner).stem.lower()

    def likeness(path: str) -> float:
        return difflib.SequenceMatcher(None, name, Path(path).stem.lower()).ratio()

    order = sorted((c for c in candidates if c != partner), key=lambda c: (-likeness(c), c))
    best: tuple[float, str, Line] | None = None
    faults: dict[str, str] = {}
    for bank in (BANK[:1], BANK):  # most pairs have next to no drift: that is nine times quicker
        for path in order:
            if path in faults:
                continue
            try:
                hay = _haystack(path, mark(path))
            except MissingExtraError:
                raise
            except IsoldeError as error:  # it costs no other
                faults[path] = str(error)
                continue
            line = line_of(hay, mine, bank=bank)
            if line is not None and (best is None or line.z > best[0]):
                best = (line.z, path, line)
                if line.z > SURE:
                    break
        if best is not None:
            break
    if best is None:
        return {"match": None, "faults": faults}
    z, path, line = best
    other = _prepared(path, mark(path))
    roles = (path, partner) if holds_more(other, mine, line) else (partner, path)
    match = {"mix": roles[0], "partner": roles[1], "z": z, "windows": line.windows}
    return {"match": match, "faults": faults}


def match_files(
    one: Sequence[Path],
    other: Sequence[Path],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    journal: str | Path | None = None,
    report: Callable[[parallel.Outcome], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> tuple[list[Match], list[Path], dict[str, str]]:
    """Find all pairs between two lists of files (or within one, given twice).

    The time grows with the product of the lists; about 0.2 s per minute of mix and pair tried.

    Args:
        one: Paths of recordings.
        other: Paths.
        workers: See `parallel.run`.
        scheduler: See `parallel.run`.
        journal: See `parallel.run`.
        report: See `parallel.run`.
        notify: See `parallel.run`.

    Returns:
        (matches, files of no match, file -> error for those that could not be used).
    """
    candidates = [str(p) for p in one]
    items = {str(p): str(p) for p in other}
    outcomes = parallel.run(
        partial(find_mix, candidates=candidates),
        items,
        journal=journal,
        stamps={k: parallel.stamp(k, *candidates, settings="match 2") for k in items},
        workers=workers,
        scheduler=scheduler,
        report=report,
        notify=notify,
    )
    found: dict[tuple[str, str], Match] = {}
    errors = {o.key: o.error for o in outcomes if o.error}
    for outcome in outcomes:
        if outcome.value:
            errors = {**outcome.value["faults"], **errors}
        if outcome.value and outcome.value["match"]:
            match = Match(**outcome.value["match"])
            key = (match.mix, match.partner)
            if key not in found or match.z > found[key].z:
                found[key] = match
    used = {p for m in found.values() for p in (m.mix, m.partner)}
    left = [p for p in dict.fromkeys([*one, *other]) if str(p) not in used and str(p) not in errors]
    return sorted(found.values(), key=lambda m: (m.mix, m.partner)), left, errors
