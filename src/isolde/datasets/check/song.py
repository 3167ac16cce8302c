"""Find faults of one song's files; it decodes all of them and changes nothing.

A fault is what spoils training or measuring, a note what one should know. Of one file: it cannot be
decoded, is clipped, silent, too short, holds NaN, or is not as the manifest says. Of a song: its
files differ in rate, break off, hold the same sound twice, lie beside the mixture in time, are
inverted, or do not sum to it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isolde.audio import Resampler
from isolde.audio.formats import CONTAINERS
from isolde.core.errors import IsoldeError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32
from isolde.core.stems import PARTS
from isolde.datasets.cache import QUIET_END, int16
from isolde.datasets.check.alignment import lag_of, residual_db
from isolde.datasets.manifest import Row
from isolde.datasets.sources import open_row
from isolde.datasets.voicing import voice_frames

RATE = GRID_22.sample_rate


MIN_SECONDS = 1.0
"""Length below which a file is short, unless asked."""
MIN_RATE = 16_000
"""Sample rate below which it is low, in Hz."""
CLIPPED_SHARE = 1e-4
"""Share of a stem's samples in runs of three or more at full scale."""
SILENT_DB = -80.0
"""Peak below which a file is silent, in dB of full scale."""
SUM_DB = 10.0
"""Least level of a mixture above what its stems leave of it."""
LAG_SECONDS = 0.0005
"""Greatest distance in time of a stem from where the mixture has it."""
BROKEN_OFF_DB = -40.0
"""Level of an end, in dB of full scale, above which a file breaks off where others go on."""


@dataclass(frozen=True)
class Finding:
    """A fault or a note.

    Attributes:
        track: Track of the song.
        file: Which one; None for what concerns the song.
        kind: One word: unreadable, nan, clipped, silent, short, rate, length, twice, misaligned,
            inverted, sum, manifest, artist, recording, voice, licence, note.
        text: What was found, with its value.
        is_fault: Whether it spoils training.
    """

    track: str
    file: Path | None
    kind: str
    text: str
    is_fault: bool = True

    def __str__(self) -> str:
        """Return one line."""
        where = f"{self.file}" if self.file is not None else f"'{self.track}'"
        return f"{where}: {self.kind}: {self.text}"


@dataclass
class Checked:
    """Findings of one song.

    Attributes:
        track: Name of the song.
        findings: Faults and notes.
        prints: File -> SHA-1 of its sound at 22,050 Hz, silent ones left out.
        seconds: Length in seconds.
    """

    track: str
    findings: list[Finding] = field(default_factory=list)
    prints: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def check_song(rows: Sequence[Row], *, min_seconds: float = MIN_SECONDS) -> Checked:
    """Decode and check the files of one song.

    Args:
        rows: Rows of the song.
        min_seconds: Length below which a file is short.
    """
    checked = Checked(rows[0].track)
    sounds: dict[Path, Float32] = {}
    rates: dict[Path, int] = {}
    for row in rows:
        if row.path in sounds:
            text = "is in the manifest twice for one song: leave one row"
            checked.findings.append(Finding(row.track, row.path, "manifest", text))
            continue
        try:
            sounds[row.path], rates[row.path] = _file(row, min_seconds, checked)
        except IsoldeError as error:
            text = str(error).removeprefix(f"{row.path}: ")
            checked.findings.append(Finding(row.track, row.path, "unreadable", text))
    if sounds.keys() == {row.path for row in rows}:
        checked.seconds = max(sound.shape[1] for sound in sounds.values()) / RATE
        _song(rows, sounds, rates, checked)
    return checked


# --- one file ----------------------------------------------------------------------------------


def _file(row: Row, min_seconds: float, checked: Checked) -> tuple[Float32, int]:
    """Check a file; return its samples at 22,050 Hz, stereo, and its own rate."""

    def say(kind: str, text: str, *, is_fault: bool = True) -> None:
        checked.findings.append(Finding(row.track, row.path, kind, text, is_fault))

    n, clipped, peak = 0, 0, 0.0
    with open_row(row) as source:
        rate = source.info.sample_rate
        resampler = Resampler(rate, RATE, min(2, source.info.n_channels))
        pieces = []
        for block in source:
            n += block.shape[1]
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            clipped += clipped_samples(block)
            pieces.append(resampler.feed(np.ascontiguousarray(block[:2])))
        sound = np.concatenate([*pieces, resampler.flush()], axis=1)
        for note in source.notes():
            is_nan = "NaN" in note
            say("nan" if is_nan else "note", note.partition(": ")[2], is_fault=is_nan)
    sound = np.broadcast_to(sound, (2, sound.shape[1]))
    seconds = n / rate
    if seconds < min_seconds:
        say("short", f"{seconds:.2f} s")
    if rate < MIN_RATE:
        say("rate", f"{rate} Hz: it holds nothing above {rate / 2:.0f} Hz")
    if row.rate and row.rate != rate:
        say("manifest", f"{rate} Hz, the manifest says {row.rate}: scan again")
    if row.seconds and abs(row.seconds - seconds) > max(QUIET_END, 0.01 * seconds):
        say("manifest", f"{seconds:.1f} s, the manifest says {row.seconds:.1f}: scan again")
    if peak < 10 ** (SILENT_DB / 20):
        say("silent", f"peak {_db(peak):.0f} dB" if peak else "nothing but zeros")
    else:
        digest = hashlib.sha1(int16(sound).tobytes(), usedforsecurity=False)
        checked.prints[str(row.path)] = digest.hexdigest()
    if clipped:
        share = clipped / max(1, n * source.info.n_channels)
        text = f"{clipped} samples in runs at full scale ({100 * share:.2g} %)"
        # masters are driven into clipping; a stem that is has lost something
        is_stem = row.stem not in ("mixture", "unsorted")
        say("clipped", text, is_fault=is_stem and share > CLIPPED_SHARE)
    return sound, rate


def clipped_samples(audio: Float32) -> int:
    """Count the samples of (n_channels, n) in runs of three or more at or beyond full scale.

    One sample at full scale is a peak that was normalised; three in a row have been cut off.
    """
    full = np.abs(audio) >= 0.999
    if not full.any():
        return 0
    inner = full[:, :-2] & full[:, 1:-1] & full[:, 2:]
    runs = np.zeros_like(full)
    for shift in range(3):
        runs[:, shift : shift + inner.shape[1]] |= inner
    return int(runs.sum())


def _db(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-12)))


# --- one song ----------------------------------------------------------------------------------


def _song(
    rows: Sequence[Row],
    sounds: dict[Path, Float32],
    rates: dict[Path, int],
    checked: Checked,
) -> None:
    """Check the files of a song against each other."""

    def say(kind: str, text: str, *, file: Path | None = None, is_fault: bool = True) -> None:
        checked.findings.append(Finding(rows[0].track, file, kind, text, is_fault))

    if not _same_rate(rates):
        listed = ", ".join(f"{p.name} {rate} Hz" for p, rate in rates.items())
        say("rate", f"its files differ: {listed}")
    _lengths(sounds, say)
    heard: dict[str, Path] = {}
    for path in sounds:
        mark = checked.prints.get(str(path))
        if mark in heard:
            say("twice", f"the same sound as {heard[mark].name}", file=path)
        elif mark:
            heard[mark] = path
    if len({(row.artist, row.split) for row in rows}) > 1:
        say("manifest", "its rows differ in artist or split: make them one")
    n = max(sound.shape[1] for sound in sounds.values())
    by_stem: dict[str, Float32] = {}
    for row in rows:
        sound = np.pad(sounds[row.path], ((0, 0), (0, n - sounds[row.path].shape[1])))
        by_stem[row.stem] = by_stem[row.stem] + sound if row.stem in by_stem else sound
    if "vocals" in by_stem:
        backing = [s for stem, s in by_stem.items() if stem in (*PARTS, "accompaniment", "rest")]
        rest = _total(backing) if backing else None
        if not voice_frames(by_stem["vocals"], rest).any():
            say("voice", "its vocals hold no voice", is_fault=False)
    if "mixture" in by_stem:
        _against_mixture(by_stem, say)
    if "accompaniment" in by_stem and set(PARTS) <= set(by_stem):
        parts = by_stem["drums"] + by_stem["bass"] + by_stem["other"]
        left = residual_db(by_stem["accompaniment"], parts)
        if left < SUM_DB:
            say("sum", f"drums, bass and other are not the accompaniment ({left:.1f} dB)")


def _same_rate(rates: dict[Path, int]) -> bool:
    """Whether all files are of one rate, or at the one that their format has for it."""

    def stored(path: Path, rate: int) -> int:
        container = CONTAINERS.get(path.suffix.lower().lstrip("."))
        return container.rate_for(rate) if container else rate

    return any(
        all(own in (rate, stored(path, rate)) for path, own in rates.items())
        for rate in set(rates.values())
    )


def _total(sounds: Sequence[Float32]) -> Float32:
    total: Float32 = np.sum(np.stack(sounds), axis=0).astype(np.float32)
    return total


def _lengths(sounds: dict[Path, Float32], say: Callable[..., None]) -> None:
    longest = max(sound.shape[1] for sound in sounds.values())
    for path, sound in sounds.items():
        early = (longest - sound.shape[1]) / RATE
        if early <= QUIET_END or not sound.shape[1]:
            continue
        end = _db(float(np.sqrt(np.mean(np.square(sound[:, -RATE // 20 :])))))
        if end > BROKEN_OFF_DB:
            say("length", f"breaks off {early:.1f} s before the song's end", file=path)
        else:
            say("note", f"ends {early:.1f} s before the song does", file=path, is_fault=False)


def _against_mixture(by_stem: dict[str, Float32], say: Callable[..., None]) -> None:
    """Check delay, polarity and sum of the stems against the mixture."""
    stems = {stem: sound for stem, sound in by_stem.items() if stem not in ("mixture", "unsorted")}
    mixture = by_stem["mixture"]
    if not np.any(mixture):
        return
    moved = False
    for stem, sound in stems.items():
        lag = lag_of(sound, mixture, RATE)
        if lag is None:
            continue
        if abs(lag.seconds) > LAG_SECONDS:
            late = "late" if lag.seconds < 0 else "early"
            say("misaligned", f"{stem} {abs(lag.seconds) * 1000:.1f} ms {late} for the mixture")
            moved = True
        elif lag.inverted:
            say("inverted", f"{stem} has the other polarity than in the mixture")
            moved = True
    backing = "accompaniment" in stems or "rest" in stems or set(PARTS) <= set(stems)
    if moved or not backing or "vocals" not in stems:
        return
    if "accompaniment" in stems:
        stems = {stem: stems[stem] for stem in ("vocals", "accompaniment")}
    total = _total(list(stems.values()))
    left = residual_db(mixture, total)
    if left < SUM_DB:
        gain = float(np.vdot(mixture, total) / max(float(np.vdot(total, total)), 1e-12))
        scaled = residual_db(mixture, (gain * total).astype(np.float32))
        hint = "something is missing, or too much"
        if scaled >= SUM_DB + 3 and gain > 0:
            hint = f"with a gain of {_db(gain):+.1f} dB they do ({scaled:.1f} dB)"
        say("sum", f"the stems do not sum to the mixture ({left:.1f} dB): {hint}")
