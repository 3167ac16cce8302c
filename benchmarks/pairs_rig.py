"""The rig of the pair builder: real songs, taken apart and damaged, put back by the tool.

Usage: python benchmarks/pairs_rig.py run --data FOLDER --out results.jsonl [--first 0 --last 400]
       python benchmarks/pairs_rig.py table results.jsonl ...

FOLDER holds sets of songs, {set}/{song}/{stem}.ogg. Case i depends on i only, so that a run can be
stopped and continued, and one bad case run again. Every line of the output is one case with its
truth, the tool's answer and the answer of a plain cross-correlation.
"""

import argparse
import csv
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from scipy import fft, signal

from isolde.pairs.build import pair_arrays

N_RIGHT = (
    220  # cases 0 ... 219: pairs that belong together, one kind of damage more than the others
)
N_WRONG = 120  # cases 220 ... 339: pairs that do not
THEMES = (
    "plain", "drift", "rates", "mp3", "ogg", "eq", "inverted", "noise", "cut", "repeat", "intro",
    "mono mix", "mono vocal", "reverb in the mix", "reverb in the vocal", "part", "far",
    "instrumental", "buried", "all",
)  # fmt: skip
WRONG = (
    "other song",
    "same artist",
    "same song, other bars",
    "live",
    "other instrumental",
    "silence",
)


@dataclass
class Case:
    """One pair with its truth."""

    number: int
    theme: str
    song: str
    right: bool
    kind: str = "vocal"
    mix: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    mix_rate: int = 22050
    partner: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    partner_rate: int = 22050
    truth: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    pieces: list[tuple[float, float, float]] = field(default_factory=list)
    drift: float = 0.0


class Songs:
    """The stems on disk."""

    def __init__(self, data: Path) -> None:
        """List the songs that hold enough voice; skip those that are another's copy."""
        self.data = data
        self.artist: dict[str, str] = {}
        tags = data / "magnatune" / "tags.csv"
        if tags.exists():
            with tags.open(encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.artist[f"magnatune/{row['song']}"] = row["artist"]
        self.names: list[str] = []
        for group in ("magnatune", "cc-songs", "everything-is-free"):
            for folder in sorted((data / group).iterdir()):
                if folder.is_dir():
                    name = f"{group}/{folder.name}"
                    self.names.append(name)
                    if group == "cc-songs":
                        self.artist[name] = folder.name.split(" - ")[0]
        self.short = sorted(
            f"musdb18-7-dev/{f.name}" for f in (data / "musdb18-7-dev").iterdir() if f.is_dir()
        )
        clips = sorted(f.name for f in (data / "mir-1k").iterdir() if f.is_dir())
        self.karaoke: dict[str, list[str]] = {}
        for clip in clips:
            singer, number, _ = clip.split("_")
            self.karaoke.setdefault(f"{singer}_{number}", []).append(clip)

    def stems(
        self, name: str, seconds: float = 75.0, start: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """(vocals, accompaniment, rate), cut to a stretch."""
        if name.startswith("mir-1k/"):
            clips = [self.data / "mir-1k" / c for c in self.karaoke[name[7:]]]
            parts = [[_read(c / f"{s}.ogg")[0] for c in clips] for s in ("vocals", "accompaniment")]
            v, a = (np.concatenate(p, axis=1) for p in parts)
            return v, a, 16000
        folder = self.data / name
        voice, rate = _read(folder / "vocals.ogg", start, seconds)
        rest = sum(
            _read(f, start, seconds)[0] for f in sorted(folder.glob("*.ogg")) if f.stem != "vocals"
        )
        return voice, np.asarray(rest, np.float32), rate


def _read(path: Path, start: float = 0.0, seconds: float = 1e9) -> tuple[np.ndarray, int]:
    with sf.SoundFile(path) as file:
        file.seek(min(file.frames, int(start * file.samplerate)))
        return file.read(
            int(min(seconds * file.samplerate, file.frames)), "float32", always_2d=True
        ).T, file.samplerate


def codec(audio: np.ndarray, rate: int, kind: str) -> np.ndarray:
    """Through a lossy codec and back."""
    store = io.BytesIO()
    audio = np.clip(audio, -1, 1)
    if kind == "mp3":
        sf.write(store, audio.T, rate, format="MP3", subtype="MPEG_LAYER_III")
    else:
        with sf.SoundFile(store, "w", rate, audio.shape[0], "VORBIS", format="OGG") as file:
            for k in range(0, audio.shape[1], 65536):
                file.write(audio[:, k : k + 65536].T)
    store.seek(0)
    out = sf.read(store, dtype="float32", always_2d=True)[0].T
    out = out[:, : audio.shape[1]]
    return np.pad(out, ((0, 0), (0, audio.shape[1] - out.shape[1])))


def equalise(
    audio: np.ndarray, rate: int, rng: np.random.Generator, *, bells: int = 3, most: float = 6.0
) -> np.ndarray:
    """Minimum-phase bells (RBJ cookbook), up to `most` dB, Q 0.7 to 1.5, 120 Hz to 6 kHz."""
    out = audio.astype(np.float64)
    for _ in range(bells):
        f, g, q = (
            np.exp(rng.uniform(np.log(120), np.log(6000))),
            rng.uniform(-most, most),
            rng.uniform(0.7, 1.5),
        )
        amp, w = 10 ** (g / 40), 2 * np.pi * f / rate
        alpha = np.sin(w) / 2 / q
        b = np.array([1 + alpha * amp, -2 * np.cos(w), 1 - alpha * amp])
        a = np.array([1 + alpha / amp, -2 * np.cos(w), 1 - alpha / amp])
        out = signal.lfilter(b / a[0], a / a[0], out, axis=1)
    return out.astype(np.float32)


def reverb(
    audio: np.ndarray, rate: int, rng: np.random.Generator, *, wet_db: float = -10.0
) -> np.ndarray:
    """A room: exponentially decaying noise, 20 ms late, RT60 0.8 s."""
    n = int(0.8 * rate)
    t = np.arange(n) / rate
    tail = rng.standard_normal((audio.shape[0], n)) * 10 ** (-3 * t / 0.8)
    tail[:, : int(0.02 * rate)] = 0
    tail *= 10 ** (wet_db / 20) / np.sqrt((tail**2).sum(axis=1, keepdims=True))
    return (audio + signal.oaconvolve(audio, tail, axes=1)[:, : audio.shape[1]]).astype(np.float32)


def _rate(audio: np.ndarray, old: float, new: float) -> np.ndarray:
    return (
        audio
        if old == new
        else soxr.resample(audio.T, old, new, quality="VHQ").T.astype(np.float32)
    )


def right_case(number: int, songs: Songs) -> Case:
    """A pair that belongs together."""
    rng = np.random.default_rng([1, number])
    theme = THEMES[number % len(THEMES)]
    for _ in range(50):
        pick = rng.uniform()
        if pick < 0.08:
            name = "mir-1k/" + str(rng.choice([k for k, c in songs.karaoke.items() if len(c) > 3]))
        elif pick < 0.14:
            name = str(rng.choice([n for n in songs.names if n.startswith("everything")]))
        elif pick < 0.34:
            name = str(rng.choice([n for n in songs.names if n.startswith("cc-songs")]))
        elif pick < 0.40 and theme not in ("cut", "repeat", "part", "buried"):
            name = str(rng.choice(songs.short))
        else:
            name = str(rng.choice([n for n in songs.names if n.startswith("magnatune")]))
        v, a, fs = songs.stems(
            name, start=float(rng.uniform(0, 150)) if name.startswith("every") else 0.0
        )
        power = signal.fftconvolve(np.square(v).mean(axis=0), np.ones(fs) / fs, "same")[::fs]
        active = float((power > 1e-4 * max(1e-3, float(np.percentile(power, 95)))).sum())
        level = 10 * np.log10((np.square(v).mean() + 1e-12) / (np.square(a).mean() + 1e-12))
        if active >= 5 and level > -15:
            break
    everything = theme == "all"
    # the voice as it stands in the mix
    stood = v * np.float32(10 ** (rng.uniform(-6, 4) / 20))
    if theme == "buried":
        stood = v * np.float32(10 ** ((-12 - level) / 20))
    if theme == "inverted" or (everything and rng.uniform() < 0.5):
        stood = -stood
    if theme in ("eq", "instrumental") or everything or rng.uniform() < 0.3:
        stood = equalise(stood, fs, rng)
    if theme == "reverb in the mix":
        stood = reverb(stood, fs, rng)
    backing = a
    other, _, other_fs = (songs.stems(str(rng.choice(songs.names)))[k] for k in (1, 0, 2))
    other = _rate(other, other_fs, fs)
    other = np.tile(other, (1, 3))[: a.shape[0] if other.shape[0] >= a.shape[0] else 1]
    other = np.repeat(other, a.shape[0] // other.shape[0], axis=0)
    # edits, on both alike; pieces are (start, end, where song time 0 falls) in mix seconds
    length = v.shape[1]
    plan: list[tuple[int, int]] = [(0, length)]
    if theme == "cut" or (everything and rng.uniform() < 0.5):
        a0 = int(rng.uniform(0.3, 0.5) * length)
        plan = [(0, a0), (a0 + int(rng.uniform(0.1, 0.25) * length), length)]
    elif theme == "repeat":
        a0, a1 = int(rng.uniform(0.2, 0.3) * length), int(rng.uniform(0.6, 0.7) * length)
        plan = [(0, a1), (a0, length)]
    intro = (
        int(rng.uniform(0, 60 if theme in ("far", "intro") else 20) * fs)
        if rng.uniform() < 0.6 or theme == "intro"
        else 0
    )
    outro = int(rng.uniform(0, 15) * fs) if rng.uniform() < 0.5 else 0
    before, after = other[:, :intro], other[:, intro : intro + outro]
    if theme != "intro" and rng.uniform() < 0.3:
        before, after = before * 0, after * 0  # or just silence
    intro, outro = before.shape[1], after.shape[1]
    mix = np.concatenate([before, *[(stood + backing)[:, s:e] for s, e in plan], after], axis=1)
    kind = "instrumental" if theme == "instrumental" else "vocal"
    target = stood
    truth = np.concatenate([before * 0, *[target[:, s:e] for s, e in plan], after * 0], axis=1)
    pieces, at = [], intro
    for s, e in plan:
        pieces.append((at / fs, (at + e - s) / fs, (at - s) / fs))
        at += e - s
    mix_rate = (
        int(rng.choice([22050, 24000, 44100, 48000])) if theme in ("rates",) or everything else fs
    )
    mix, truth = _rate(mix, fs, mix_rate), _rate(truth, fs, mix_rate)
    if theme == "mono mix" or (everything and rng.uniform() < 0.3):
        mix, truth = mix.mean(axis=0, keepdims=True), truth.mean(axis=0, keepdims=True)
    peak = float(np.abs(mix).max())
    mix, truth = mix / peak * 0.9, truth / peak * 0.9
    if theme in ("mp3", "ogg") or everything:
        mix = codec(mix, mix_rate, theme if not everything else str(rng.choice(["mp3", "ogg"])))
    if theme == "noise" or everything:
        mix = mix + np.float32(10 ** (-45 / 20)) * rng.standard_normal(mix.shape).astype(np.float32)
    # the partner's file
    partner = (equalise(a, fs, rng, most=3) if kind == "instrumental" else v).copy()
    if theme == "reverb in the vocal":
        partner = reverb(partner, fs, rng)
    lead = int(rng.uniform(0, 60 if theme == "far" else 15) * fs) if rng.uniform() < 0.5 else 0
    if theme == "part":
        keep = int(0.55 * length)
        partner[:, keep:] = 0
        if rng.uniform() < 0.5:
            partner = partner[:, :keep]
    partner = np.concatenate([np.zeros((partner.shape[0], lead), np.float32), partner], axis=1)
    if theme == "mono vocal" or (everything and rng.uniform() < 0.3):
        partner = partner.mean(axis=0, keepdims=True)
    drift = (
        float(rng.uniform(-2000, 2000) * 1e-6)
        if theme in ("drift", "instrumental", "cut", "repeat") or everything or rng.uniform() < 0.5
        else 0.0
    )
    partner_rate = (
        int(rng.choice([22050, 32000, 44100, 48000])) if theme == "rates" or everything else fs
    )
    partner = _rate(partner, fs, partner_rate / (1 + drift))
    peak = float(np.abs(partner).max()) / float(10 ** (rng.uniform(-12, -0.5) / 20))
    partner = partner / peak
    if theme in ("mp3", "ogg") or everything:
        partner = codec(partner, partner_rate, "ogg" if theme == "mp3" else "mp3")
    if theme == "noise" or everything:
        partner = partner + np.float32(10 ** (-50 / 20)) * rng.standard_normal(
            partner.shape
        ).astype(np.float32)
    # song time 0 is at partner time lead / fs / (1 + drift): t_mix = offset + (1 + drift) u
    pieces = [(s, e, o - lead / fs) for s, e, o in pieces]
    return Case(
        number, theme, name, True, kind, mix, mix_rate, partner, partner_rate, truth, pieces, drift
    )


def wrong_case(number: int, songs: Songs) -> Case:
    """A pair that does not belong together."""
    rng = np.random.default_rng([2, number])
    theme = WRONG[number % (len(WRONG) - 1)]
    if number >= N_RIGHT + N_WRONG - 4:
        theme = "silence"
    name = str(rng.choice(songs.names))
    if theme == "same artist":
        by: dict[str, list[str]] = {}
        for song, artist in songs.artist.items():
            by.setdefault(artist, []).append(song)
        many = sorted(a for a, s in by.items() if len(s) > 1)
        name, other = (
            str(s) for s in rng.choice(by[many[int(rng.integers(len(many)))]], 2, replace=False)
        )
    elif theme == "same song, other bars":
        if rng.uniform() < 0.5:
            name = str(rng.choice([n for n in songs.names if n.startswith("every")]))
        else:
            name = "mir-1k/" + str(rng.choice([k for k, c in songs.karaoke.items() if len(c) > 3]))
        other = name
    else:
        other = str(rng.choice([n for n in songs.names if n != name]))
    v, a, fs = songs.stems(name)
    mix = v + a
    w, b, ofs = songs.stems(other)
    partner = b if theme == "other instrumental" else w
    if theme == "same song, other bars":
        if name.startswith("every"):  # mostly the same samples and loops, other minutes
            w, b, ofs = songs.stems(other, start=float(rng.uniform(90, 150)))
            partner = w
        half = mix.shape[1] // 2
        if name.startswith("mir"):
            mix, partner = mix[:, :half], w[:, half:]
    if (
        theme == "live"
    ):  # the same song with a tempo that breathes: +-0.7 to 2 %, one breath in 8-20 s
        partner, ofs = v, fs
        t = np.arange(v.shape[1]) / fs
        period, depth = rng.uniform(8, 20), rng.uniform(0.007, 0.02)
        bent = t + depth * period / 2 / np.pi * np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
        partner = np.stack([np.interp(bent, t, c).astype(np.float32) for c in v])
    if theme == "silence":
        if number % 2:
            mix = mix * 0
        else:
            partner = partner * 0
    if theme in ("other song", "same artist", "other instrumental") and np.abs(partner).max() > 0:
        shift = float(rng.uniform(-2000, 2000) * 1e-6)
        partner = _rate(partner, ofs, ofs / (1 + shift))
    return Case(number, theme, f"{name} | {other}", False, "vocal", mix, fs, partner, ofs)


def baseline(case: Case) -> dict[str, Any]:
    """Plain cross-correlation at 16 kHz over the whole files, one gain, no drift, no edits."""
    began = time.process_time()
    x = _rate(case.mix.mean(axis=0, keepdims=True), case.mix_rate, 16000)[0]
    p = _rate(case.partner.mean(axis=0, keepdims=True), case.partner_rate, 16000)[0]
    size = fft.next_fast_len(len(x) + len(p), real=True)
    c = fft.irfft(fft.rfft(x, size) * np.conj(fft.rfft(p, size)), size)
    k = int(np.abs(c).argmax())
    z = float(np.abs(c[k]) / (np.median(np.abs(c)) / 0.6745 + 1e-12))
    lag = (k if k < len(x) else k - size) / 16000
    partner = _rate(case.partner, case.partner_rate, case.mix_rate)
    if partner.shape[0] != case.mix.shape[0]:
        partner = np.repeat(partner.mean(axis=0, keepdims=True), case.mix.shape[0], axis=0)
    moved = np.zeros_like(case.mix)
    at = round(lag * case.mix_rate)
    first, last = max(0, at), min(case.mix.shape[1], at + partner.shape[1])
    moved[:, first:last] = partner[:, first - at : last - at]
    gain = float(np.sum(moved * case.mix) / (np.sum(moved * moved) + 1e-12))
    answer: dict[str, Any] = {"z": z, "seconds": time.process_time() - began}
    if case.right:
        guess = moved * gain if case.kind == "vocal" else case.mix - moved * gain
        answer |= {
            "offset_us": _timing(case, [(0.0, 1e9, lag)], 0.0)[0],
            "sdr": sdr(case.truth, guess),
        }
    return answer


def sdr(truth: np.ndarray, guess: np.ndarray) -> float:
    """10 log10(sum s^2 / sum (s - e)^2)."""
    noise = float(np.sum(np.square(truth - guess, dtype=np.float64)))
    return float(
        10 * np.log10((np.sum(np.square(truth, dtype=np.float64)) + 1e-12) / (noise + 1e-12))
    )


def _timing(
    case: Case, pieces: list[tuple[float, float, float]], drift: float
) -> tuple[float, list[tuple[int, float]]]:
    """Errors in microseconds of mix time, in the seconds in which the truth sounds.

    Where the truth uses partner time u at mix time t, the answer's own t for that u is compared.

    Returns:
        (median over these seconds, (second, error) of each).
    """
    power = _second_power(case)
    errors = []
    for s, e, offset in case.pieces:
        for second in range(int(s) + 1, int(e)):
            if case.kind == "vocal" and power[second] < 1e-3 * np.percentile(power, 95):
                continue
            t = second + 0.5
            u = (t - offset) / (1 + case.drift)
            near = min(pieces, key=lambda p: 0.0 if p[0] <= t < p[1] else 1.0 + abs(p[0] - t))
            errors.append((second, abs(near[2] + (1 + drift) * u - t) * 1e6))
    return float(np.median([e for _, e in errors])), errors


def _second_power(case: Case) -> np.ndarray:
    """Mean power per second of mix time, padded with zeros to the mix's length."""
    n = case.mix.shape[1] // case.mix_rate + 1
    mono = np.square(case.truth).mean(axis=0)
    mono = np.pad(mono, (0, n * case.mix_rate - len(mono)))
    return np.asarray(mono.reshape(n, -1).mean(axis=1))


def run_case(number: int, songs: Songs) -> dict[str, Any]:
    """Make the case, let the tool and the baseline answer, and compare."""
    case = right_case(number, songs) if number < N_RIGHT else wrong_case(number, songs)
    began = time.process_time()
    report, arrays = pair_arrays(
        case.mix, case.partner, mix_rate=case.mix_rate, partner_rate=case.partner_rate,
    )  # fmt: skip
    seconds = time.process_time() - began
    row: dict[str, Any] = {
        "case": number, "theme": case.theme, "song": case.song, "right": case.right,
        "minutes": case.mix.shape[1] / case.mix_rate / 60, "seconds": seconds,
        "accepted": report.accepted, "reason": report.reason, "kind": report.kind,
        "kind_right": report.kind == case.kind,
        "pieces": len(report.pieces), "true_pieces": len(case.pieces),
        "share": report.share, "denied": report.denied,
        "rms_us": report.timing_rms_us, "drift_true": case.drift * 1e6,
        "baseline": baseline(case),
    }  # fmt: skip
    if case.right and report.pieces:
        found = [(p.start, p.end, p.offset) for p in report.pieces]
        row["offset_us"], errors = _timing(case, found, report.drift_ppm * 1e-6)
        kept = {k for p in report.spans if p.accepted for k in range(int(p.start), int(p.end))}
        row["worst_us"] = max((e for k, e in errors if k in kept), default=0.0)
        row["off_seconds"] = sum(e > 300 for k, e in errors if k in kept)
        row["kept_seconds"] = sum(k in kept for k, _ in errors)
        row["drift_error"] = abs(report.drift_ppm - case.drift * 1e6)
        row["drift_sigma"] = report.drift_error_ppm
    if case.right and arrays is not None:
        good = np.zeros(case.mix.shape[1], bool)
        for span in report.spans:
            if span.accepted:
                good[round(span.start * case.mix_rate) : round(span.end * case.mix_rate)] = True
        row["sdr"] = sdr(case.truth[:, good], arrays.vocals[:, good])
        row["sdr_mix"] = sdr(case.truth[:, good], case.mix[:, good])
        row["kept"] = float(
            np.sum(np.square(case.truth[:, good])) / (np.sum(np.square(case.truth)) + 1e-12)
        )
        row["null_db"] = report.null_db
        row["spans"] = [(s.start, s.end, s.reason) for s in report.spans if not s.accepted]
    return row


def _baseline_seconds(row: dict[str, Any]) -> float:
    return float(row["baseline"]["seconds"])


def table(rows: list[dict[str, Any]]) -> str:
    """The figures of the issue, and one line per theme."""
    right = [r for r in rows if r["right"]]
    wrong = [r for r in rows if not r["right"]]
    good = [r for r in right if r["accepted"]]
    limit = max((r["baseline"]["z"] for r in wrong), default=0.0)
    kept = [r for r in right if r["baseline"]["z"] > limit]

    def share(values: list[bool]) -> str:
        return f"{100 * float(np.mean(values)):.1f} %" if values else "-"

    def middle(values: list[float], f: float = 50) -> str:
        return f"{float(np.percentile(values, f)):.3g}" if values else "-"

    offsets, plain = [r["offset_us"] for r in good], [r["baseline"]["offset_us"] for r in right]
    drifts = [r["drift_error"] for r in good]
    minutes = sum(r["minutes"] for r in rows)
    sdrs, plain_sdrs = [r["sdr"] for r in good], [r["baseline"]["sdr"] for r in right]
    no_drift = share([abs(r["drift_true"]) < 5 for r in right])
    lost = share([r["baseline"]["z"] <= limit for r in right])
    taken = sum(r["accepted"] for r in wrong)
    cpu = [sum(f(r) for r in rows) / minutes for f in (lambda r: r["seconds"], _baseline_seconds)]
    facts = [
        ("", "target", "isolde pairs", "plain cross-correlation"),
        ("---", "---", "---", "---"),
        (
            "offsets within 0.3 ms",
            "95 %",
            share([o < 300 for o in offsets]),
            share([o < 300 for o in plain]),
        ),
        (
            "offset error, median / 95th percentile, us",
            "",
            f"{middle(offsets)} / {middle(offsets, 95)}",
            f"{middle(plain)} / {middle(plain, 95)}",
        ),
        (
            "pairs without one accepted second that is off by 0.3 ms",
            "",
            share([r["worst_us"] < 300 for r in good]),
            "",
        ),
        ("drift within 5 ppm", "all", share([d < 5 for d in drifts]), no_drift),
        (
            "drift error, median / 95th percentile / worst, ppm",
            "5",
            f"{middle(drifts)} / {middle(drifts, 95)} / {middle(drifts, 100)}",
            "",
        ),
        (
            "SDR of the vocal, median (lowest tenth), dB",
            "20",
            f"{middle(sdrs)} ({middle(sdrs, 10)})",
            f"{middle(plain_sdrs)} ({middle(plain_sdrs, 10)})",
        ),
        ("wrong accepted", "0 of 100", f"{taken} of {len(wrong)}", "0 (limit set in hindsight)"),
        (
            "right rejected",
            "3 %",
            share([not r["accepted"] for r in right]),
            f"{lost} ({len(kept)} kept)",
        ),
        (
            "kind told (vocal or instrumental)",
            "",
            share([r["kind_right"] for r in good]),
            "",
        ),
        (
            "vocal energy in accepted spans, median",
            "",
            f"{middle([100 * r['kept'] for r in good])} %",
            "",
        ),
        ("CPU seconds per minute of mix", "", f"{cpu[0]:.2f}", f"{cpu[1]:.2f}"),
    ]
    lines = [
        f"{len(right)} right pairs, {len(wrong)} wrong ones, {minutes:.0f} minutes of mixes",
        "",
        *("| " + " | ".join(row) + " |" for row in facts),
        "",
        "| theme | pairs | rejected | worst offset, us | worst drift error, ppm | SDR median, dB |"
        " lowest | baseline SDR |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for theme in THEMES:
        mine = [r for r in right if r["theme"] == theme]
        ok = [r for r in mine if r["accepted"]]
        if mine:
            cells = [
                theme,
                len(mine),
                len(mine) - len(ok),
                middle([r["offset_us"] for r in ok], 100),
                middle([r["drift_error"] for r in ok], 100),
                middle([r["sdr"] for r in ok]),
                middle([r["sdr"] for r in ok], 0),
                middle([r["baseline"]["sdr"] for r in mine]),
            ]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "| set | pairs | rejected | SDR median, dB |", "|---|---|---|---|"]
    for group in sorted({r["song"].split("/")[0] for r in right}):
        mine = [r for r in right if r["song"].startswith(group)]
        ok = [r for r in mine if r["accepted"]]
        lines.append(
            f"| {group} | {len(mine)} | {len(mine) - len(ok)} | {middle([r['sdr'] for r in ok])} |"
        )
    lines += ["", "| wrong | pairs | accepted |", "|---|---|---|"]
    for theme in WRONG:
        mine = [r for r in wrong if r["theme"] == theme]
        if mine:
            lines.append(f"| {theme} | {len(mine)} | {sum(r['accepted'] for r in mine)} |")
    return "\n".join(lines)


def main() -> None:
    """Run cases or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=N_RIGHT + N_WRONG)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    if args.what == "table":
        lines = [line for file in args.files for line in file.read_text().splitlines()]
        rows = {row["case"]: row for row in map(json.loads, lines)}
        print(table([rows[k] for k in sorted(rows)]))
        return
    done = set()
    if args.out.exists():
        done = {json.loads(line)["case"] for line in args.out.read_text().splitlines()}
    songs = Songs(args.data)
    with args.out.open("a") as file:
        for number in range(args.first, args.last, args.step):
            if number not in done:
                row = run_case(number, songs)
                file.write(json.dumps(row, default=float) + "\n")
                file.flush()


if __name__ == "__main__":
    main()
