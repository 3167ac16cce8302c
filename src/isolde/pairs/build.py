"""One pair of signals: align, normalise, score; it never reads or writes files (see song)."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.pairs import gain as colours
from isolde.pairs.report import PairReport, Picture
from isolde.pairs.score import EXPECTED, Scores, denied, score, spans
from isolde.pairs.timing.align import Alignment, align
from isolde.pairs.timing.placement import drop_denied, lay, seconds_on_line, share_used
from isolde.pairs.whiten import Float64

KINDS = ("auto", "vocal", "instrumental")
"""What a partner may be."""

MIN_SECONDS = 3.0  # seconds of accepted audio in which the partner was heard
MIN_COMMON = 0.25  # share of the mix or of the partner's sound that must lie where the other one is
MAX_DENIED = 0.3  # share of the partner's audible sound that may be missing in the mix
BASS = (30.0, 90.0)  # Hz: what an instrumental takes out of the mix and a voice does not
REST_DB = -25.0  # a tenth of a second this far below the loud ones is a rest
RESTS_MORE = 0.15  # a share of rests larger by this tells the voice
SAME = 0.02  # share of the mix's power, in mono, that is left at most without the same song
QUIET_DB = -40.0  # tenths of a second so far below the loud ones say nothing about that
OTHER = 0.08, 0.05  # share of a tenth that is no copy of the partner, in a share of such tenths:
# at most 0.05 in the worst twentieth of a song's own tenths, compressed and coded as mp3; 0.1 and
# more, mostly 0.2 to 1, where a voice is 18 dB above its backing
BASS_LOSS = 0.35  # share of the mix's bass that is left at most without an instrumental


@dataclass(frozen=True)
class PairArrays:
    """A pair in one frame, the mix's.

    Attributes:
        mixture: Mixture (n_channels, n_samples), the mix as it was.
        vocals: The same shape; mixture = vocals + accompaniment.
        accompaniment: The same shape.
        partner: The partner as it sounds in the mix (one of the two).
    """

    mixture: Float32
    vocals: Float32
    accompaniment: Float32
    partner: Float32


def check_kind(kind: str) -> None:
    """Refuse a word that is no kind of partner.

    Raises:
        InputError: It is none.
    """
    if kind not in KINDS:
        raise InputError(f"kind is '{kind}': use auto, vocal or instrumental")


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
        mix: Mix (n_channels, n_samples).
        partner: Partner (n_channels, n_samples), a cappella or instrumental, any channels and rate.
        mix_rate: Mix rate in Hz.
        partner_rate: Partner rate in Hz.
        kind: "vocal", "instrumental" or "auto" (an instrumental takes the bass out of the mix).
        track: Name for the report.

    Returns:
        (report, arrays); no arrays if the pair is rejected.

    Raises:
        InputError: Arrays of another shape, NaN, impossible rates, an unknown kind.
    """
    check_kind(kind)
    began = time.process_time()
    found = align(mix, partner, mix_rate=mix_rate, partner_rate=partner_rate)
    report = PairReport(
        track, "", "", kind, False, found.reason, mix_rate, mix.shape[1] / mix_rate,
        share=found.share, picture=_picture(found, None, None, mix_rate),
    )  # fmt: skip
    if found.accepted:
        found = drop_denied(mix, partner, found, mix_rate=mix_rate, partner_rate=partner_rate)
    if found.pieces:
        main = max(found.pieces, key=lambda p: (p.end - p.start) * (0.01 + p.seen))
        report = replace(
            report, offset=main.offset, drift_ppm=found.drift * 1e6, pieces=found.pieces,
            drift_error_ppm=found.drift_error * 1e6, timing_rms_us=found.rms * 1e6,
        )  # fmt: skip
    if not found.accepted:
        return replace(report, compute_seconds=time.process_time() - began), None
    moved, covered = lay(mix, partner, found, mix_rate=mix_rate, partner_rate=partner_rate)
    use = seconds_on_line(found, len(covered))
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
    heard = kept & np.array([r == EXPECTED for r in scores.reasons])
    missing = denied(scores, covered)
    used = share_used(partner, found, rate=partner_rate, duration=mix.shape[1] / mix_rate)
    refusal = ""
    if any(_same_middle(mix, sound, mix_rate) for sound in (moved, fitted)):
        refusal = (
            "the partner is the song itself, or a mono mix of it: nothing but the difference of "
            "the channels would be left"
        )
    elif max(used, float((covered > 0.5).mean())) < MIN_COMMON:
        refusal = (
            f"another part or version: only {used:.0%} of the partner falls into the mix, "
            "and most of the mix has no partner"
        )
    elif missing > MAX_DENIED:
        refusal = (
            f"another part or version: {missing:.0%} of what the partner sounds is not in the mix"
        )
    elif heard.sum() < MIN_SECONDS:
        refusal = f"only {heard.sum()} seconds of the partner fit the mix at the mix's level"
    report = replace(
        report, kind=kind, accepted=not refusal, reason=refusal or found.reason,
        gain_db=colour.level_db, inverted=colour.inverted,
        cancellation_db=_cancellation(mix, fitted, mix_rate, heard), null_db=_null(scores, heard),
        accepted_seconds=sum(s.end - s.start for s in parts if s.accepted), spans=tuple(parts),
        denied=missing, scores=scores, picture=_picture(found, colour, arrays, mix_rate),
    )  # fmt: skip
    return replace(report, compute_seconds=time.process_time() - began), None if refusal else arrays


def _same_middle(mix: Float32, partner: Float32, rate: int) -> bool:
    """Whether a partner, summed to mono, is the mix summed to mono: then it holds all stems.

    A voice over a quiet backing leaves as little of the mix. But where the voice is soft or rests,
    the mix is no copy of it at any level.
    """
    middle, other = (x.mean(axis=0, dtype=np.float64) for x in (mix, partner))
    fit = float(other @ middle) / max(float(other @ other), 1e-12)
    if np.sum((middle - fit * other) ** 2) >= SAME * (middle @ middle):
        return False
    both, whole, part = (_tenths(x, rate) for x in (middle * other, middle**2, other**2))
    sounds = whole > np.percentile(whole, 90) * 10 ** (QUIET_DB / 10)
    apart = 1 - both[sounds] ** 2 / np.maximum(whole[sounds] * part[sounds], 1e-30)
    share, often = OTHER
    return float((apart > share).mean()) < often


def _tenths(values: NDArray[Any], rate: int) -> NDArray[Any]:
    """Mean of each whole tenth of a second."""
    block = rate // 10
    return np.asarray(values[: len(values) // block * block].reshape(-1, block).mean(axis=1))


def _is_instrumental(
    mix: Float32, fitted: Float32, rate: int, use: NDArray[np.bool_], covered: Float64
) -> bool:
    """Tell an instrumental from a voice: a voice rests more than its backing.

    If neither clearly rests more, an instrumental is what takes the bass out of the mix.
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
    power = _tenths(np.square(signal).mean(axis=0), rate)
    # at a rate that ten does not divide, the blocks are a little short, and there may be more
    keep = np.repeat(use, 10)
    power = power[: len(keep)][keep[: len(power)]]
    if not len(power):
        return 0.0
    return float((power < np.percentile(power, 90) * 10 ** (REST_DB / 10)).mean())


def _cancellation(mix: Float32, fitted: Float32, rate: int, heard: np.ndarray) -> float:
    """10 log10(E[x] / E[x - p]) over the seconds that were heard and kept."""
    e_x = e_r = 1e-12
    for second in np.flatnonzero(heard):
        part = slice(int(second) * rate, (int(second) + 1) * rate)
        x, p = mix[:, part].astype(np.float64), fitted[:, part]
        e_x += float(np.square(x).sum())
        e_r += float(np.square(x - p).sum())
    return float(10 * np.log10(e_x / e_r))


def _null(scores: Scores, heard: np.ndarray) -> float:
    """Median cancellation of the best tenth of the heard seconds."""
    values = np.sort(scores.cancellation_db[heard])[::-1]
    return float(np.median(values[: max(1, len(values) // 10)])) if len(values) else float("nan")


def _picture(
    found: Alignment, colour: colours.Colour | None, arrays: PairArrays | None, rate: int
) -> Picture:
    """Collect the arrays of the page."""
    hits = np.array([(h.partner, h.mix, h.z) for h in found.hits], np.float64).reshape(-1, 3)
    fine = np.stack([found.times, found.delays, found.on_line.astype(np.float64)], axis=1)
    envelope, bands = np.zeros((4, 0)), np.zeros((0, 0))
    if colour is not None:
        level = 20 * np.log10(np.abs(colour.gains) + 1e-6)
        bands = np.vstack([colour.nodes[None], level])
    if arrays is not None:
        block = round(0.1 * rate)
        starts = range(0, arrays.mixture.shape[1], block)
        rows = np.zeros((3, len(starts)))
        for k, start in enumerate(starts):
            x, p = (y[:, start : start + block] for y in (arrays.mixture, arrays.partner))
            rows[:, k] = [float(np.square(y).sum()) / x.shape[0] / block for y in (x, p, x - p)]
        envelope = np.vstack([10 * np.log10(rows + 1e-12), np.array(starts) / rate])
    return Picture(hits, fine, envelope, bands)
