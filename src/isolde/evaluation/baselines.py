"""Floors and classical peers: what a table must beat. Nothing here is learned or looks at stems.

REPET-SIM follows the vocal separation recipe of librosa's gallery (Rafii & Pardo 2012, nearest
neighbours and soft masks); HPSS is median filtering (Fitzgerald 2010) with the voice in what is
harmonic only at long windows (Tachibana et al. 2010); the centre channel is (left + right) / 2.
"""

import importlib
from types import ModuleType

import numpy as np

from isolde.errors import MissingExtraError
from isolde.evaluation.candidates import Candidate
from isolde.stages import Float32


def mixture(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """The mixture as vocals: what doing nothing scores."""
    return {"vocals": mixture.copy()}


def silence(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Zeros as vocals: 0 dB uSDR on every song."""
    return {"vocals": np.zeros_like(mixture)}


def centre(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """The mean of the channels in every channel: what karaoke boxes build on; mono: the mixture."""
    mid = mixture.mean(axis=0, keepdims=True)
    return {"vocals": np.repeat(mid, mixture.shape[0], axis=0)}


def repet_sim(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """REPET-SIM by librosa's recipe: what does not repeat in similar frames is the voice.

    Frames 2 s and more apart, cosine similarity, median of the neighbours, soft mask of power 2
    with margin 10 for the voice. The channels share their neighbours and keep their own masks.

    Raises:
        MissingExtraError: librosa is not installed.
    """
    librosa = _librosa("REPET-SIM")
    n_fft, hop = _window(sample_rate, 2048 / 22_050)
    spectrum = librosa.stft(mixture, n_fft=n_fft, hop_length=hop)
    magnitude = np.abs(spectrum)
    width = min(int(2.0 * sample_rate / hop), max(1, (magnitude.shape[-1] - 1) // 2))
    repeating = librosa.decompose.nn_filter(
        magnitude, aggregate=np.median, metric="cosine", width=width
    )
    repeating = np.minimum(magnitude, repeating)
    mask = librosa.util.softmask(magnitude - repeating, 10 * repeating, power=2)
    return {"vocals": _inverse(librosa, spectrum * mask, hop, mixture.shape[1])}


def hpss(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    """Two-stage median-filter HPSS: the voice is percussive at 0.37 s and harmonic at 0.023 s.

    Sung pitch moves too much for a long window, where it looks like noise, and too little for a
    short one, where it looks like a tone: take the percussive part of the long window, and of that
    the harmonic part of the short window.

    Raises:
        MissingExtraError: librosa is not installed.
    """
    librosa = _librosa("HPSS")
    voice = mixture
    for seconds, part in ((0.37, 1), (0.023, 0)):
        n_fft, hop = _window(sample_rate, seconds)
        spectrum = librosa.stft(voice, n_fft=n_fft, hop_length=hop)
        mask = librosa.decompose.hpss(np.abs(spectrum), mask=True)[part]
        voice = _inverse(librosa, spectrum * mask, hop, mixture.shape[1])
    return {"vocals": voice}


def floors(*, classical: bool = True) -> list[Candidate]:
    """The floors of every table; `classical` adds REPET-SIM and HPSS, which need librosa."""
    out = [
        Candidate("mixture", mixture, kind="floor"),
        Candidate("silence", silence, kind="floor"),
        Candidate("centre channel", centre, kind="floor"),
    ]
    if classical:
        out.append(Candidate("REPET-SIM (librosa)", repet_sim, kind="peer"))
        out.append(Candidate("HPSS (median filter)", hpss, kind="peer"))
    return out


def _librosa(purpose: str) -> ModuleType:
    try:
        return importlib.import_module("librosa")
    except ImportError as error:
        raise MissingExtraError("librosa", extra="evaluation", purpose=purpose) from error


def _window(sample_rate: int, seconds: float) -> tuple[int, int]:
    """The power of two nearest to a window of so many seconds, and a quarter of it as the hop."""
    n_fft = 2 ** max(6, round(np.log2(seconds * sample_rate)))
    return n_fft, n_fft // 4


def _inverse(librosa: ModuleType, spectrum: np.ndarray, hop: int, n_samples: int) -> Float32:
    audio = librosa.istft(spectrum, hop_length=hop, length=n_samples)
    return np.asarray(audio, dtype=np.float32)
