"""What the tool and a plain cross-correlation make of a case, against its truth."""

import time
from typing import Any

import damage
import numpy as np
from case import Case
from scipy import fft

from isolde.core.stage import Float32
from isolde.pairs.build import pair_arrays

Pieces = list[tuple[float, float, float]]
CORRELATION_RATE = 16000  # Hz


def score_case(case: Case) -> dict[str, Any]:
    """Let the tool and the baseline answer; give a row with the truth beside it."""
    began = time.process_time()
    report, arrays = pair_arrays(
        case.mix, case.partner, mix_rate=case.mix_rate, partner_rate=case.partner_rate
    )
    row: dict[str, Any] = {
        "case": case.number,
        "theme": case.theme,
        "song": case.song,
        "right": case.right,
        "minutes": case.mix.shape[1] / case.mix_rate / 60,
        "seconds": time.process_time() - began,
        "accepted": report.accepted,
        "reason": report.reason,
        "kind_right": report.kind == case.kind,
        "denied": None if np.isnan(report.denied) else report.denied,
        "drift_true": case.drift * 1e6,
        "baseline": baseline(case),
    }
    if case.right and report.pieces:
        found = [(piece.start, piece.end, piece.offset) for piece in report.pieces]
        errors = timing_errors(case, found, report.drift_ppm * 1e-6)
        kept = {
            second
            for span in report.spans
            if span.accepted
            for second in range(int(span.start), int(span.end))
        }
        heard = [error for second, error in errors if second in kept]
        row["offset_us"] = float(np.median([error for _, error in errors]))
        row["worst_us"] = max(heard, default=0.0)
        row["kept_seconds"] = len(heard)
        row["off_seconds"] = sum(error > 300 for error in heard)
        row["drift_error"] = abs(report.drift_ppm - case.drift * 1e6)
    if case.right and arrays is not None:
        good = np.zeros(case.mix.shape[1], bool)
        for span in report.spans:
            if span.accepted:
                good[round(span.start * case.mix_rate) : round(span.end * case.mix_rate)] = True
        row["sdr"] = sdr(case.truth[:, good], arrays.vocals[:, good])
        power = [float(np.square(audio).sum()) for audio in (case.truth[:, good], case.truth)]
        row["kept"] = power[0] / (power[1] + 1e-12)
    return row


def baseline(case: Case) -> dict[str, Any]:
    """Answer by one cross-correlation of the whole files: one gain, no drift, no edits."""
    began = time.process_time()
    x, p = (
        damage.resample(damage.average_channels(audio), rate, CORRELATION_RATE)[0]
        for audio, rate in ((case.mix, case.mix_rate), (case.partner, case.partner_rate))
    )
    size = fft.next_fast_len(len(x) + len(p), real=True)
    peaks = np.abs(fft.irfft(fft.rfft(x, size) * np.conj(fft.rfft(p, size)), size))
    k = int(peaks.argmax())
    height = float(peaks[k] / (np.median(peaks) / 0.6745 + 1e-12))  # in standard deviations
    lag = (k if k < len(x) else k - size) / CORRELATION_RATE
    moved = _moved(case, lag)
    gain = float(np.sum(moved * case.mix) / (np.sum(moved * moved) + 1e-12))
    answer: dict[str, Any] = {"height": height, "seconds": time.process_time() - began}
    if case.right:
        voice = moved * gain if case.kind == "vocal" else case.mix - moved * gain
        errors = timing_errors(case, [(0.0, 1e9, lag)], 0.0)
        answer["offset_us"] = float(np.median([error for _, error in errors]))
        answer["sdr"] = sdr(case.truth, voice)
    return answer


def _moved(case: Case, lag: float) -> Float32:
    """The partner `lag` s later, at the mix's rate, with its channels and length."""
    partner = damage.resample(case.partner, case.partner_rate, case.mix_rate)
    if partner.shape[0] != case.mix.shape[0]:
        partner = np.repeat(damage.average_channels(partner), case.mix.shape[0], axis=0)
    moved, at = np.zeros_like(case.mix), round(lag * case.mix_rate)
    first, last = max(0, at), min(case.mix.shape[1], at + partner.shape[1])
    moved[:, first:last] = partner[:, first - at : last - at]
    return moved


def sdr(truth: Float32, estimate: Float32) -> float:
    """Compute 10 log10(sum s^2 / sum (s - e)^2), in dB."""
    signal = np.square(truth, dtype=np.float64).sum()
    noise = np.square(truth - estimate, dtype=np.float64).sum()
    return float(10 * np.log10((signal + 1e-12) / (noise + 1e-12)))


def timing_errors(case: Case, pieces: Pieces, drift: float) -> list[tuple[int, float]]:
    """Give (second of the mix, error in microseconds) where the truth sounds.

    Where the truth has the partner's time u at the mix's time t, the answer's t for that u counts.
    """
    power = _power(case)
    errors = []
    for start, end, offset in case.pieces:
        for second in range(int(start) + 1, int(end)):
            if case.kind == "vocal" and power[second] < 1e-3 * np.percentile(power, 95):
                continue
            t = second + 0.5
            u = (t - offset) / (1 + case.drift)
            near = min(pieces, key=lambda p: 0.0 if p[0] <= t < p[1] else 1.0 + abs(p[0] - t))
            errors.append((second, abs(near[2] + (1 + drift) * u - t) * 1e6))
    return errors


def _power(case: Case) -> Float32:
    """Of each second of the truth; the last one filled up with zeros."""
    n = case.mix.shape[1] // case.mix_rate + 1
    power = np.square(case.truth).mean(axis=0)
    power = np.pad(power, (0, n * case.mix_rate - len(power)))
    return np.asarray(power.reshape(n, -1).mean(axis=1))
