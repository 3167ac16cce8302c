"""Align a partner (a cappella or instrumental) with a mix, or say why it does not belong there.

Never changes a level and never writes: arrays in, times and a verdict out.

Coarse hits -> one line -> pieces between edits -> 16 kHz delays -> offsets and drift, twice. A pair
is right when sharp peaks at SEPARATE windows agree on one straight line within a fraction of a
millisecond: a wrong song has no such peaks, another performance has no such line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from isolde.core.errors import InputError, MissingExtraError
from isolde.core.stage import Float32
from isolde.pairs.timing.drift import LIMIT_PPM, fit_lines, place, warp
from isolde.pairs.timing.edits import Piece, tile, trace
from isolde.pairs.timing.offset import (
    COARSE_RATE,
    Haystack,
    Hit,
    Line,
    coarse,
    consensus,
    local_delays,
)
from isolde.pairs.whiten import Float64, check_audio, to_mono, whiten

FINE_RATE = 16_000.0  # Hz
HEARD_Z = 6.0  # a fine window in which the partner is heard
MIN_HEARD = 3  # windows on the line at least
MIN_SHARE = 0.35  # of the windows with a sounding partner
NO_DRIFT = 2e-6  # seconds over the whole mix: less than this is none
MAX_RMS = 0.00035  # seconds around the line
MAX_PIECES_PER_MINUTE = 8.0


@dataclass(frozen=True)
class Alignment:
    """How a partner lies in a mix.

    Attributes:
        accepted: Whether the pair can be trusted at all.
        reason: One line: what was found, or why it is rejected.
        drift: Dimensionless; t_mix = offset + (1 + drift) * t_partner.
        drift_error: Standard error of the drift.
        pieces: Spans of the mix with their offsets; they tile the mix. Empty if rejected early.
        rms: Spread in seconds of the delays around the lines.
        share: Fraction of the windows with a sounding partner that lie on the lines.
        hits: The coarse hits, for the picture.
        times: Centres (n,) of the fine windows, in seconds of the mix.
        delays: What is left of the delay there, (n,) in seconds.
        on_line: Whether each window (n,) lies on the line.
    """

    accepted: bool
    reason: str
    drift: float = 0.0
    drift_error: float = float("inf")
    pieces: tuple[Piece, ...] = ()
    rms: float = float("inf")
    share: float = 0.0
    hits: tuple[Hit, ...] = ()
    times: Float64 = field(default_factory=lambda: np.zeros(0))
    delays: Float64 = field(default_factory=lambda: np.zeros(0))
    on_line: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


@dataclass(frozen=True)
class Prepared:
    """A signal made ready for the coarse search, so that folders need not do it once per pair.

    Attributes:
        mono: Mono (n,) at COARSE_RATE.
        white: Signal (n,) whitened.
    """

    mono: Float32
    white: Float32


def prepare(audio: Float32, sample_rate: float) -> Prepared:
    """Mix down to COARSE_RATE and whiten.

    Args:
        audio: Audio (n_channels, n_samples).
        sample_rate: Sample rate in Hz.

    Returns:
        The signal for `align` and `match`.

    Raises:
        InputError: The audio is silent or shorter than a second, has another shape, an impossible
            rate, NaN or infinity.
        MissingExtraError: Scipy is not installed.
    """
    if reason := check_audio(audio, sample_rate, "recording"):
        raise InputError(f"{reason}: leave it out, or take another")
    return _prepared(audio, sample_rate)


def _prepared(audio: Float32, sample_rate: float) -> Prepared:
    try:
        import scipy  # noqa: F401
    except ImportError:
        raise MissingExtraError("scipy", extra="data", purpose="pairing songs") from None
    mono = to_mono(audio, sample_rate, COARSE_RATE)
    return Prepared(mono, whiten(mono, COARSE_RATE))


def align(
    mix: Float32,
    partner: Float32,
    *,
    mix_rate: float,
    partner_rate: float,
) -> Alignment:
    """Find offset, drift and edits of a partner in a mix.

    Args:
        mix: Mix (n_channels, n_samples).
        partner: Partner (n_channels, n_samples), a cappella or instrumental, any channels and rate.
        mix_rate: Mix rate in Hz.
        partner_rate: Partner rate in Hz.

    Returns:
        The alignment; `accepted` is False with a reason when the two do not belong together.

    Raises:
        InputError: Arrays of another shape, NaN, or impossible rates.
    """
    for name, audio, rate in (("mix", mix, mix_rate), ("partner", partner, partner_rate)):
        if reason := check_audio(audio, rate, name):
            return Alignment(False, reason)
    x, v = _prepared(mix, mix_rate), _prepared(partner, partner_rate)
    hits = tuple(coarse(Haystack(x.white, COARSE_RATE), v.mono, v.white))
    line = consensus(hits)
    refusal = _no_line(hits, line)
    if line is None or refusal:
        return Alignment(False, refusal, hits=hits)
    bent = warp(v.white[None], COARSE_RATE, COARSE_RATE, line.drift)[0]
    lags = [line.offset] + [h.mix - (1 + line.drift) * h.partner for h in hits]
    pieces = trace(x.white, bent, COARSE_RATE, lags)
    if not pieces:
        return Alignment(False, "the line that was found is heard nowhere", line.drift, hits=hits)
    return _refine(mix, partner, mix_rate, partner_rate, line.drift, pieces, hits)


def _no_line(hits: Sequence[Hit], line: Line | None) -> str:
    """The reason to stop after the coarse search, or an empty string."""
    if line is None:
        return "wrong song or another recording: nothing of the partner is found in the mix"
    windows = len({h.partner for h in hits})
    if line.windows < 2 and line.z < 12.0:
        if windows > 2:
            return (
                f"another performance or an edit in every bar: {windows} windows are found, "
                "but no two on one line"
            )
        return "wrong song or another recording: one faint coincidence, nothing that repeats it"
    return ""


def _refine(
    mix: Float32,
    partner: Float32,
    mix_rate: float,
    partner_rate: float,
    drift: float,
    pieces: Sequence[Piece],
    hits: tuple[Hit, ...],
) -> Alignment:
    """Three rounds at 16 kHz: place, measure what is left, fit, correct."""
    rate = FINE_RATE
    top = min(7000.0, 0.45 * mix_rate, 0.45 * partner_rate)
    x = whiten(to_mono(mix, mix_rate, rate), rate, band=(100.0, top), frame_seconds=0.064)
    mono = to_mono(partner, partner_rate, rate)
    offsets = [p.offset for p in pieces]
    spans = [(p.start, p.end) for p in pieces]
    fit = None
    times = delays = z = np.zeros(0)
    for round_ in range(3):
        v = whiten(
            warp(mono[None], rate, rate, drift)[0], rate, band=(100.0, top), frame_seconds=0.064
        )
        placed = np.zeros(len(x), np.float32)
        for (start, end), offset in zip(spans, offsets, strict=True):
            a, b = round(start * rate), min(len(x), round(end * rate))
            if b > a:
                placed[a:b] = place(v[None], offset * rate - a, b - a)[0]
        reach = (0.010, 0.004, 0.003)[round_]
        times, delays, z, groups = local_delays(x, placed, rate, spans=spans, reach=reach)
        heard = z > HEARD_Z
        if heard.sum() < 2:
            break
        keep = _proven(len(spans), groups, heard)
        if round_ == 0 and len(keep) < len(spans):
            # a chance piece: its neighbours take its time, and the seconds will be judged there
            offsets, spans = [offsets[k] for k in keep], tile([spans[k] for k in keep], spans)
            return _refine(
                mix, partner, mix_rate, partner_rate, drift,
                [Piece(a, b, o, 0.0) for (a, b), o in zip(spans, offsets, strict=True)], hits,
            )  # fmt: skip
        groups_heard = [g for g, h in zip(groups, heard, strict=True) if h]
        tolerance = (0.010, 0.002, 0.001)[round_]
        fit = fit_lines(
            times[heard],
            delays[heard],
            np.minimum(z[heard], 40.0) ** 2,
            groups_heard,
            tolerance=tolerance,
        )
        # t = offset + a + s t + (1 + d) u, solved for t
        drift = (1 + drift) / (1 - fit.slope) - 1
        shift = [*fit.intercepts, *[0.0] * (len(offsets) - len(fit.intercepts))]
        offsets = [(o + a) / (1 - fit.slope) for o, a in zip(offsets, shift, strict=True)]
    if fit is not None and abs(drift) * mix.shape[1] / mix_rate < NO_DRIFT:
        # two files of one clock: no resampling, which would cost the top of the treble
        middles = [(s + e) / 2 for s, e in spans]
        offsets = [o + drift * (m - o) for o, m in zip(offsets, middles, strict=True)]
        drift = 0.0
    on_line = np.zeros(len(times), bool)
    if fit is not None and len(fit.inliers) == int((z > HEARD_Z).sum()):
        on_line[z > HEARD_Z] = fit.inliers
        at = np.array(groups, int)
        residual = (
            delays
            - fit.slope * times
            - np.array([*fit.intercepts, 0.0])[np.minimum(at, len(fit.intercepts))]
        )
    else:
        residual = delays
    share = float(on_line.mean()) if len(on_line) else 0.0
    rms = fit.rms if fit is not None else float("inf")
    error = fit.slope_error if fit is not None else float("inf")
    kept = [
        Piece(s, e, o, _share_in(times, on_line, s, e))
        for (s, e), o in zip(spans, offsets, strict=True)
    ]
    refusal = _not_straight(drift, rms, share, int(on_line.sum()), kept, hits)
    found = (
        f"{int(on_line.sum())} of {len(times)} windows lie on the line within {rms * 1e6:.0f} us"
    )
    return Alignment(
        not refusal,
        refusal or found,
        drift,
        error,
        tuple(kept),
        rms,
        share,
        hits,
        times,
        residual,
        on_line,
    )


def _proven(n_pieces: int, groups: Sequence[int], heard: np.ndarray) -> list[int]:
    """Pieces in which at least two fine windows, and a third of them, hold the partner."""
    group = np.array(groups, int)
    keep = []
    for k in range(n_pieces):
        mine = heard[group == k]
        if mine.sum() >= 2 and mine.mean() > 0.33:
            keep.append(k)
    if not keep:  # then the best one has to do, and will be refused or not as a whole
        keep = [int(np.argmax([heard[group == k].sum() for k in range(n_pieces)]))]
    return keep


def _share_in(times: Float64, on_line: np.ndarray, start: float, end: float) -> float:
    """Fraction of the windows of a span that lie on the line."""
    inside = (times >= start) & (times < end)
    return float(on_line[inside].mean()) if inside.any() else 0.0


def _not_straight(
    drift: float, rms: float, share: float, heard: int, pieces: Sequence[Piece], hits: Sequence[Hit]
) -> str:
    """The reason to refuse what was found, or an empty string."""
    if heard < MIN_HEARD:
        return f"wrong song or another recording: only {heard} windows of the partner are heard"
    if abs(drift) > LIMIT_PPM * 1e-6:
        return f"another speed: {drift * 1e6:.0f} ppm is more than two clocks differ by"
    if share < MIN_SHARE:
        return (
            f"another performance or mostly another partner: {share:.0%} of the windows "
            "lie on one line"
        )
    if rms > MAX_RMS:
        return f"the tempo wanders: {rms * 1e3:.2f} ms around the straightest line"
    minutes = sum(p.end - p.start for p in pieces) / 60
    if len(pieces) > 2 + MAX_PIECES_PER_MINUTE * minutes:
        return f"another performance: {len(pieces)} pieces would be needed"
    return ""
