"""Estimate and apply the level and colour of a partner in a mix: complex gains by third-octaves.

Never moves in time (see drift) and never judges; it returns a filter and can apply it.

Model: X = H V + A, per channel, A independent of V with a power that changes in time and frequency.
H(f) = sum_b g_b phi_b(f), phi_b triangles on a logarithmic axis with a node every third of an
octave, g_b complex: a real equaliser turns phases too (a 6 dB bell by 20 degrees, which a gain
without phase would leave as an error of -9 dB), and a flipped polarity is just a phase.
Maximum likelihood: minimise sum |X - H V|^2 / P_A, P_A being the local power of the residual, found
by reweighting: the moments in which the backing is weak speak loudest, which is worth 10 dB.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32
from isolde.pairs.fir import convolve
from isolde.pairs.whiten import Float64

LOWEST = 40.0  # Hz, first node
SECONDS_AT_MOST = 120.0  # of audio looked at: enough for a thousandth of a dB
FRAME = 0.093  # seconds (4096 at 44.1 kHz)
# How much neighbouring gains differ, as the variance of their relative step: a start, and bounds.
# It is learnt from the pair itself (empirical Bayes): a voice that was only turned up or down gets
# one gain that all bands agree on, an equalised one its own per band; bands without voice lean on
# the next.
START_SPREAD = 0.1
SPREAD_LIMITS = (1e-6, 1.0)
# A cappellas hold some of the backing (headphones, or a separator's leftovers). With v = V + beta a
# the gain is biased by beta / (local power ratio of the partner to the rest): nothing where the
# voice rules, everything in the bass. Bands are trusted only as far as this bias would let them.
BLEED = 0.15
INDEPENDENT = 0.6  # of the bins of overlapping Hann frames
ROUNDS = 5  # of reweighting


@dataclass(frozen=True)
class Colour:
    """A partner's level and colour in the mix.

    Attributes:
        nodes: Frequencies (n_bands,) of the nodes in Hz.
        gains: Gains (n_channels, n_bands) complex; |g| = 1: as loud in the mix as in the partner's
            file.
        level_db: The gain over all, in dB, weighted by the partner's own spectrum.
        inverted: Whether the polarity is flipped.
    """

    nodes: Float64
    gains: np.ndarray
    level_db: float
    inverted: bool


def third_octaves(sample_rate: float) -> Float64:
    """Nodes from LOWEST to the top of the band, a third of an octave apart, in Hz."""
    count = int(3 * np.log2(0.48 * sample_rate / LOWEST)) + 1
    return LOWEST * 2.0 ** (np.arange(count) / 3)


def triangles(frequency: NDArray[np.floating[Any]], nodes: Float64) -> Float64:
    """Return the basis phi: (n_frequencies, n_bands), rows sum to 1, constant beyond the ends."""
    at = np.interp(np.log(np.maximum(frequency, 1e-3)), np.log(nodes), np.arange(len(nodes)))
    away = np.abs(at[:, None] - np.arange(len(nodes)))
    return np.asarray(np.maximum(0.0, 1.0 - away), np.float64)


def match_channels(partner: Float32, n_channels: int) -> Float32:
    """Give the partner as many channels as the mix: as they are, or their mean in each.

    Args:
        partner: Partner (any number of channels, n_samples).
        n_channels: Wanted.

    Returns:
        (n_channels, n_samples).
    """
    if partner.shape[0] == n_channels:
        return partner
    return np.repeat(partner.mean(axis=0, keepdims=True, dtype=np.float32), n_channels, axis=0)


def estimate(
    mix: Float32, partner: Float32, sample_rate: float, *, use: np.ndarray | None = None
) -> Colour:
    """Find the partner's level and colour in the mix.

    Args:
        mix: Mix (n_channels, n_samples).
        partner: Partner (n_channels, n_samples), in its place, drift undone.
        sample_rate: Sample rate in Hz.
        use: Whether to use each second (n_seconds,); None: all.

    Returns:
        The colour.
    """
    n = 2 ** round(np.log2(FRAME * sample_rate))
    hop = n // 2
    window = np.hanning(n + 1)[:-1].astype(np.float32)
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    nodes = third_octaves(sample_rate)
    basis = triangles(frequency, nodes)
    starts = np.arange(0, max(1, mix.shape[1] - n + 1), hop)
    if use is not None:
        second = np.minimum(((starts + hop) / sample_rate).astype(int), len(use) - 1)
        starts = starts[use[second]]
    level = np.array([float(np.square(partner[:, s : s + n]).sum()) for s in starts])
    keep = int(SECONDS_AT_MOST * sample_rate / hop)
    if len(starts) > keep:  # the loudest moments, in their order
        starts = starts[np.sort(np.argsort(-level, kind="stable")[:keep])]
    gains = np.zeros((mix.shape[0], len(nodes)), np.complex128)
    weight, loud_power, value = 0.0, 0.0, 0.0 + 0.0j
    for c in range(mix.shape[0]):
        x, v = _frames(mix[c], starts, n, window), _frames(partner[c], starts, n, window)
        gains[c] = _solve(x, v, basis)
        power = (np.abs(v) ** 2).sum(axis=0) @ basis
        weight += float(power.sum())
        value += complex((power * gains[c]).sum())
        loud_power += float((power * np.abs(gains[c]) ** 2).sum())
    mean = value / weight if weight > 0 else 0j
    loud = 10 * np.log10(max(loud_power, 1e-20) / max(weight, 1e-20))
    return Colour(nodes, gains.astype(np.complex64), float(loud), bool(mean.real < 0))


def _frames(signal: Float32, starts: np.ndarray, n: int, window: Float32) -> np.ndarray:
    """Spectra of the frames that start at `starts`: (n_frames, n_bins) complex64."""
    padded = np.pad(signal, (0, n))
    out = np.empty((len(starts), n // 2 + 1), np.complex64)
    for k in range(0, len(starts), 512):
        rows = padded[starts[k : k + 512, None] + np.arange(n)]
        out[k : k + 512] = np.fft.rfft(rows * window)
    return out


def _solve(x: np.ndarray, v: np.ndarray, basis: Float64) -> np.ndarray:
    """Reweighted least squares for the gains of one channel."""
    from scipy.ndimage import uniform_filter

    v2 = np.abs(v) ** 2
    cross = x * np.conj(v)
    n_bands = basis.shape[1]
    step = np.diff(np.eye(n_bands), axis=0)
    smooth = step.T @ step
    noise = uniform_filter(np.abs(x) ** 2, size=(5, 9)) + 1e-12
    floor = 1e-4 * noise + 1e-6 * float(noise.mean())
    gains = np.zeros(n_bands, np.complex128)
    # the typical |gain|^2, weighted by the partner's power: a band that a codec took out of the mix
    # has next to no noise and so all the information, but must not make the others small
    power = basis.T @ v2.sum(axis=0) + 1e-20
    start = complex(cross.sum()) / (float(v2.sum()) + 1e-20)
    scale, spread = max(abs(start) ** 2, 1e-9), START_SPREAD
    for _ in range(ROUNDS):
        w = INDEPENDENT / (noise + floor)
        known = (w * v2).sum(axis=0)
        # distrust bands that the partner hardly owns: precision 1 / (1 / information + bias^2)
        own = basis.T @ known
        count = INDEPENDENT * len(v) * basis.sum(axis=0)
        bias2 = scale * (BLEED * count / np.maximum(own * scale, 1e-9)) ** 2
        trust = basis @ (1.0 / (1.0 + own * bias2))
        normal = basis.T @ ((known * trust)[:, None] * basis)
        right = basis.T @ ((w * cross).sum(axis=0) * trust)
        information = float(normal.diagonal().sum())
        if information <= 0:
            return gains
        for _ in range(8):  # expectation-maximisation for the spread of neighbouring gains
            precision = normal + smooth / (scale * spread) + 1e-9 * information * np.eye(n_bands)
            covariance = np.linalg.inv(precision)
            gains = covariance @ right
            scale = max(float(np.average(np.abs(gains) ** 2, weights=power)), 1e-9)
            steps = np.abs(step @ gains) ** 2 + np.einsum("ij,jk,ik->i", step, covariance, step)
            spread = float(np.clip((steps / scale).mean(), *SPREAD_LIMITS))
        residual = x - v * (basis @ gains).astype(np.complex64)
        noise = uniform_filter(np.abs(residual) ** 2, size=(5, 9)) + 1e-12
    return gains


def apply(partner: Float32, colour: Colour, sample_rate: float) -> Float32:
    """Give the partner the level and colour that it has in the mix.

    One FIR filter per channel, centred, so nothing moves.

    Args:
        partner: Partner (n_channels, n_samples).
        colour: Colour from `estimate`, with as many channels.
        sample_rate: Sample rate in Hz.

    Returns:
        (n_channels, n_samples) float32.
    """
    n = 2 ** round(np.log2(FRAME * sample_rate))
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    response = triangles(frequency, colour.nodes) @ colour.gains.T.astype(np.complex128)
    taps = np.roll(np.fft.irfft(response.T, n), n // 2, axis=1) * np.hanning(n + 1)[:-1] ** 0.25
    return convolve(partner, taps)[:, n // 2 : n // 2 + partner.shape[1]]
