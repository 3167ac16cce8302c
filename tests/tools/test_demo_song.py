"""The synthetic songs are what they say: stems, levels, pitch, activity, formants and key."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import demo_song as songs
from demo_song import band, phonemes, score, voice
from isolde.audio.demo import __file__ as reader
from isolde.audio.demo import read_demo
from isolde.core.errors import AudioError, InputError

RATE = 44_100
SEEDS = st.integers(0, 2**32)


def power(audio: np.ndarray) -> float:
    """Energy of an array, in double precision."""
    return float(np.sum(np.asarray(audio, dtype=np.float64) ** 2))


def decibels(ratio: float) -> float:
    """A ratio of energies in dB."""
    return float(10.0 * np.log10(ratio))


@pytest.fixture(scope="module")
def song() -> dict[str, np.ndarray]:
    """A song of 12 s by a woman (seed 3), at 22.05 kHz to be quick."""
    return songs.make_song(3, seconds=12.0, sample_rate=22_050)


@pytest.mark.parametrize(
    ("seed", "seconds", "rate"), [(0, 3.0, 44_100), (1, 3.37, 16_000), (5, 4.0, 8_000)]
)
def test_a_song_has_four_stereo_stems_of_the_length_asked_for(seed, seconds, rate):
    stems = songs.make_song(seed, seconds=seconds, sample_rate=rate)
    assert list(stems) == ["vocals", "drums", "bass", "other"]
    for audio in stems.values():
        assert audio.shape == (2, round(seconds * rate))
        assert audio.dtype == np.float32
        assert np.abs(audio).max() <= 0.8 + 1e-6
        assert power(audio) > 0
    assert np.abs(sum(stems.values())).max() <= 0.8 + 1e-6


def test_the_same_seed_is_the_same_song_and_another_is_not():
    song, again, other = (
        songs.make_song(seed, seconds=3.0, sample_rate=8_000) for seed in (3, 3, 4)
    )
    for name, audio in song.items():
        np.testing.assert_array_equal(audio, again[name])
        # Unrelated stems differ by about the sum of their energies.
        assert power(audio - other[name]) > 0.5 * power(audio)


def test_the_voice_is_one_decibel_below_the_band(song):
    backing = song["drums"] + song["bass"] + song["other"]
    # The short fade at the very end moves it a little.
    assert decibels(power(song["vocals"]) / power(backing)) == pytest.approx(-1.0, abs=0.05)


def test_the_stereo_picture_is_that_of_a_mix(song):
    def width(name: str) -> float:
        left, right = song[name]
        return decibels((power(left - right) + 1e-12) / power(left + right))

    assert width("bass") < -80.0, "the bass is mono"
    assert width("vocals") < -12.0, "the voice stands in the middle, its room around it"
    assert width("other") > -10.0, "the chords are wide"
    left, right = song["vocals"]
    # The room colours each side at random, and a voice has few strong partials to average over.
    assert abs(decibels(power(left) / power(right))) < 1.5


def test_the_voice_sounds_only_when_it_is_said_to(song):
    rate, segments = 22_050, songs.activity(3, seconds=12.0)
    vocals = song["vocals"]
    said = np.zeros(vocals.shape[1], dtype=bool)
    for start, end in segments:
        # Noise is shaped in frames of 6 ms; the room rings for 0.9 s plus a delay of 18 ms.
        said[max(0, round((start - 0.02) * rate)) : round((end + 0.92) * rate)] = True
        inside = vocals[:, round(start * rate) : round(end * rate)]
        assert power(inside) / inside.size > 0.1 * power(vocals) / vocals.size
    assert 0 < said.sum() < len(said)
    # Circular convolution in float64, stored as float32: nothing but rounding is left.
    assert np.abs(vocals[:, ~said]).max() < 1e-6


@given(seed=SEEDS, seconds=st.floats(3.0, 60.0))
def test_phrases_are_in_order_with_half_a_second_between_them(seed, seconds):
    segments = songs.activity(seed, seconds=seconds)
    assert segments, "somebody sings in every song"
    for start, end in segments:
        assert 0.0 <= start < end <= seconds
    for (_, end), (start, _) in pairwise(segments):
        assert start - end >= 0.5


@pytest.mark.parametrize("seed", [3, 6])
def test_the_true_pitch_is_where_the_harmonics_are(seed):
    rate, seconds = 22_050, 8.0
    sound = voice.sing(score.compose(seed, seconds), rate).astype(np.float64)
    hop, size = 441, 2048
    times, f0 = songs.pitch(seed, seconds=seconds, hop_seconds=hop / rate)
    window = np.hanning(size)
    ratios = []
    for time, pitch in zip(times, f0, strict=True):
        first = round(time * rate) - size // 2
        if pitch == 0 or first < 0 or first + size > len(sound):
            continue
        frame = np.abs(np.fft.rfft(sound[first : first + size] * window, 8 * size)) ** 2
        bins = 8 * size / rate * pitch
        on = sum(frame[round(h * bins)] for h in (1, 2, 3))
        between = sum(frame[round((h + 0.5) * bins)] for h in (1, 2, 3))
        ratios.append(decibels(on / between))
    assert len(ratios) > 50
    # A pitch off by half a semitone would put the third harmonic's peak a bin away. Glides and
    # consonants smear a frame here and there.
    assert np.median(ratios) > 25.0
    assert np.mean(np.array(ratios) > 6.0) > 0.9


def test_pitch_is_only_within_the_activity():
    times, f0 = songs.pitch(1, seconds=12.5)
    inside = np.zeros(len(times), dtype=bool)
    for start, end in songs.activity(1, seconds=12.5):
        inside |= (times >= start - 0.02) & (times <= end + 0.02)
    assert np.any(f0 > 0)
    assert not np.any(f0[~inside])
    assert np.all((f0 == 0) | ((f0 > 70.0) & (f0 < 900.0)))


@pytest.mark.parametrize("singer", ["man", "woman"])
@pytest.mark.parametrize("vowel", list(phonemes.VOWELS["man"]))
def test_the_tract_resonates_at_the_published_formants(singer, vowel):
    formants = np.array(phonemes.VOWELS[singer][vowel], dtype=np.float64)
    f = np.arange(0.0, 5000.0, 2.0)
    gain = np.abs(voice.tract(f, formants, singer))
    assert gain[0] == pytest.approx(1.0)
    peaks = f[1:-1][(gain[1:-1] > gain[:-2]) & (gain[1:-1] > gain[2:])]
    for formant in formants:
        # Neighbouring resonances pull each other by less than a bandwidth.
        assert np.min(np.abs(peaks - formant)) < 60.0


@given(seed=SEEDS)
def test_the_melody_keeps_to_the_key_and_rests_on_the_chords(seed):
    written = score.compose(seed, 30.0)
    bar = score.BEATS_PER_BAR * written.beat
    low, high = {"woman": (55, 81), "man": (43, 69)}[written.singer]
    for syllable in written.syllables:
        assert (round(syllable.midi) - written.tonic) % 12 in score.MAJOR
        assert low <= syllable.midi <= high
        assert syllable.start < syllable.end
        if syllable.end - syllable.start > 0.9 * written.beat:
            degree = written.chords[int(syllable.start / bar + 1e-6)]
            chord = {score.degree_to_midi(0, degree + third) % 12 for third in (0, 2, 4)}
            assert (round(syllable.midi) - written.tonic) % 12 in chord


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 1, "seconds": 2.0},
        {"seed": 1, "seconds": float("nan")},
        {"seed": 1, "seconds": float("inf")},
        {"seed": 1, "sample_rate": 4_000},
    ],
)
def test_an_impossible_song_is_refused_in_one_line(arguments):
    with pytest.raises(InputError) as caught:
        songs.make_song(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_shipped_demo_is_the_one_that_the_generator_writes(tmp_path: Path):
    shipped, sample_rate = read_demo()
    here = Path(reader).parent / "demo_song"
    paths = songs.write_demo(tmp_path / "new" / "folder")
    assert [path.stem for path in paths] == list(shipped) == list(songs.STEMS)
    assert sample_rate == songs.DEMO_RATE
    for path in paths:
        audio = shipped[path.stem]
        assert audio.shape == (2, round(songs.DEMO_SECONDS * songs.DEMO_RATE))
        written = soundfile.read(path, dtype="float32")[0].T
        # The same to the bit with the same encoder; another one may spend its bits elsewhere, but
        # any Vorbis at this quality keeps 14 dB of the drums' noise and 25 dB of the others.
        assert decibels(power(audio) / (power(written - audio) + 1e-12)) > 10.0
        assert abs(path.stat().st_size / (here / path.name).stat().st_size - 1) < 0.1
    assert np.abs(sum(shipped.values())).max() < 0.99
    assert sum(path.stat().st_size for path in here.iterdir()) < 1e6


@pytest.mark.slow
def test_the_shipped_voice_is_the_voice_of_its_score():
    """The codec's output against the generator's, without a codec in between."""
    shipped, rate = read_demo()
    written = score.compose(songs.DEMO_SEED, songs.DEMO_SECONDS)
    dry = band.room(voice.sing(written, rate), rate, songs.DEMO_SEED, wet=0.035)
    vocals = shipped["vocals"].astype(np.float64)
    scaled = dry * np.sum(dry * vocals) / np.sum(dry * dry)
    assert decibels(power(vocals) / power(vocals - scaled)) > 20.0


def test_a_demo_that_cannot_be_written_is_an_audio_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioError, match="demo song"):
        songs.write_demo(tmp_path / "file")
