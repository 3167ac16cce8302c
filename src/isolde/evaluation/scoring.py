"""One song, one candidate, one result: separates, times and scores; writes nothing."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isolde.core.config import build, plain
from isolde.core.errors import IsoldeError
from isolde.core.stage import Float32
from isolde.core.stems import ACCOMPANIMENT, VOCALS
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.metrics import ratios as metrics
from isolde.evaluation.metrics.bsseval import MEASURES, References
from isolde.evaluation.metrics.fullness import bleed_and_fullness
from isolde.evaluation.metrics.voicing import Voicing, voicing
from isolde.evaluation.songs import Song, Stems

SCORING = 2
"""Counted up when a metric is added or changes: results of another count are measured anew."""

ACTIVITY = ("accuracy", "precision", "recall", "f1", "auc")


@dataclass(frozen=True)
class Result:
    """What one candidate scored on one song.

    Attributes:
        track: The song.
        artist: Who it is by.
        candidate: Name of the candidate.
        kind: Its kind, see `Candidate`.
        identity: Its identity when it was measured.
        seconds: Length of the song.
        sample_rate: Sample rate of the song.
        metrics: Name -> value; nan where it has no meaning for this song.
        frames: Name -> one value per second; the two of `voicing` have one per block.
        cpu_seconds: CPU time of the separation over all threads; nan when not known, as where the
            process measured another song meanwhile.
        wall_seconds: Elapsed time of the same.
        error: One line when the song failed, and then there are no metrics.
        scoring: The `SCORING` that it was measured with.
        stamp: The song's, see `Song.stamp`, when it was measured.
    """

    track: str
    artist: str
    candidate: str
    kind: str
    identity: str = ""
    seconds: float = float("nan")
    sample_rate: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    frames: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds: float = float("nan")
    wall_seconds: float = float("nan")
    error: str | None = None
    scoring: int = SCORING
    stamp: str = ""

    @property
    def speed(self) -> float:
        """Seconds of audio per second of CPU time; nan when not known."""
        return self.seconds / self.cpu_seconds if self.cpu_seconds > 0 else float("nan")

    @property
    def voicing(self) -> Voicing:
        """Where somebody sings, and what the estimate shows of it; empty for a failure."""
        labels = tuple(int(label) for label in self.frames.get("activity_label", ()))
        return Voicing(labels, tuple(self.frames.get("activity_level_db", ())))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; nan becomes null."""
        return dict(plain(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Result":
        """Return the inverse of `to_json`.

        Raises:
            InputError: The object is not a result.
        """
        return build(cls, {"scoring": 1, **data}, where="result", nan=True)


def score(
    stems: Stems,
    estimates: Mapping[str, Float32],
    *,
    references: References | None = None,
    brief: bool = False,
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return all metrics of one separated song.

    Args:
        stems: The truth.
        estimates: "vocals", "accompaniment" and maybe parts of it, the shape of the mixture.
        references: References of these stems, see `references_of`: also BSSEval v4.
        brief: Only the ratios of each stem.

    Returns:
        Metrics by name, and those that come once a second. For each stem, also the parts of the
        accompaniment: `{stem}_usdr`, `{stem}_si_sdr`; for vocals and accompaniment `{stem}_usdr_1s`
        (median over the seconds in which the reference sounds), and with BSSEval `{stem}_sdr_v4`,
        `..._isr_v4`, `..._sir_v4`, `..._sar_v4`; for the vocals also `vocals_bleedless` and
        `vocals_fullness`; in the pauses of the reference `silence_dbfs`, `silence_relative_db`,
        `silence_seconds`; and of voice activity by the level of the estimate (see `voicing`)
        `activity_accuracy`, `activity_precision`, `activity_recall`, `activity_f1`, `activity_auc`.

    Raises:
        InputError: Shapes differ or values are not finite.
    """
    rate = stems.sample_rate
    out: dict[str, float] = {}
    frames: dict[str, list[float]] = {}
    whole = _truth(stems)
    parts = {stem: part for stem, part in stems.parts.items() if stem in estimates}
    for stem, reference in {**whole, **parts}.items():
        estimate = estimates[stem]
        out[f"{stem}_usdr"] = metrics.usdr(reference, estimate)
        out[f"{stem}_si_sdr"] = metrics.si_sdr(reference, estimate)
        if stem in whole:
            seconds = metrics.framed_usdr(reference, estimate, sample_rate=rate)
            heard = seconds[~np.isnan(seconds)]
            out[f"{stem}_usdr_1s"] = float(np.median(heard)) if heard.size else float("nan")
            frames[f"{stem}_usdr"] = [round(float(value), 4) for value in seconds]
    if brief:
        return out, frames
    colour = bleed_and_fullness(stems.vocals, estimates[VOCALS], sample_rate=rate)
    out["vocals_bleedless"], out["vocals_fullness"] = colour.bleedless, colour.fullness
    leak = metrics.silence_level(stems.vocals, estimates[VOCALS], stems.mixture, sample_rate=rate)
    out["silence_dbfs"] = leak.dbfs
    out["silence_relative_db"] = leak.relative_db
    out["silence_seconds"] = leak.seconds
    sung = voicing(stems.vocals, estimates[VOCALS], stems.mixture, sample_rate=rate)
    rates = sung.scores()
    out |= {f"activity_{name}": float(getattr(rates, name)) for name in ACTIVITY}
    frames["activity_label"] = list(sung.labels)
    frames["activity_level_db"] = list(sung.levels)

    if references is not None:
        both = {stem: estimates[stem] for stem in references.stems}
        for stem, values in references.score(both).items():
            out |= {f"{stem}_{name}_v4": value for name, value in values.medians().items()}
            for name in MEASURES:
                row = getattr(values, name)
                frames[f"{stem}_{name}_v4"] = [round(float(value), 5) for value in row]
    return out, frames


def references_of(stems: Stems) -> References:
    """Tell what BSSEval prepares once for a song.

    Raises:
        InputError: The song is shorter than a second.
        MissingExtraError: Scipy is not installed.
    """
    return References(_truth(stems), sample_rate=stems.sample_rate)


def run_candidate(
    candidate: Candidate,
    song: Song,
    stems: Stems,
    *,
    references: References | None = None,
    brief: bool = False,
) -> Result:
    """Separate and score one song; whatever goes wrong becomes the result's `error`, one line.

    The CPU time is that of this process and of the children it waited for, unless the candidate
    says better: a callable with an attribute `measured` (see `peers`) is believed. It is not known
    where another thread is `measuring` meanwhile.
    """
    about = (song.track, song.artist, candidate.name, candidate.kind, candidate.identity)
    try:
        n_begun, cpu, wall = _n_begun, _cpu_seconds(), time.perf_counter()
        estimates = candidate(stems)
        cpu, wall = _cpu_seconds() - cpu, time.perf_counter() - wall
        cpu = cpu if _n_begun == n_begun else float("nan")
        own = getattr(candidate.separate, "measured", {}).get("cpu_seconds")
        values, frames = score(stems, estimates, references=references, brief=brief)
    except Exception as error:  # a bad song must not cost the others; it is reported, not hidden
        return failure(song, candidate, error)
    return Result(
        *about,
        seconds=stems.seconds,
        sample_rate=stems.sample_rate,
        metrics=values,
        frames=frames,
        cpu_seconds=cpu if own is None else float(own),
        wall_seconds=wall,
    )


def failure(song: Song, candidate: Candidate, error: BaseException) -> Result:
    """Return the result of a song that could not be measured."""
    name = "" if isinstance(error, IsoldeError) else f"{type(error).__name__}: "
    line = " ".join(f"{name}{error}".split())
    return Result(
        song.track, song.artist, candidate.name, candidate.kind, candidate.identity, error=line
    )


def _truth(stems: Stems) -> dict[str, Float32]:
    return {VOCALS: stems.vocals, ACCOMPANIMENT: stems.accompaniment}


_lock = threading.Lock()
_n_begun = _n_inside = 0  # songs whose measurement has begun, and those that are being measured


@contextmanager
def measuring() -> Iterator[None]:
    """Mark the time in which this thread loads, separates and scores a song."""
    global _n_begun, _n_inside
    with _lock:
        _n_begun, _n_inside = _n_begun + 1, _n_inside + 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1


def _cpu_seconds() -> float:
    """CPU time of this process; nan where several of its threads measure."""
    if _n_inside > 1:
        return float("nan")
    spent = os.times()  # that of child processes is 0 on Windows
    return time.process_time() + spent.children_user + spent.children_system
