"""Steps 1 to 3: vocal sections, voicing and pitch; it makes no masks.

Spectra are on the article's grid: 513 bins at 22,050 Hz, whatever the song's own rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import MissingExtraError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Complex64, Float32
from isolde.rules.constants import Rules

Bools = NDArray[np.bool_]

BIN_HZ = GRID_22.bin_hz
FRAME_SECONDS = GRID_22.frame_seconds
PYIN_WINDOW = 2048  # samples at 22,050 Hz: 93 ms, seven periods of the lowest pitch
SHORTEST = 16  # frames; shorter sections are not given to pYIN
REFINE_BELOW_HZ = 4000.0
BAND_HZ = (200.0, 5000.0)
_TINY = 1e-20


@dataclass(frozen=True)
class Track:
    """Voicing and pitch of every frame.

    Attributes:
        section: Whether somebody may be singing by step 1, (n,).
        voiced: Whether the voice has a pitch, (n,); only inside sections.
        f0: Pitch in Hz, (n,); 0 in unvoiced frames.
    """

    section: Bools
    voiced: Bools
    f0: Float32


def centre_weight(spectra: Complex64) -> Float32:
    """Compute the share of each bin in the centre of the stereo image, where voices are mixed.

    (|M|^2 - D) / |M|^2, at least 0, where M is the mean of the channels and D the mean of
    |X_c - M|^2: 1 for sound that is equal in all channels, 0 for sound in one channel only.

    Args:
        spectra: Spectra (n_channels, n, 513).

    Returns:
        (n, 513) in [0, 1]; 1 everywhere for a mono song.
    """
    if len(spectra) == 1:
        return np.ones(spectra.shape[1:], np.float32)
    mid = spectra.mean(axis=0)
    power = mid.real**2 + mid.imag**2
    apart = (np.abs(spectra - mid) ** 2).mean(axis=0)
    return np.asarray(np.maximum(0, 1 - apart / np.maximum(power, _TINY)), np.float32)


def smooth(values: Float32, seconds: float) -> Float32:
    """Compute a running mean over (n,) frames, with repeated edges."""
    width = 2 * max(0, round(seconds / FRAME_SECONDS / 2)) + 1
    padded = np.pad(values.astype(np.float64), width // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.full(width, 1 / width), "valid"), np.float32)


def widen(flags: Bools, seconds: float) -> Bools:
    """Set all frames within `seconds` of a flag (n,)."""
    reach = round(seconds / FRAME_SECONDS)
    return np.convolve(flags, np.ones(2 * reach + 1))[reach : reach + len(flags)] > 0.5


def runs(flags: Bools) -> list[tuple[int, int]]:
    """List start and end (exclusive) of each run of true flags (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def vocal_sections(sound: Complex64, rules: Rules) -> Bools:
    """Step 1: exclude only frames that are too quiet for singing.

    Args:
        sound: Spectra (n, 513) of the weighted centre.
        rules: The constants.

    Returns:
        (n,) bool.
    """
    band = slice(round(BAND_HZ[0] / BIN_HZ), round(BAND_HZ[1] / BIN_HZ))
    power = (np.abs(sound[:, band]) ** 2).sum(axis=1)
    if not power.any():
        return np.zeros(len(power), np.bool_)
    level = smooth(power, rules.section_seconds)
    loud = np.percentile(level, 95)
    return widen(level > loud * 10 ** (rules.section_db / 10), rules.section_seconds)


def follow(sound: Complex64, rules: Rules) -> Track:
    """Track the pitch of the voice: steps 1 to 3.

    Args:
        sound: Spectra (n, 513) of the weighted centre.
        rules: The constants.

    Returns:
        The track of all n frames.

    Raises:
        MissingExtraError: The package librosa is not installed.
    """
    n = len(sound)
    section = vocal_sections(sound, rules)
    f0 = np.zeros(n, np.float32)
    heard = sound.copy()
    heard[:, : round(rules.high_pass_hz / BIN_HZ)] = 0
    for start, end in runs(section):
        if end - start >= SHORTEST:
            f0[start:end] = _pyin(heard[start:end], rules)
    f0 = refine(heard, f0, reach=rules.pitch_step)
    return Track(section, f0 > 0, f0)


def _pyin(sound: Complex64, rules: Rules) -> Float32:
    """The pitch of some frames in Hz, 0 in unvoiced ones.

    Mauch, Dixon: "pYIN: a fundamental frequency estimator using probabilistic threshold
    distributions", 2014.
    """
    try:
        import librosa
    except ImportError:
        raise MissingExtraError("librosa", extra="rules", purpose="the model 'rules'") from None
    audio = synthesise(sound[None], GRID_22, (len(sound) - 1) * GRID_22.hop)[0]
    audio /= max(float(np.sqrt(np.mean(audio**2))), _TINY)  # librosa's floors are not relative
    try:
        f0, _, _ = librosa.pyin(
            audio,
            fmin=rules.f0_min,
            fmax=rules.f0_max,
            sr=GRID_22.sample_rate,
            frame_length=PYIN_WINDOW,
            hop_length=GRID_22.hop,
            resolution=rules.pitch_step,
            beta_parameters=rules.thresholds,
            switch_prob=rules.switching,
            fill_na=0.0,
        )
    except SystemError as error:  # raised by compiled code at Ctrl-C
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise
    return np.asarray(f0, np.float32)


def refine(sound: Complex64, f0: Float32, *, reach: float) -> Float32:
    """Refine the pitch by the phase advance of its harmonics from frame to frame.

    pYIN returns pitches in steps. The phase of harmonic h advances by 2 pi f_h hop / sample_rate
    per frame, so its frequency f_h is known modulo sample_rate / hop = 86 Hz, and pYIN's pitch
    selects the right one. The pitch is the mean of f_h / h weighted by |X|^2 h^2, as the variance
    of f_h / h is, over the first harmonics up to 4 kHz, forwards and backwards in time.

    Args:
        sound: Spectra (n, 513).
        f0: Pitch (n,) in Hz, 0 where unknown.
        reach: Semitones by which the answer may differ from f0.

    Returns:
        (n,) in Hz.
    """
    n = len(f0)
    if n < 2:
        return f0
    turn = GRID_22.sample_rate / GRID_22.hop
    total, weight = np.zeros(n), np.full(n, _TINY)
    for harmonic in range(1, 11):
        target = harmonic * f0
        bins = np.clip(np.rint(target / BIN_HZ), 0, GRID_22.n_bins - 1).astype(np.int64)
        for step in (-1, 1):
            other = np.clip(np.arange(n) + step, 0, n - 1)
            here, there = sound[np.arange(n), bins], sound[other, bins]
            phase = np.angle(there * here.conj()) * step / (2 * np.pi)  # turns per hop, mod 1
            found = target + turn * (((phase - target / turn) + 0.5) % 1 - 0.5)
            power = np.abs(here) * np.abs(there) * harmonic**2
            power = np.where((target < REFINE_BELOW_HZ) & (other != np.arange(n)), power, 0)
            total += power * found / harmonic
            weight += power
    ratio = np.where(f0 > 0, total / weight / np.maximum(f0, 1), 1)
    ratio = np.where(weight > 2 * _TINY, ratio, 1)
    limit = 2 ** (reach / 12)
    return np.asarray(f0 * np.clip(ratio, 1 / limit, limit), np.float32)
