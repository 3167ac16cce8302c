"""Ratios and levels of an estimate against its reference; never reads files, never rescales a stem.

All metrics take float arrays (n_channels, n_samples) and compute in float64 with ALL CHANNELS
TOGETHER: one number per song, not one per channel. Two rules keep a table honest:

* what is measured is decided by the REFERENCE alone. A frame counts when the reference sounds in
  it, whatever the estimate does, so a gate that puts out zeros is charged for what it removed;
* a ratio is never infinite. Ratios are held within +-LIMIT_DB; where the reference is silent a
  ratio has no meaning and is nan, which tables exclude AND count.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isolde.core.errors import InputError

Float64 = NDArray[np.float64]

LIMIT_DB = 100.0  # ratios stay within +-100 dB; float32 audio itself resolves about 150 dB
FLOOR_DBFS = -120.0  # levels below this are reported as this: digital silence has no logarithm
SILENT_DBFS = -60.0  # a reference whose RMS is below this is called silent
PAUSE_DBFS = -50.0  # a pause of the voice: multitracks keep headphone bleed around -65 dBFS
PAUSE_SECONDS = 0.25  # pauses are found in blocks of this length
FRAME_SECONDS = 1.0  # frames of the per-second ratios, as in BSSEval v4


def as_pair(reference: ArrayLike, estimate: ArrayLike) -> tuple[Float64, Float64]:
    """Check two signals of one shape and give them as float64.

    Args:
        reference: Reference (n_channels, n_samples), or (n_samples,) for one channel.
        estimate: The same shape.

    Raises:
        InputError: Shapes differ, more than two axes, no samples, or values that are not finite.
    """
    ref = np.atleast_2d(np.asarray(reference, dtype=np.float64))
    est = np.atleast_2d(np.asarray(estimate, dtype=np.float64))
    if ref.shape != est.shape:
        raise InputError(
            f"reference {ref.shape} and estimate {est.shape} differ in shape: "
            "cut or separate them to the same channels and length"
        )
    if ref.ndim != 2 or ref.size == 0:
        raise InputError(f"signals have shape {ref.shape}: expected (n_channels, n_samples), n > 0")
    if not (np.isfinite(ref).all() and np.isfinite(est).all()):
        raise InputError("a signal holds NaN or infinity: metrics need finite samples")
    return ref, est


def ratio_db(signal_energy: ArrayLike, error_energy: ArrayLike) -> Float64:
    """10 log10(signal / error), held within +-LIMIT_DB; 0 / 0 counts as the worst, -LIMIT_DB."""
    s, e = np.broadcast_arrays(
        np.asarray(signal_energy, np.float64), np.asarray(error_energy, np.float64)
    )
    out = np.full(s.shape, -LIMIT_DB)
    good = s > 0
    with np.errstate(divide="ignore", over="ignore"):
        out[good] = 10.0 * (np.log10(s[good]) - np.log10(e[good]))
    return np.asarray(np.clip(out, -LIMIT_DB, LIMIT_DB))


def level_dbfs(signal: ArrayLike) -> float:
    """RMS level over all channels, in dB relative to a full-scale square wave, >= FLOOR_DBFS.

    Examples:
        >>> print(f"{level_dbfs(np.full((2, 10), 0.1)):.1f} dB")
        -20.0 dB
    """
    samples = np.asarray(signal, dtype=np.float64)
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    return _dbfs(power)


def _dbfs(power: float) -> float:
    """Decibels of a mean square, at least FLOOR_DBFS."""
    return max(FLOOR_DBFS, 10.0 * float(np.log10(power))) if power > 0 else FLOOR_DBFS


def usdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Utterance-level signal-to-distortion ratio in dB: 10 log10(sum s^2 / sum (s - e)^2).

    Sums run over channels and samples together (the "new SDR" of the Music Demixing Challenge
    2021, arXiv:2108.13559). Silence as the estimate gives exactly 0 dB. nan where the reference is
    silent (RMS below SILENT_DBFS).

    Raises:
        InputError: See `as_pair`.

    Examples:
        >>> vocals = np.ones((1, 100))
        >>> round(usdr(vocals, 0.9 * vocals), 3)
        20.0
        >>> usdr(vocals, 0 * vocals)
        0.0
    """
    ref, est = as_pair(reference, estimate)
    if level_dbfs(ref) < SILENT_DBFS:
        return float("nan")
    return float(ratio_db(np.sum(np.square(ref)), np.sum(np.square(ref - est))))


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Scale-invariant SDR in dB: 10 log10(|a s|^2 / |a s - e|^2) with a = <s, e> / |s|^2.

    Le Roux et al. 2019 (arXiv:1811.02508). The channels are laid end to end, so there is ONE
    scale for all of them and an estimate panned wrongly is charged; no mean is removed. nan where
    the reference is silent; an estimate of zeros scores -LIMIT_DB, it is not excused.

    Raises:
        InputError: See `as_pair`.

    Examples:
        >>> vocals = np.array([[1.0, -1.0, 1.0, -1.0]])
        >>> error = np.array([[0.1, 0.1, 0.1, 0.1]])
        >>> round(si_sdr(vocals, 5 * (vocals + error)), 3)
        20.0
    """
    ref, est = as_pair(reference, estimate)
    if level_dbfs(ref) < SILENT_DBFS:
        return float("nan")
    target = (np.sum(ref * est) / np.sum(np.square(ref))) * ref
    return float(ratio_db(np.sum(np.square(target)), np.sum(np.square(target - est))))


def framed_energy(signal: ArrayLike, *, frame_samples: int) -> Float64:
    """Energy over channels in consecutive frames; a last frame shorter than half is dropped.

    Args:
        signal: Signal (n_channels, n_samples).
        frame_samples: Length of a frame in samples, >= 1.

    Returns:
        (n_frames,) sums of squares.
    """
    samples = np.atleast_2d(np.asarray(signal, dtype=np.float64))
    n_samples = samples.shape[1]
    n_frames = max(1, int(np.floor(n_samples / frame_samples + 0.5)))
    starts = np.arange(n_frames) * frame_samples
    power = np.sum(np.square(samples), axis=0)
    energy = np.add.reduceat(power, starts)
    kept = min(n_samples, n_frames * frame_samples)
    energy[-1] = power[starts[-1] : kept].sum()
    return np.asarray(energy)


def frame_samples_of(seconds: float, sample_rate: int) -> int:
    """Length in samples of a frame of so many seconds, at least 1."""
    return max(1, round(seconds * sample_rate))


def framed_usdr(reference: ArrayLike, estimate: ArrayLike, *, sample_rate: int) -> Float64:
    """`usdr` of each FRAME_SECONDS; nan exactly in the frames in which the REFERENCE is silent.

    Args:
        reference: Reference (n_channels, n_samples).
        estimate: The same shape.
        sample_rate: Sample rate in Hz.

    Returns:
        (n_frames,) in dB.

    Raises:
        InputError: See `as_pair`.
    """
    ref, est = as_pair(reference, estimate)
    size = frame_samples_of(FRAME_SECONDS, sample_rate)
    energy = framed_energy(ref, frame_samples=size)
    ratios = ratio_db(energy, framed_energy(ref - est, frame_samples=size))
    counts = framed_energy(np.ones_like(ref), frame_samples=size)
    ratios[energy / counts < 10.0 ** (SILENT_DBFS / 10.0)] = np.nan
    return ratios


@dataclass(frozen=True)
class SilenceLevel:
    """How loud the vocal estimate is where nobody sings.

    Attributes:
        seconds: How long the reference pauses; 0 when it never does, and then the levels are nan.
        dbfs: RMS level of the estimate in the pauses, dBFS, >= FLOOR_DBFS.
        relative_db: The same, relative to the mixture in the pauses; 0 means all of it leaks.
    """

    seconds: float
    dbfs: float
    relative_db: float


def silence_level(
    reference: ArrayLike, estimate: ArrayLike, mixture: ArrayLike, *, sample_rate: int
) -> SilenceLevel:
    """Measure the leak of the estimate in the pauses of the reference.

    A pause is a block of PAUSE_SECONDS in which the RMS of the reference is below PAUSE_DBFS.
    Energies are pooled over all pauses of the song before the logarithm.

    Args:
        reference: The true vocals (n_channels, n_samples).
        estimate: The estimated vocals, the same shape.
        mixture: The same shape.
        sample_rate: Sample rate in Hz.

    Raises:
        InputError: See `as_pair`.
    """
    ref, est = as_pair(reference, estimate)
    _, mix = as_pair(reference, mixture)
    size = frame_samples_of(PAUSE_SECONDS, sample_rate)
    counts = framed_energy(np.ones_like(ref), frame_samples=size)
    pauses = framed_energy(ref, frame_samples=size) / counts < 10.0 ** (PAUSE_DBFS / 10.0)
    n_values = float(counts[pauses].sum())
    if n_values == 0:
        return SilenceLevel(0.0, float("nan"), float("nan"))
    leaked = float(framed_energy(est, frame_samples=size)[pauses].sum())
    mixed = float(framed_energy(mix, frame_samples=size)[pauses].sum())
    relative = float(ratio_db(leaked, mixed)) if mixed > 0 else float("nan")
    return SilenceLevel(n_values / ref.shape[0] / sample_rate, _dbfs(leaked / n_values), relative)
