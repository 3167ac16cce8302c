"""Separate, time and score one song with one candidate; writes nothing."""

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
"""Version of the metrics, raised when one is added or changes: older results are measured anew."""

ACTIVITY = ("accuracy", "precision", "recall", "f1", "auc")


@dataclass(frozen=True)
class Result:
    """Scores of one candidate on one song.

    Attributes:
        track: Name of the song.
        artist: Artist of the song.
        candidate: Name of the candidate.
        kind: Kind of the candidate, see `Candidate`.
        identity: Identity of the candidate when it was measured.
        seconds: Length of the song.
        sample_rate: Sample rate of the song.
        metrics: Name -> value; nan where it is undefined for this song.
        frames: Name -> one value per second; the two of `voicing` have one per block.
        cpu_seconds: CPU time of the separation over all threads; nan when not known.
        wall_seconds: Elapsed time of the separation.
        error: One line when the song failed; then there are no metrics.
        scoring: `SCORING` when it was measured.
        stamp: Stamp of the song when it was measured, see `Song.stamp`.
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
        """Activity of the true voice and level of the estimate; empty for a failure."""
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
        stems: True stems.
        estimates: "vocals", "accompaniment" and maybe parts of it, the shape of the mixture.
        references: References of these stems, see `references_of`, to add BSSEval v4.
        brief: Whether to compute the ratios of each stem only.

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
            known = seconds[~np.isnan(seconds)]
            out[f"{stem}_usdr_1s"] = float(np.median(known)) if known.size else float("nan")
            frames[f"{stem}_usdr"] = [round(float(value), 4) for value in seconds]
    if brief:
        return out, frames
    mel = bleed_and_fullness(stems.vocals, estimates[VOCALS], sample_rate=rate)
    out["vocals_bleedless"], out["vocals_fullness"] = mel.bleedless, mel.fullness
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
    """Prepare BSSEval for a song, once for all candidates.

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
    """Separate and score one song; any exception becomes the result's `error`, one line.

    The CPU time is that of this process and of the children it waited for. A callable with an
    attribute `measured` (see `separation.external`) brings its own. It is not known while another
    thread is `measuring`, nor of a program that stays and does not say it.
    """
    about = (song.track, song.artist, candidate.name, candidate.kind, candidate.identity)
    try:
        n_begun, cpu, wall = _n_begun, _cpu_seconds(), time.perf_counter()
        estimates = candidate(stems)
        cpu, wall = _cpu_seconds() - cpu, time.perf_counter() - wall
        cpu = cpu if _n_begun == n_begun else float("nan")
        own = getattr(candidate.separate, "measured", {}).get("cpu_seconds")
        if own is None and getattr(candidate.separate, "is_persistent", False):
            cpu = float("nan")  # the program goes on, so its time is not that of a child that ended
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
    """Make the result of a song that could not be measured."""
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
