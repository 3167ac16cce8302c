"""The synthetic band from a score: drums, bass and the chords of an electric piano, pad and guitar.

Every sound is a sum of partials, a decaying noise or a plucked string; nothing is sampled.
"""

import numpy as np
from numpy.typing import NDArray

from demo_song.score import BEATS_PER_BAR, Score, degree_to_midi
from isolde.core.stage import Float32

Float64 = NDArray[np.float64]


def hertz(midi: float) -> float:
    """The frequency of a MIDI note, with A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def add(stem: Float64, sound: Float64, start: float, sample_rate: int, *, pan: float = 0.0) -> None:
    """Add a mono sound to a stem in place, cut off at the stem's end.

    Args:
        stem: (2, n_samples), changed.
        sound: (n,).
        start: seconds.
        sample_rate: Hz.
        pan: -1 (left) .. 1 (right), at constant power.
    """
    first = round(start * sample_rate)
    sound = sound[: max(0, stem.shape[1] - first)]
    angle = 0.25 * np.pi * (1.0 + pan)
    stem[0, first : first + len(sound)] += np.cos(angle) * sound
    stem[1, first : first + len(sound)] += np.sin(angle) * sound


def chord_notes(tonic: int, degree: int) -> list[int]:
    """The triad on a degree as MIDI notes in close position around middle C."""
    notes = [degree_to_midi(tonic, degree + third) for third in (0, 2, 4)]
    return sorted(note + 12 * round((60 - note) / 12) for note in notes)


def _fall(t: Float64, seconds: float) -> Float64:
    """An exponential that falls to 1 / e in a given time."""
    return np.asarray(np.exp(-t / seconds), dtype=np.float64)


def _partials(turn: NDArray[np.complex128], weights: NDArray[np.complex128]) -> Float64:
    """The sum of weight[h] * turn ** h over h = 1, 2, ..., real part, by Horner's rule."""
    total = np.zeros_like(turn)
    for weight in weights[::-1]:
        total = (total + weight) * turn
    return np.asarray(total.real, dtype=np.float64)


def _colour(noise: Float64, low: float, high: float, sample_rate: int) -> Float64:
    """Noise between two frequencies in Hz, with slopes of about 12 dB per octave."""
    f = np.fft.rfftfreq(len(noise), 1 / sample_rate)
    gain = 1 / (1 + (low / np.maximum(f, 1.0)) ** 4) ** 0.5 / (1 + (f / high) ** 4) ** 0.5
    return np.asarray(np.fft.irfft(np.fft.rfft(noise) * gain, len(noise)), dtype=np.float64)


def _kick(rng: np.random.Generator, sample_rate: int) -> Float64:
    """A falling sine, 150 to 48 Hz, and a click."""
    t = np.arange(round(0.35 * sample_rate)) / sample_rate
    f = 48.0 + 110.0 * _fall(t, 0.03)
    body = np.sin(2 * np.pi * np.cumsum(f) / sample_rate) * _fall(t, 0.11)
    click = _colour(rng.standard_normal(len(t)), 1000, 5000, sample_rate) * _fall(t, 0.003)
    return body * (1 - _fall(t, 0.001)) + 0.25 * click


def _snare(rng: np.random.Generator, sample_rate: int) -> Float64:
    """Two modes of the skin and the rattle of the wires."""
    t = np.arange(round(0.3 * sample_rate)) / sample_rate
    skin = np.sin(2 * np.pi * 185 * t) + 0.6 * np.sin(2 * np.pi * 331 * t)
    wires = _colour(rng.standard_normal(len(t)), 1200, 9000, sample_rate)
    return 0.5 * skin * _fall(t, 0.05) + 0.9 * wires * _fall(t, 0.075)


def _hihat(rng: np.random.Generator, sample_rate: int, decay: float) -> Float64:
    """High noise; `decay` in seconds makes it closed or open."""
    t = np.arange(round(6 * decay * sample_rate)) / sample_rate
    high = min(14_000.0, 0.45 * sample_rate)
    return _colour(rng.standard_normal(len(t)), 7000, high, sample_rate) * _fall(t, decay)


def drums(score: Score, sample_rate: int) -> Float64:
    """Kick on one and three, snare on two and four, hi-hat in eighths, a fill every fourth bar.

    Returns:
        (2, n_samples), arbitrary level.
    """
    rng = np.random.default_rng([score.seed, 3])
    stem = np.zeros((2, round(score.seconds * sample_rate)))
    for half in range(int(score.seconds / score.beat * 2)):
        time, place = half * score.beat / 2, half % (2 * BEATS_PER_BAR)
        bar = half // (2 * BEATS_PER_BAR)
        force = rng.uniform(0.85, 1.0)
        late = time + rng.uniform(0.0, 0.004)  # no drummer is a clock
        if place in (0, 4) or (place == 5 and rng.random() < 0.5):
            add(stem, force * _kick(rng, sample_rate), late, sample_rate)
        if place in (2, 6) or (bar % 4 == 3 and place == 7):
            add(stem, 0.75 * force * _snare(rng, sample_rate), late, sample_rate, pan=-0.1)
        hat = _hihat(rng, sample_rate, 0.18 if place == 7 else 0.035)
        loud = 0.30 if place % 2 == 0 else 0.20
        add(stem, loud * force * hat, late, sample_rate, pan=0.35)
    return stem


def bass(score: Score, sample_rate: int) -> Float64:
    """A plucked saw on the root of each chord, with the fifth as a passing note.

    Returns:
        (2, n_samples), arbitrary level, both channels alike.
    """
    rng = np.random.default_rng([score.seed, 4])
    stem = np.zeros((2, round(score.seconds * sample_rate)))
    rhythm = ((0.0, 1.5, 0), (1.5, 0.5, 0), (2.0, 1.0, 0), (3.0, 0.5, 4), (3.5, 0.5, 0))
    for bar, degree in enumerate(score.chords):
        for place, length, step in rhythm:
            note = degree_to_midi(score.tonic, degree + step)
            f = hertz(note - 12 * round((note - 35) / 12))
            t = np.arange(round(length * score.beat * sample_rate)) / sample_rate
            # Each harmonic of a plucked string dies faster than the one below it.
            h = np.arange(1, 1 + int(min(3000.0, 0.45 * sample_rate) / f))
            weights = np.exp(1j * rng.uniform(-1.9, -1.3, size=len(h))) / h
            sound = _fall(t, 0.8) * _partials(np.exp((-1.1 + 2j * np.pi * f) * t), weights)
            sound *= np.minimum(1.0, t / 0.004) * np.clip((t[-1] - t) / 0.02, 0.0, 1.0)
            start = (bar * BEATS_PER_BAR + place) * score.beat
            add(stem, rng.uniform(0.85, 1.0) * sound, start, sample_rate)
    return stem


def _piano(f: float, seconds: float, sample_rate: int) -> Float64:
    """An electric piano's note: a soft FM pair for the body and a high one for the tine."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * f * t
    body = np.sin(phase + 1.1 * _fall(t, 0.5) * np.sin(phase))
    tine = np.sin(phase + 0.5 * np.sin(7 * phase)) * _fall(t, 0.09)
    shape = np.minimum(1.0, t / 0.003) * np.clip((t[-1] - t) / 0.05, 0.0, 1.0)
    return np.asarray((body + 0.25 * tine) * _fall(t, 0.9) * shape, dtype=np.float64)


def _pad(f: float, seconds: float, sample_rate: int, rng: np.random.Generator) -> Float64:
    """A string-like pad of two detuned voices a side; returns (2, n)."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    sides: Float64 = np.zeros((2, len(t)))
    for side in sides:
        for cents in rng.normal(0.0, 6.0, size=2):
            h = np.arange(1, 9)
            weights = np.exp(2j * np.pi * rng.random(len(h))) / h**1.6
            side += _partials(np.exp(2j * np.pi * f * 2 ** (cents / 1200) * t), weights)
    shape = np.minimum(1.0, t / 0.35) * np.clip((t[-1] - t) / 0.25, 0.0, 1.0)
    return np.asarray(sides * shape, dtype=np.float64)


def _guitar(f: float, seconds: float, sample_rate: int, rng: np.random.Generator) -> Float64:
    """A plucked string (Karplus and Strong, 1983): noise that circles through a two-point mean."""
    period = max(2, round(sample_rate / f - 0.5))
    pluck = _colour(rng.standard_normal(period), 1.0, 5000, sample_rate)
    rounds = [pluck - pluck.mean()]
    for _ in range(int(seconds * sample_rate / period)):
        last = rounds[-1]
        before = np.concatenate([rounds[-2][-1:] if len(rounds) > 1 else last[-1:], last[:-1]])
        rounds.append(0.5 * 0.996 * (last + before))
    sound = np.concatenate(rounds)
    return sound * np.clip(np.arange(len(sound), 0, -1) / (0.03 * sample_rate), 0.0, 1.0)


def other(score: Score, sample_rate: int) -> Float64:
    """The chords: electric piano left of the middle, guitar arpeggio at the right, a wide pad.

    Returns:
        (2, n_samples), arbitrary level.
    """
    rng = np.random.default_rng([score.seed, 5])
    stem = np.zeros((2, round(score.seconds * sample_rate)))
    for bar, degree in enumerate(score.chords):
        start = bar * BEATS_PER_BAR * score.beat
        notes = chord_notes(score.tonic, degree)
        for note in notes:
            wide = _pad(hertz(note), BEATS_PER_BAR * score.beat + 0.2, sample_rate, rng)
            add(stem, 0.07 * wide[0], start, sample_rate, pan=-1.0)
            add(stem, 0.07 * wide[1], start, sample_rate, pan=1.0)
            for place, length in ((0.0, 1.5), (1.5, 1.0), (2.5, 1.5)):
                key = _piano(hertz(note), length * score.beat, sample_rate)
                time = start + place * score.beat + rng.uniform(0.0, 0.008)
                add(stem, 0.20 * rng.uniform(0.8, 1.0) * key, time, sample_rate, pan=-0.4)
        for half in range(2 * BEATS_PER_BAR):
            note = [*notes, notes[0] + 12][(0, 2, 3, 1, 2, 3, 1, 2)[half]]
            string = _guitar(hertz(note), 2 * score.beat, sample_rate, rng)
            time = start + half * score.beat / 2 + rng.uniform(0.0, 0.006)
            string *= 0.32 / max(1e-9, float(np.abs(string).max()))
            add(stem, rng.uniform(0.8, 1.0) * string, time, sample_rate, pan=0.5)
    return stem


def room(sound: Float32 | Float64, sample_rate: int, seed: int, *, wet: float) -> Float64:
    """A sound in the middle of a small hall: dry in both channels plus decaying stereo noise.

    Args:
        sound: (n_samples,).
        sample_rate: Hz.
        seed: of the hall.
        wet: the reverberation's energy relative to the dry sound's, for white noise.

    Returns:
        (2, n_samples); the tail is cut off at the end.
    """
    rng = np.random.default_rng([seed, 6])
    t = np.arange(round(0.9 * sample_rate)) / sample_rate
    tail = rng.standard_normal((2, len(t))) * 10.0 ** (-3.0 * t / 0.9) * (t > 0.018)
    tail = np.stack([_colour(side, 250, 4500, sample_rate) for side in tail])
    tail *= np.sqrt(wet / np.sum(tail**2, axis=1, keepdims=True))
    size = 1 << (len(sound) + len(t)).bit_length()
    reverberated = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
    return np.asarray(sound + reverberated[:, : len(sound)], dtype=np.float64)
