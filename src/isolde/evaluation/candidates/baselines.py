"""Floors and classical peers: what a table must beat. Nothing here is learned or looks at stems.

REPET-SIM (Rafii & Pardo 2012) follows the vocal separation recipe of librosa's gallery; HPSS is
median filtering (Fitzgerald 2010) with the voice in what is harmonic only at short windows
(Tachibana et al. 2010); the centre channel is the mean of the channels.
"""

import numpy as np

from isolde.core.signal.spectrum import Grid, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Float32
from isolde.core.stems import PARTS, VOCALS
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.identity import code_digest

HPSS_SIZE = 31  # frames and bins of the medians


def mixture(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Return the mixture as every stem: what doing nothing scores."""
    return {stem: mixture.copy() for stem in (VOCALS, *PARTS)}


def silence(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Zeros as every stem: 0 dB uSDR on every song."""
    return {stem: np.zeros_like(mixture) for stem in (VOCALS, *PARTS)}


def centre(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Put the channels' mean into each: what karaoke boxes build on; mono: the mixture."""
    mid = mixture.mean(axis=0, keepdims=True)
    return {"vocals": np.repeat(mid, mixture.shape[0], axis=0)}


def repet_sim(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """REPET-SIM: what does not come back in similar frames is the voice.

    Each frame is compared by cosine similarity with all that are at least 2 s away; the median of
    the magnitudes of its nearest neighbours, 2 ceil(sqrt(n)) of them, is what repeats. The voice is
    the rest r by a soft mask of power 2 with margin 10, r^2 / (r^2 + (10 m)^2). The channels share
    their neighbours and keep their own masks. Parameters are those of librosa's gallery, but
    the neighbours are the nearest: librosa's default, mode="connectivity", keeps the earliest ones.
    """
    grid = _grid(sample_rate, 2048 / 22_050)
    spectra = analyse(mixture, grid)
    magnitude = np.abs(spectra)
    repeating = np.minimum(
        magnitude, median_of_neighbours(magnitude, round(2 / grid.frame_seconds))
    )
    rest, margin = (magnitude - repeating) ** 2, (10.0 * repeating) ** 2
    mask = rest / np.maximum(rest + margin, np.finfo(np.float32).tiny)
    return {"vocals": synthesise(spectra * mask, grid, mixture.shape[1])}


def median_of_neighbours(magnitude: Float32, width: int) -> Float32:
    """Median over each frame's most similar frames that are at least `width` away."""
    n_frames = magnitude.shape[1]
    width = min(width, max(1, (n_frames - 1) // 2))
    vectors = np.moveaxis(magnitude, 1, 0).reshape(n_frames, -1)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = vectors @ vectors.T
    apart = np.abs(np.subtract.outer(np.arange(n_frames), np.arange(n_frames)))
    similarity[apart < width] = -np.inf
    n_neighbours = int(min(n_frames - 1, 2 * np.ceil(np.sqrt(n_frames - 2 * width + 1))))
    out = magnitude.copy()
    for frame, row in enumerate(similarity):
        order = np.argsort(-row, kind="stable")[:n_neighbours]
        order = order[np.isfinite(row[order])]
        if order.size:
            out[:, frame] = np.median(magnitude[:, order], axis=1)
    return out


def running_median(values: Float32, *, size: int, axis: int) -> Float32:
    """Median of the `size` (odd) values around each along an axis; the ends are mirrored."""
    moved = np.moveaxis(values, axis, 0)
    half = size // 2
    padded = np.pad(moved, [(half, half)] + [(0, 0)] * (values.ndim - 1), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)
    # piece by piece: partition copies every window; its middle is the median of an odd number
    pieces = [
        np.partition(windows[k : k + 64], half, axis=-1)[..., half]
        for k in range(0, len(windows), 64)
    ]
    return np.moveaxis(np.concatenate(pieces), 0, axis)


def hpss(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Two-stage median-filter HPSS: the voice is percussive at 0.37 s and harmonic at 0.023 s.

    Sung pitch moves too much for a long window, where it looks like noise, and too little for a
    short one, where it looks like a tone: take the percussive part of the long window, and of that
    the harmonic part of the short window. Medians over 31 frames and bins, soft masks of power 2.
    """
    voice = mixture
    for seconds, keep_harmonic in ((0.37, False), (0.023, True)):
        grid = _grid(sample_rate, seconds)
        spectra = analyse(voice, grid)
        magnitude = np.abs(spectra)
        harmonic = running_median(magnitude, size=HPSS_SIZE, axis=1) ** 2
        percussive = running_median(magnitude, size=HPSS_SIZE, axis=2) ** 2
        wanted = harmonic if keep_harmonic else percussive
        mask = wanted / np.maximum(harmonic + percussive, np.finfo(np.float32).tiny)
        voice = synthesise(spectra * mask.astype(np.float32), grid, mixture.shape[1])
    return {"vocals": voice}


def floors(*, classical: bool = True) -> list[Candidate]:
    """Return the floors of every table; `classical` adds REPET-SIM and HPSS."""
    code = code_digest("isolde.core.signal.spectrum", "isolde.evaluation.candidates.baselines")
    identity = f"code {code}"
    out = [
        Candidate("mixture", mixture, kind="floor", identity=identity),
        Candidate("silence", silence, kind="floor", identity=identity),
        Candidate("centre channel", centre, kind="floor", identity=identity),
    ]
    if classical:
        identity += f" synthesis {code_digest('isolde.core.signal.synthesis')}"
        out.append(Candidate("REPET-SIM", repet_sim, kind="peer", identity=identity))
        out.append(Candidate("HPSS (median filter)", hpss, kind="peer", identity=identity))
    return out


def _grid(sample_rate: int, seconds: float) -> Grid:
    """A grid whose window is the power of two nearest to so many seconds, its hop a quarter."""
    n_fft = 2 ** max(6, round(np.log2(seconds * sample_rate)))
    return Grid(sample_rate, n_fft, n_fft // 4)
