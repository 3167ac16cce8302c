"""Place a partner along a mix by an alignment, and drop the pieces that the mix does not hold.

Never searches and never sets the final level: pieces come from `align`, the colour from `gain`.

A line is sharp wherever the same recording sounds, at any level: a loop that comes back, or voice
that leaked from headphones into the backing, 30 dB down. Such a piece is no edit. At the level of
the partner in the longest piece, the mix holds a true edit and does not hold the others.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32
from isolde.pairs import gain as colours
from isolde.pairs.score import Scores, denied, score
from isolde.pairs.timing.align import Alignment
from isolde.pairs.timing.drift import place, warp
from isolde.pairs.timing.edits import Piece, tile
from isolde.pairs.whiten import Float64

EDGE = 2.0  # seconds of silence believed before the first and after the last sound
SOUND_DB = -50.0  # relative to the loud moments: what counts as sound
JOIN = 0.01  # seconds: crossfade where two pieces of the partner meet
DENIED = 0.5  # of a piece's sound that is not in the mix: then it is no piece


def lay(
    mix: Float32, partner: Float32, found: Alignment, *, mix_rate: int, partner_rate: int
) -> tuple[Float32, Float64]:
    """Put the partner on the mix's clock, at the mix's rate and channels, piece by piece.

    Args:
        mix: Mix (n_channels, n_samples); only its shape counts.
        partner: Partner (any channels, n_samples).
        found: The alignment.
        mix_rate: Mix rate in Hz.
        partner_rate: Partner rate in Hz.

    Returns:
        (the partner, (n_channels, n_samples); the fraction of each second that its file covers).
    """
    bent = warp(colours.match_channels(partner, mix.shape[0]), partner_rate, mix_rate, found.drift)
    n = mix.shape[1]
    sounding = _sounding(bent, mix_rate)
    out = np.zeros(mix.shape, np.float32)
    here = np.zeros(n, np.bool_)
    fade = round(JOIN * mix_rate)
    for piece in found.pieces:
        a, b = round(piece.start * mix_rate), min(n, round(piece.end * mix_rate))
        first, last = max(0, a - fade // 2), min(n, b + fade - fade // 2)
        if last <= first:
            continue
        part = place(bent, piece.offset * mix_rate - first, last - first)
        ramp = np.ones(last - first, np.float32)
        edge = np.linspace(0, 1, fade, dtype=np.float32)
        if a > 0 and len(ramp) >= fade:
            ramp[:fade] *= edge
        if b < n and len(ramp) >= fade:
            ramp[-fade:] *= edge[::-1]
        part *= ramp
        out[:, first:last] += part
        del part
        x, y = (round(piece.offset * mix_rate) + e for e in sounding)
        here[max(a, x, 0) : max(0, min(b, y))] = True
    n_seconds = int(np.ceil(n / mix_rate))
    edges = np.minimum(np.round(np.arange(n_seconds + 1) * mix_rate).astype(int), n)
    covered = [np.count_nonzero(here[a:b]) for a, b in pairwise(edges)]
    return out, np.array(covered) / np.maximum(1, np.diff(edges))


def _sounding(partner: Float32, rate: int) -> tuple[int, int]:
    """First and last sample of a partner at which its silence still means something.

    Before its first sound and after its last one a file may be silent because the singer is, or
    because that part was not exported. These cannot be told apart, so only EDGE seconds count.
    """
    block = rate // 10
    count = partner.shape[1] // block
    tenths = np.array(
        [float(np.square(partner[:, k * block : (k + 1) * block]).mean()) for k in range(count)]
    )
    if not count:
        return 0, 0
    loud = np.flatnonzero(tenths > 10 ** (SOUND_DB / 10) * np.percentile(tenths, 95))
    if not len(loud):
        return 0, 0
    edge = round(EDGE * rate)
    first, last = int(loud[0]) * block - edge, (int(loud[-1]) + 1) * block + edge
    return max(0, first), min(partner.shape[1], last)


def share_used(partner: Float32, found: Alignment, *, rate: int, duration: float) -> float:
    """Compute the share of the partner's sound that falls into the mix, held by it or not.

    Args:
        partner: Partner (any channels, n_samples).
        found: The alignment.
        rate: Sample rate in Hz, of the partner.
        duration: Seconds of the mix.

    Returns:
        In [0, 1]: of its tenths of a second within 30 dB of the loud ones.
    """
    block = rate // 10
    starts = range(0, partner.shape[1] - block + 1, block)
    power = np.array([float(np.square(partner[:, a : a + block]).mean()) for a in starts])
    if not len(power):
        return 0.0
    times = (np.flatnonzero(power > 1e-3 * np.percentile(power, 95)) + 0.5) * block / rate
    used = np.zeros(len(times), bool)
    for piece in found.pieces:
        at = piece.offset + (1 + found.drift) * times
        used |= (at >= max(0.0, piece.start)) & (at < min(duration, piece.end))
    return float(used.mean()) if len(used) else 0.0


def seconds_on_line(found: Alignment, n_seconds: int) -> NDArray[np.bool_]:
    """Find the seconds (n_seconds,) that lie in a fine window on the line."""
    use = np.zeros(n_seconds, bool)
    for t, good in zip(found.times, found.on_line, strict=True):
        if good:
            use[max(0, int(t - 1)) : int(t) + 1] = True
    return use


def drop_denied(
    mix: Float32, partner: Float32, found: Alignment, *, mix_rate: int, partner_rate: int
) -> Alignment:
    """Take out the pieces whose sound the mix does not hold at the level of the main piece.

    Args:
        mix: Mix (n_channels, n_samples).
        partner: Partner (any channels, n_samples).
        found: The alignment.
        mix_rate: Mix rate in Hz.
        partner_rate: Partner rate in Hz.

    Returns:
        The alignment, the neighbours of a dropped piece reaching over its time.
    """
    if len(found.pieces) < 2:
        return found
    moved, covered = lay(mix, partner, found, mix_rate=mix_rate, partner_rate=partner_rate)
    use = seconds_on_line(found, len(covered))
    inside = [_inside(p, len(covered)) for p in found.pieces]
    main = int(np.argmax([int((use & mine).sum()) for mine in inside]))
    colour = colours.estimate(mix, moved, mix_rate, use=use & inside[main])
    scores = score(mix, colours.apply(moved, colour, mix_rate), mix_rate, covered=covered)
    kept = [
        k
        for k, mine in enumerate(inside)
        if k == main or denied(_part(scores, mine), covered[mine]) <= DENIED
    ]
    if len(kept) == len(found.pieces):
        return found
    spans = tile(
        [(found.pieces[k].start, found.pieces[k].end) for k in kept],
        [(p.start, p.end) for p in found.pieces],
    )
    pieces = tuple(
        Piece(a, b, found.pieces[k].offset, found.pieces[k].seen)
        for k, (a, b) in zip(kept, spans, strict=True)
    )
    gone = np.zeros(len(found.times), bool)
    for k, piece in enumerate(found.pieces):
        if k not in kept:
            gone |= (found.times >= piece.start) & (found.times < piece.end)
    return replace(found, pieces=pieces, on_line=found.on_line & ~gone)


def _inside(piece: Piece, n_seconds: int) -> NDArray[np.bool_]:
    """The seconds that a piece holds by more than half."""
    middles = np.arange(n_seconds) + 0.5
    return (middles >= piece.start) & (middles < piece.end)


def _part(scores: Scores, seconds: NDArray[np.bool_]) -> Scores:
    """The scores of some seconds."""
    return replace(
        scores,
        **{k: v[seconds] for k, v in scores.__dict__.items() if k != "reasons"},
        reasons=tuple(r for r, keep in zip(scores.reasons, seconds, strict=True) if keep),
    )
