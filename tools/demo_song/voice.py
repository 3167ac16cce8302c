"""A singing voice by source and filter, from a score; it knows its own pitch and when it sings.

The source is a sum of harmonics, so it cannot alias. Its spectrum is the LF glottal pulse's in
the pole form of Doval, d'Alessandro and Henrich ("The spectrum of glottal flow models", 2006):
two poles at the glottal formant, one for the tilt, one zero at 0 Hz for radiation. The filter is
Fant's all-pole tract: three moving formants, then the fixed poles of a uniform tube. Consonants
and breath are noise with the same filter or a band of its own.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from demo_song.phonemes import CONSONANTS, VOWELS
from demo_song.score import Score, Syllable
from isolde.core.stage import Float32

Float64 = NDArray[np.float64]

TUBE_SPACING = {"man": 1000.0, "woman": 1150.0}  # Hz between the poles of a uniform tube, c / 2L
BANDWIDTHS = (80.0, 100.0, 140.0)  # Hz, of F1..F3, within Klatt's ranges (1980)
RATE = 700.0  # Hz, about the rate at which pitch, loudness and mouth are drawn
HIGHEST_HARMONIC = 12_000.0  # Hz; above it the voice is breath and consonants
BREATH = 0.28  # seconds of inhaling before a phrase
RELEASE = 0.06  # seconds in which the last note of a phrase dies away


@dataclass(frozen=True)
class Tracks:
    """What the voice does, on a grid of n_times instants; one row per instant."""

    times: Float64  # (n_times,) seconds
    f0: Float64  # (n_times,) Hz, defined also where nothing is voiced
    voicing: Float64  # (n_times,) amplitude of the harmonics, 0..1
    aspiration: Float64  # (n_times,) amplitude of the breath
    frication: Float64  # (n_times,) amplitude of the consonants' noise
    band: Float64  # (n_times, 2) centre in Hz and width in octaves of that noise
    formants: Float64  # (n_times, 3) Hz


def _smooth(track: Float64, times: Float64, seconds: float) -> Float64:
    """Average every column over a Hann window of a given length; ends are held."""
    half = max(1, round(0.5 * seconds / (times[1] - times[0])))
    window = np.hanning(2 * half + 1)[1:-1] if half > 1 else np.ones(1)
    window /= window.sum()
    columns = track.reshape(len(track), -1)
    pad = len(window) // 2
    held = np.pad(columns, ((pad, pad), (0, 0)), mode="edge")
    out = np.stack([np.convolve(c, window, mode="valid") for c in held.T], axis=1)
    return out.reshape(track.shape)


def sung_end(score: Score, index: int) -> float:
    """When a syllable's vowel really stops: the next one's consonant takes its time from it."""
    here, rest = score.syllables[index], score.syllables[index + 1 : index + 2]
    if rest and not rest[0].opens_phrase:
        return rest[0].start - CONSONANTS[rest[0].consonant].seconds
    return here.end


def segments(score: Score) -> list[tuple[float, float]]:
    """When the voice sounds, a phrase a segment: from its breath to the end of its last note.

    Returns:
        (start, end) in seconds, in order. Reverberation after the end does not count.
    """
    found: list[tuple[float, float]] = []
    for index, syllable in enumerate(score.syllables):
        end = sung_end(score, index) + RELEASE
        if syllable.opens_phrase:
            found.append((syllable.start - CONSONANTS[syllable.consonant].seconds - BREATH, end))
        else:
            found[-1] = (found[-1][0], end)
    return [(max(0.0, start), min(score.seconds, end)) for start, end in found]


def tracks(score: Score, times: Float64) -> Tracks:
    """Turn syllables into smooth movements of pitch, loudness and mouth.

    Args:
        score: the song.
        times: (n_times,) seconds, evenly spaced.
    """
    rng = np.random.default_rng([score.seed, 1])
    n = len(times)
    vowels = VOWELS[score.singer]
    midi = np.full(n, score.syllables[0].midi if score.syllables else 60.0)
    voicing, aspiration, frication = np.zeros(n), np.zeros(n), np.zeros(n)
    band = np.tile([4000.0, 0.5], (n, 1))
    formants = np.tile(np.array(vowels["uh"]), (n, 1))
    vibrato = np.zeros(n)

    def span(start: float, end: float) -> slice:
        return slice(*np.searchsorted(times, [start, end]))

    for index, syllable in enumerate(score.syllables):
        start, end = syllable.start, sung_end(score, index)
        consonant = CONSONANTS[syllable.consonant]
        begin = start - consonant.seconds
        if syllable.opens_phrase:
            formants[times >= begin - BREATH] = vowels["uh"]
            inhale = span(begin - BREATH, begin - 0.04)
            shape = np.sin(np.pi * np.linspace(0, 1, inhale.stop - inhale.start)) ** 2
            aspiration[inhale] = 0.30 * shape
        midi[times >= begin] = syllable.midi - (1.0 if syllable.opens_phrase else 0.0)
        midi[times >= start + (0.05 if syllable.opens_phrase else -0.02)] = syllable.midi
        # The mouth is on its way to the vowel while the consonant sounds.
        formants[times >= begin] = vowels[syllable.vowels[0]]
        murmur = span(begin, begin + consonant.voiced)
        voicing[murmur] = 0.35 * syllable.loudness
        formants[murmur] = consonant.formants
        burst = begin + consonant.voiced + consonant.closure
        noisy = span(burst, burst + consonant.noise)
        frication[noisy] = consonant.level * syllable.loudness
        # The band stays where it is a little longer, for the smoothed ends of the noise.
        band[span(burst - 0.01, burst + consonant.noise + 0.01)] = consonant.centre, consonant.width
        aspiration[span(burst + consonant.noise, start)] = 0.30 * syllable.loudness
        _vowel(syllable, end, times, voicing, vibrato, formants, vowels)
        if score.syllables[index + 1 : index + 2] == () or score.syllables[index + 1].opens_phrase:
            release = span(end, end + RELEASE)
            fall = np.cos(0.5 * np.pi * np.linspace(0, 1, release.stop - release.start)) ** 2
            voicing[release] = 0.8 * syllable.loudness * fall
    voicing = _smooth(voicing, times, 0.022)
    drift = _smooth(rng.standard_normal(n), times, 0.4) * np.sqrt(0.4 * n / times[-1])
    jitter = _smooth(rng.standard_normal(n), times, 0.02) * np.sqrt(0.02 * n / times[-1])
    shimmer = _smooth(rng.standard_normal(n), times, 0.05) * np.sqrt(0.05 * n / times[-1])
    wave = np.sin(2 * np.pi * np.cumsum(5.6 + 0.25 * drift) * (times[1] - times[0]))
    midi = _smooth(midi, times, 0.11) + _smooth(vibrato, times, 0.15) * wave
    f0 = 440.0 * 2.0 ** ((midi + 0.06 * drift + 0.03 * jitter - 69.0) / 12.0)
    formants = _smooth(formants, times, 0.07)
    # Where the pitch passes the first formant, singers open the mouth and the formant follows.
    formants[:, 0] = np.maximum(formants[:, 0], 1.05 * f0)
    return Tracks(
        times=times,
        f0=f0,
        voicing=voicing * (1.0 + 0.05 * shimmer) * (1.0 - 0.12 * wave * (vibrato > 0)),
        aspiration=_smooth(aspiration, times, 0.02) + 0.08 * voicing,
        frication=_smooth(frication, times, 0.008),
        band=band,
        formants=formants,
    )


def _vowel(
    syllable: Syllable,
    end: float,
    times: Float64,
    voicing: Float64,
    vibrato: Float64,
    formants: Float64,
    vowels: dict[str, tuple[float, float, float]],
) -> None:
    """Write the vowel of a syllable into the tracks: swell, late vibrato, diphthong."""
    where = slice(*np.searchsorted(times, [syllable.start, end]))
    age = times[where] - syllable.start
    length = max(end - syllable.start, 1e-3)
    voicing[where] = syllable.loudness * (0.8 + 0.2 * np.sin(np.pi * age / length))
    vibrato[where] = 0.45 * np.clip((age - 0.22) / 0.3, 0.0, 1.0)  # semitones, as the note is held
    if len(syllable.vowels) > 1:
        formants[np.searchsorted(times, syllable.start + 0.55 * length) :] = vowels[
            syllable.vowels[1]
        ]


@cache
def _tube_poles(singer: str) -> tuple[tuple[float, float], ...]:
    """Frequency and bandwidth in Hz of the fixed poles above F3."""
    spacing = TUBE_SPACING[singer]
    return tuple((f, 150.0 + 0.04 * f) for f in np.arange(3.5, 15.0) * spacing)


def tract(frequency: Float64, formants: Float64, singer: str) -> NDArray[np.complex128]:
    """The transfer function of the vocal tract, 1 at 0 Hz (Fant 1960): a pair of poles a formant.

    Args:
        frequency: (...,) Hz.
        formants: (..., 3) Hz, broadcast against the frequencies.
        singer: "woman" or "man", for the tube's length.
    """
    response = np.ones(np.broadcast_shapes(frequency.shape, formants.shape[:-1]), np.complex128)
    moving = [(formants[..., k], BANDWIDTHS[k]) for k in range(3)]
    fixed = [(np.array(f), bandwidth) for f, bandwidth in _tube_poles(singer)]
    for f, bandwidth in moving + fixed:
        # s = 2 pi i frequency, the pole at -pi bandwidth + 2 pi i f, all divided by 2 pi.
        pole2 = f**2 + (bandwidth / 2) ** 2
        response *= pole2 / (pole2 - frequency**2 + 1j * frequency * bandwidth)
    return response


def _harmonics(track: Tracks, hop: int, sample_rate: int, singer: str) -> Float64:
    """The voiced part: harmonic h has the source's and the tract's amplitude at h f0.

    Amplitudes move linearly between instants, `hop` samples apart.
    """
    ramp = np.arange(hop) / hop
    f0 = track.f0[:-1, None] + np.diff(track.f0)[:, None] * ramp
    sung = np.flatnonzero((track.voicing[:-1] > 0) | (track.voicing[1:] > 0))  # hops, not instants
    turn = np.exp(2j * np.pi * np.cumsum(f0).reshape(f0.shape)[sung] / sample_rate)
    wave, phasor = np.zeros(f0.shape), np.ones_like(turn)
    limit = min(HIGHEST_HARMONIC, 0.47 * sample_rate)
    lowest = track.f0[sung].min(initial=limit)
    tilt = 2500.0 + 3500.0 * track.voicing  # Hz: a louder voice is brighter
    for h in range(1, int(limit / lowest) + 1):
        phasor *= turn
        f = h * track.f0
        # The pulse's own formant lies near f0; (1 + jf/g)^2 are its poles, jf/g is radiation.
        x = 1j * f / (0.9 * track.f0)
        source = x / (1 + x) ** 2 / (1 + 1j * f / tilt)
        amplitude = track.voicing * source * tract(f, track.formants, singer)
        # Harmonics fade out below the limit, so that none stops with a click.
        amplitude *= np.clip((limit - f) / (0.1 * limit), 0.0, 1.0)
        moving = amplitude[sung, None] + (amplitude[sung + 1] - amplitude[sung])[:, None] * ramp
        wave[sung] += (moving * phasor).real
    return wave.reshape(-1)


def _noise(
    track: Tracks, hop: int, rng: np.random.Generator, sample_rate: int, singer: str
) -> Float64:
    """The unvoiced part: white noise, each short frame with the spectrum of its instant."""
    size = 4 * hop
    n_times = len(track.times)
    white = rng.standard_normal((n_times + 3) * hop)
    window = np.hanning(size + 1)[:-1]
    f = np.fft.rfftfreq(size, 1 / sample_rate).astype(np.float64)
    through = np.abs(tract(f[None, :], track.formants[:, None, :], singer))
    through *= (f / 1000.0) / (1.0 + f / 3000.0)  # turbulence radiates its higher sounds best
    octaves = np.log2(np.maximum(f, 1.0)[None, :] / track.band[:, :1])
    bump = np.exp(-0.5 * (octaves / track.band[:, 1:]) ** 2)
    gain = 0.12 * track.aspiration[:, None] * through + track.frication[:, None] * bump
    frames = np.lib.stride_tricks.sliding_window_view(white, size)[::hop]
    shaped = np.fft.irfft(np.fft.rfft(frames * window) * gain, size) * window
    out = np.zeros((n_times + 3) * hop)
    for k in range(4):
        out_k = shaped[:, k * hop : (k + 1) * hop]
        out[k * hop : (k + n_times) * hop] += out_k.reshape(-1)
    return out[2 * hop : (n_times + 1) * hop]  # frame t is centred on instant t


def sing(score: Score, sample_rate: int) -> Float32:
    """The dry voice, one channel.

    Returns:
        (n_samples,) with n_samples = round(seconds * sample_rate); the level is arbitrary.
    """
    hop = max(8, round(sample_rate / RATE))
    n_samples = round(score.seconds * sample_rate)
    n_times = -(-n_samples // hop) + 1
    track = tracks(score, np.arange(n_times) * hop / sample_rate)
    rng = np.random.default_rng([score.seed, 2])
    voiced = _harmonics(track, hop, sample_rate, score.singer)
    noise = _noise(track, hop, rng, sample_rate, score.singer)
    return (voiced + noise)[:n_samples].astype(np.float32)
