"""BSSEval v4 by museval, with the frames chosen by the REFERENCE; never writes its own BSSEval.

museval drops every second in which a reference OR AN ESTIMATE is all zeros, so a gate that removes
a quiet phrase altogether is not charged for it. Here such an estimate gets white noise 100 dB below
the reference in that second: the frame is kept, its SDR is what silence deserves (0 dB), and SIR
and SAR of that stem, which have no meaning for silence, are nan.

A warning on SIR and SAR: museval solves for 512-tap filters over the whole song. Where references
hold nothing in some band (lossy coding, resampling) that system is nearly singular: on 7 s clips
SIR came out about 2 dB low, and negative for the oracle mask of one clip; SDR and ISR are sound.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike

from isolde.errors import InputError, MissingExtraError
from isolde.evaluation.metrics import LIMIT_DB, Float64, as_pair

MEASURES = ("sdr", "isr", "sir", "sar")
FILTER_TAPS = 512  # museval's distortion filters
DITHER_DB = -100.0  # noise that stands for an estimate of zeros, relative to the reference


@dataclass(frozen=True)
class BssEval:
    """BSSEval v4 of one stem, one value a second, each (n_frames,) in dB.

    Frames in which any reference is all zeros are nan in all four: BSSEval does not define them.
    """

    sdr: Float64
    isr: Float64
    sir: Float64
    sar: Float64

    def medians(self) -> dict[str, float]:
        """Median over the frames that count (nan when there is none), as museval reports a song."""
        out = {}
        for name in MEASURES:
            kept = getattr(self, name)[~np.isnan(getattr(self, name))]
            out[name] = float(np.median(kept)) if kept.size else float("nan")
        return out


def bsseval(
    references: Mapping[str, ArrayLike],
    estimates: Mapping[str, ArrayLike],
    *,
    sample_rate: int,
    seed: int = 0,
) -> dict[str, BssEval]:
    """Score all stems of a song together; interference is measured against the other references.

    Args:
        references: stem name -> (n_channels, n_samples), two stems or more.
        estimates: the same stems and shapes.
        sample_rate: samples per second; frames last one second, the last partial one is left out.
        seed: of the dither for estimates of zeros.

    Raises:
        InputError: stems or shapes differ, or the song is shorter than a second.
        MissingExtraError: museval is not installed.
    """
    if set(references) != set(estimates) or not references:
        raise InputError(f"stems {sorted(references)} and {sorted(estimates)} must be the same")
    stems = list(references)
    pairs = [as_pair(references[stem], estimates[stem]) for stem in stems]
    if len({ref.shape for ref, _ in pairs}) != 1:
        raise InputError("stems of a song have different shapes: cut them to one length")
    truth = np.stack([ref.T for ref, _ in pairs])  # (n_stems, n_samples, n_channels)
    guess = np.stack([est.T for _, est in pairs])
    n_frames = truth.shape[1] // sample_rate
    if n_frames < 1:
        raise InputError(f"{truth.shape[1]} samples are less than one second: BSSEval needs one")

    values = np.full((len(MEASURES), len(stems), n_frames), np.nan)
    if truth.any(axis=(1, 2)).all():
        guess, dithered = _dither(truth, guess, sample_rate, n_frames, seed)
        measured = museval_metrics().bss_eval(
            truth, guess, window=sample_rate, hop=sample_rate, filters_len=FILTER_TAPS
        )
        values = np.clip(np.stack(measured[: len(MEASURES)]), -LIMIT_DB, LIMIT_DB)
        for row in (MEASURES.index("sir"), MEASURES.index("sar")):
            values[row][dithered] = np.nan
    return {stem: BssEval(*values[:, index]) for index, stem in enumerate(stems)}


@cache
def museval_metrics() -> ModuleType:
    """Museval's metrics.py, loaded alone: `import museval` wants ffmpeg, which BSSEval does not.

    Raises:
        MissingExtraError: museval is not installed.
    """
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        raise MissingExtraError("museval", extra="evaluation", purpose="BSSEval v4")
    path = Path(package.origin).with_name("metrics.py")
    spec = importlib.util.spec_from_file_location("_isolde_museval_metrics", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _dither(
    truth: Float64, guess: Float64, sample_rate: int, n_frames: int, seed: int
) -> tuple[Float64, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Fill seconds in which an estimate is all zeros; say which (n_stems, n_frames) they are."""
    generator = np.random.default_rng(seed)
    filled = guess.copy()
    dithered = np.zeros((truth.shape[0], n_frames), dtype=bool)
    for stem in range(truth.shape[0]):
        for frame in range(n_frames):
            part = slice(frame * sample_rate, (frame + 1) * sample_rate)
            if guess[stem, part].any() or not truth[stem, part].any():
                continue
            rms = np.sqrt(np.mean(np.square(truth[stem, part])))
            noise = generator.standard_normal(truth[stem, part].shape)
            filled[stem, part] = noise * rms * 10.0 ** (DITHER_DB / 20.0)
            dithered[stem, frame] = True
    return filled, dithered


def museval_json(scores: Mapping[str, BssEval]) -> dict[str, object]:
    """The song's scores in the shape of museval's JSON files; nan becomes null.

    Returns:
        {"targets": [{"name", "frames": [{"time", "duration", "metrics": {"SDR", ...}}]}]}
    """
    targets = []
    for stem, score in scores.items():
        frames = []
        for frame in range(score.sdr.size):
            values = {name.upper(): float(getattr(score, name)[frame]) for name in MEASURES}
            clean = {name: None if np.isnan(value) else value for name, value in values.items()}
            frames.append({"time": float(frame), "duration": 1.0, "metrics": clean})
        targets.append({"name": stem, "frames": frames})
    return {"targets": targets}
