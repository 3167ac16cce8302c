"""Steps 4 and 5: a mask from a pitch track, for its harmonics and for the consonants around it.

It tracks no pitch and reads only magnitudes.

Step 4. With the pitch f0 of a frame, bin frequency f belongs to harmonic h = round(f / f0), h >= 1,
at the distance d = |f - h f0|. The comb is cos^2(pi/2 min(1, d / w_h)) with the half width

    w_h = width_hz + h f0 (2^(width_cents / 1200) - 1),

1 on the harmonic, 1/2 at half of w_h, 0 from w_h on; so reading the mask as binary at 0.5 passes
|d| <= w_h / 2. Sound halfway between two harmonics cannot be the voice: it measures the level of
the music there. The harmonic's share of its bins is estimated from it as

    1 - (between / peak)^2, at least 0,

powers being additive on average. The mask of a voiced frame is comb * share.

Step 5. Consonants and breath are short, noisy and high. In unvoiced frames of a vocal section near
voiced ones, what rises above a bin's usual level (its median over two seconds) is given to the
voice, (1 - (usual / now)^2) * burst_gain, above burst_from_hz; drums rise too, hence the gain.
"""

import numpy as np

from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32
from isolde.rules.constants import Rules
from isolde.rules.pitch import BIN_HZ, FRAME_SECONDS, Bools, Track, runs, widen

_TINY = 1e-12
BINS_HZ = (np.arange(GRID_22.n_bins) * BIN_HZ).astype(np.float32)


def harmonic_comb(f0: Float32, rules: Rules) -> Float32:
    """Return the comb of every frame.

    Args:
        f0: Pitch (n,) in Hz, 0 where nothing is voiced.
        rules: The constants.

    Returns:
        (n, 513) in [0, 1]; 0 where f0 is 0.
    """
    pitch = np.where(f0 > 0, f0, 1).astype(np.float32)[:, None]
    harmonic = np.maximum(1, np.rint(BINS_HZ / pitch))
    centre = harmonic * pitch
    half: Float32 = rules.width_hz + centre * (2 ** (rules.width_cents / 1200) - 1)
    near = np.minimum(1, np.abs(BINS_HZ - centre) / half)
    comb = np.cos(np.pi / 2 * near) ** 2
    return np.where((f0[:, None] > 0) & (BINS_HZ <= rules.top_hz), comb, 0).astype(np.float32)


def harmonic_share(magnitudes: Float32, f0: Float32) -> Float32:
    """Estimate the voice's share of each harmonic's bins from the level between the harmonics.

    Args:
        magnitudes: Magnitudes (n, 513).
        f0: Pitch (n,) in Hz, 0 where nothing is voiced.

    Returns:
        (n, 513) in [0, 1].
    """
    pitch = np.where(f0 > 0, f0, 1e6).astype(np.float32)[:, None]
    harmonic = np.maximum(1, np.rint(BINS_HZ / pitch))
    peak = np.maximum.reduce(
        [_at(magnitudes, (harmonic * pitch) / BIN_HZ + offset) for offset in (-0.5, 0.0, 0.5)]
    )
    below = _at(magnitudes, (harmonic - 0.5) * pitch / BIN_HZ)
    above = _at(magnitudes, (harmonic + 0.5) * pitch / BIN_HZ)
    between = (below**2 + above**2) / 2
    share = np.maximum(0, 1 - between / np.maximum(peak**2, _TINY))
    return np.asarray(share, np.float32)


def burst_mask(magnitudes: Float32, track: Track, rules: Rules) -> Float32:
    """Step 5: make the mask of bursts at high frequencies near the voice.

    Args:
        magnitudes: Magnitudes (n, 513).
        track: Track of the same frames.
        rules: The constants.

    Returns:
        (n, 513) in [0, burst_gain].
    """
    frames = track.section & widen(track.voiced, rules.burst_reach) & ~track.voiced
    mask = np.zeros(magnitudes.shape, np.float32)
    first = round(rules.burst_from_hz / BIN_HZ)
    usual = usual_level(magnitudes[:, first:])
    now = np.maximum(magnitudes[:, first:], _TINY)
    rise = np.maximum(0, 1 - (usual / now) ** 2)
    mask[frames, first:] = np.float32(rules.burst_gain) * rise[frames]
    return mask


def burst_frames(magnitudes: Float32, track: Track, rules: Rules) -> Bools:
    """Find frames, (n,) bool, that are mostly burst at high frequencies, two in a row at least."""
    high = burst_mask(magnitudes, track, rules)[:, round(rules.burst_from_hz / BIN_HZ) :]
    frames = high.mean(axis=1) > rules.burst_gain / 2
    found = np.zeros(len(frames), np.bool_)
    for start, end in runs(frames):
        found[start:end] = end - start > 1
    return found


def usual_level(magnitudes: Float32, seconds: float = 2.0) -> Float32:
    """Return the median of each bin over a time around every frame, from every fourth frame."""
    step = 4
    thin = magnitudes[::step]
    reach = max(1, round(seconds / FRAME_SECONDS / step / 2))
    padded = np.pad(thin, ((reach, reach), (0, 0)), mode="reflect" if len(thin) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    medians = np.median(windows[::4], axis=2)
    return np.repeat(medians, 4 * step, axis=0)[: len(magnitudes)].astype(np.float32)


def voice_mask(magnitudes: Float32, track: Track, rules: Rules) -> Float32:
    """Make the mask of steps 4 and 5.

    Args:
        magnitudes: Magnitudes (n, 513) of the weighted centre.
        track: Track of the same frames.
        rules: The constants.

    Returns:
        (n, 513) in [0, 1].
    """
    comb = harmonic_comb(track.f0, rules) * harmonic_share(magnitudes, track.f0)
    mask = np.maximum(comb, burst_mask(magnitudes, track, rules))
    return np.asarray(mask, np.float32)


def _at(magnitudes: Float32, place: Float32) -> Float32:
    """Magnitudes between bins by linear interpolation, clamped at the ends."""
    place = np.clip(place, 0, magnitudes.shape[1] - 1.001)
    low = place.astype(np.int64)
    part = (place - low).astype(np.float32)
    a = np.take_along_axis(magnitudes, low, axis=1)
    b = np.take_along_axis(magnitudes, low + 1, axis=1)
    return np.asarray(a + (b - a) * part, np.float32)
