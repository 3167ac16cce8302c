"""One pair of signals: align, normalise, score; it never reads or writes files (see song)."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isolde.datasets.pairs import gain as colours
from isolde.datasets.pairs.align import Alignment, align
from isolde.datasets.pairs.drift import place, warp
from isolde.datasets.pairs.report import PairReport, Picture
from isolde.datasets.pairs.score import Scores, score, spans
from isolde.datasets.pairs.whiten import Float64
from isolde.errors import InputError
from isolde.stages import Float32

EDGE = 2.0  # seconds of silence believed before the first and after the last sound
SOUND_DB = -50.0  # relative to the loud moments: what counts as sound
JOIN = 0.01  # seconds: crossfade where two pieces of the partner meet
MIN_SECONDS = 3.0  # of accepted audio in which the partner was heard
BASS = (30.0, 90.0)  # Hz: what an instrumental takes out of the mix and a voice does not
REST_DB = -25.0  # a tenth of a second this far below the loud ones is a rest
RESTS_MORE = 0.15  # a share of rests larger by this tells the voice
BASS_LOSS = 0.35  # of the mix's bass is left at most without an instrumental


@dataclass(frozen=True)
class PairArrays:
    """A pair in one frame, the mix's.

    Attributes:
        mixture: (n_channels, n_samples), the mix as it was.
        vocals: the same shape; mixture = vocals + accompaniment.
        accompaniment: the same shape.
        partner: the partner as it sounds in the mix (one of the two).
    """

    mixture: Float32
    vocals: Float32
    accompaniment: Float32
    partner: Float32


def pair_arrays(
    mix: Float32,
    partner: Float32,
    *,
    mix_rate: int,
    partner_rate: int,
    kind: str = "auto",
    track: str = "pair",
) -> tuple[PairReport, PairArrays | None]:
    """Align, normalise and score one pair.

    Args:
        mix: (n_channels, n_samples).
        partner: (n_channels, n_samples), a cappella or instrumental, any channels and rate.
        mix_rate: Hz.
        partner_rate: Hz.
        kind: "vocal", "instrumental" or "auto" (an instrumental takes the bass out of the mix).
        track: name for the report.

    Returns:
        (report, arrays); no arrays if the pair is rejected.

    Raises:
        InputError: arrays of another shape, NaN, impossible rates, an unknown kind.
    """
    if kind not in ("auto", "vocal", "instrumental"):
        raise InputError(f"kind is '{kind}': use auto, vocal or instrumental")
    began = time.process_time()
    found = align(mix, partner, mix_rate=mix_rate, partner_rate=partner_rate)
    report = PairReport(
        track, "", "", kind, False, found.reason, mix_rate, mix.shape[1] / mix_rate,
        share=found.share, pieces=found.pieces, picture=_picture(found, None, None, mix_rate),
    )  # fmt: skip
    if found.pieces:
        main = max(found.pieces, key=lambda p: (p.end - p.start) * (0.01 + p.seen))
        report = replace(
            report, offset=main.offset, drift_ppm=found.drift * 1e6,
            drift_error_ppm=found.drift_error * 1e6, timing_rms_us=found.rms * 1e6,
        )  # fmt: skip
    if not found.accepted:
        return replace(report, compute_seconds=time.process_time() - began), None
    moved, covered = lay(mix, partner, found, mix_rate=mix_rate, partner_rate=partner_rate)
    use = _heard_seconds(found, len(covered))
    colour = colours.estimate(mix, moved, mix_rate, use=use)
    fitted = colours.apply(moved, colour, mix_rate)
    if kind == "auto":
        kind = "instrumental" if _is_instrumental(mix, fitted, mix_rate, use, covered) else "vocal"
    rest = mix - fitted
    vocals, accompaniment = (fitted, rest) if kind == "vocal" else (rest, fitted)
    arrays = PairArrays(mix, vocals, accompaniment, fitted)
    cuts = [p.start for p in found.pieces[1:]]
    scores = score(mix, fitted, mix_rate, covered=covered, cuts=cuts)
    parts = spans(scores, mix.shape[1] / mix_rate)
    kept = np.concatenate([np.full(round(np.ceil(s.end - s.start)), s.accepted) for s in parts])
    heard = kept & np.array([r == "heard as expected" for r in scores.reasons])
    good = int(heard.sum()) >= MIN_SECONDS
    reason = found.reason if good else (
        f"only {int(heard.sum())} seconds of the partner fit the mix once it is at the mix's level"
    )  # fmt: skip
    report = replace(
        report, kind=kind, accepted=good, reason=reason,
        gain_db=colour.level_db, inverted=colour.inverted,
        cancellation_db=_cancellation(mix, fitted, mix_rate, heard), null_db=_null(scores, heard),
        accepted_seconds=sum(s.end - s.start for s in parts if s.accepted), spans=tuple(parts),
        scores=scores, picture=_picture(found, colour, arrays, mix_rate),
    )  # fmt: skip
    return replace(report, compute_seconds=time.process_time() - began), arrays if good else None


def lay(
    mix: Float32, partner: Float32, found: Alignment, *, mix_rate: int, partner_rate: int
) -> tuple[Float32, Float64]:
    """Put the partner on the mix's clock, at the mix's rate and channels, piece by piece.

    Args:
        mix: (n_channels, n_samples); only its shape counts.
        partner: (any channels, n_samples).
        found: the alignment.
        mix_rate: Hz.
        partner_rate: Hz.

    Returns:
        (the partner, (n_channels, n_samples); the fraction of each second that its file covers).
    """
    bent = warp(colours.match_channels(partner, mix.shape[0]), partner_rate, mix_rate, found.drift)
    n = mix.shape[1]
    sounding = _sounding(bent, mix_rate)
    out = np.zeros(mix.shape, np.float32)
    here = np.zeros(n, np.float32)
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
        out[:, first:last] += part * ramp
        x, y = (round(piece.offset * mix_rate) + e for e in sounding)
        here[max(a, x, 0) : max(0, min(b, y))] = 1.0
    n_seconds = int(np.ceil(n / mix_rate))
    edges = np.minimum(np.round(np.arange(n_seconds + 1) * mix_rate).astype(int), n)
    total = np.concatenate([[0.0], np.cumsum(here, dtype=np.float64)])
    return out, (total[edges[1:]] - total[edges[:-1]]) / np.maximum(1, np.diff(edges))


def _sounding(partner: Float32, rate: int) -> tuple[int, int]:
    """First and last sample of a partner at which its silence still means something.

    Before its first sound and after its last one a file may be silent because the singer is, or
    because nobody exported that part: nobody can tell, so only EDGE seconds are believed.
    """
    block = rate // 10
    power = np.square(partner[:, : partner.shape[1] // block * block]).mean(axis=0)
    tenths = power.reshape(-1, block).mean(axis=1)
    loud = np.flatnonzero(tenths > 10 ** (SOUND_DB / 10) * np.percentile(tenths, 95))
    if not len(loud):
        return 0, 0
    edge = round(EDGE * rate)
    first, last = int(loud[0]) * block - edge, (int(loud[-1]) + 1) * block + edge
    return max(0, first), min(partner.shape[1], last)


def _heard_seconds(found: Alignment, n_seconds: int) -> NDArray[np.bool_]:
    """Seconds that lie in a fine window on the line."""
    use = np.zeros(n_seconds, bool)
    for t, good in zip(found.times, found.on_line, strict=True):
        if good:
            use[max(0, int(t - 1)) : int(t) + 1] = True
    return use


def _is_instrumental(
    mix: Float32, fitted: Float32, rate: int, use: NDArray[np.bool_], covered: Float64
) -> bool:
    """Tell an instrumental from a voice: a voice rests more than what it sings to.

    If neither clearly rests more, ask whether the mix loses its bass without the partner.
    """
    from scipy.signal import butter, sosfilt

    rests = [_rests(y, rate, covered > 0.99) for y in (fitted, mix - fitted)]
    if abs(rests[0] - rests[1]) > RESTS_MORE:
        return rests[0] < rests[1]
    sos = butter(4, BASS, "bandpass", fs=rate, output="sos")
    mask = np.repeat(use, rate)[: mix.shape[1]]
    mask = np.pad(mask, (0, mix.shape[1] - len(mask)))
    low_x = sosfilt(sos, mix.mean(axis=0))[mask]
    low_r = sosfilt(sos, (mix - fitted).mean(axis=0))[mask]
    return bool(np.sum(low_r**2) < BASS_LOSS * np.sum(low_x**2))


def _rests(signal: Float32, rate: int, use: NDArray[np.bool_]) -> float:
    """Share of the tenths of a second that are REST_DB below the loud ones."""
    block = rate // 10
    tenths = signal[:, : signal.shape[1] // block * block]
    power = np.square(tenths).mean(axis=0).reshape(-1, block).mean(axis=1)
    power = power[np.repeat(use, 10)[: len(power)]]
    if not len(power):
        return 0.0
    return float((power < np.percentile(power, 90) * 10 ** (REST_DB / 10)).mean())


def _cancellation(mix: Float32, fitted: Float32, rate: int, heard: np.ndarray) -> float:
    """10 log10(E[x] / E[x - p]) over the seconds that were heard and kept."""
    mask = np.repeat(heard, rate)[: mix.shape[1]]
    x, p = mix[:, : len(mask)][:, mask], fitted[:, : len(mask)][:, mask]
    e_x, e_r = (float(np.square(y, dtype=np.float64).sum()) for y in (x, x - p))
    return float(10 * np.log10((e_x + 1e-12) / (e_r + 1e-12)))


def _null(scores: Scores, heard: np.ndarray) -> float:
    """Median cancellation of the best tenth of the heard seconds."""
    values = np.sort(scores.cancellation_db[heard])[::-1]
    return float(np.median(values[: max(1, len(values) // 10)])) if len(values) else float("nan")


def _picture(
    found: Alignment, colour: colours.Colour | None, arrays: PairArrays | None, rate: int
) -> Picture:
    """Collect what the page shows."""
    hits = np.array([(h.partner, h.mix, h.z) for h in found.hits], np.float64).reshape(-1, 3)
    fine = np.stack([found.times, found.delays, found.on_line.astype(np.float64)], axis=1)
    envelope, bands = np.zeros((4, 0)), np.zeros((0, 0))
    if colour is not None:
        level = 20 * np.log10(np.abs(colour.gains) + 1e-6)
        bands = np.vstack([colour.nodes[None], level])
    if arrays is not None:
        block = round(0.1 * rate)
        edges = np.arange(0, arrays.mixture.shape[1], block)
        rows = []
        for y in (arrays.mixture, arrays.partner, arrays.mixture - arrays.partner):
            power = np.add.reduceat(np.square(y).mean(axis=0), edges) / block
            rows.append(10 * np.log10(power + 1e-12))
        envelope = np.vstack([*rows, edges / rate])
    return Picture(hits, fine, envelope, bands)
