"""Notes of one voice: pitch within a quarter tone and times within 50 ms, alone and in a band."""

from pathlib import Path

import numpy as np
import pytest

from helpers.singer import MELODY, PHRASES, SECONDS, sung, tones
from helpers.sounds import noise
from isolde.activity import Segment
from isolde.audio import write
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.karaoke import Note, PitchTracker, Singing, find_notes, find_singing
from isolde.separation import SeparationSettings

RATE = 44_100


def notes_of(audio: Float32, rate: int = RATE) -> tuple[Note, ...]:
    tracker = PitchTracker(sample_rate=rate, n_channels=audio.shape[0])
    return find_notes(np.concatenate([tracker.feed(audio), tracker.flush()]))


def assert_is_melody(notes: tuple[Note, ...]) -> None:
    assert len(notes) == len(MELODY)
    for note, (start, end, midi) in zip(notes, MELODY, strict=True):
        assert note.pitch == pytest.approx(midi, abs=0.5), "a quarter tone"
        assert note.semitone == midi
        assert note.start == pytest.approx(start, abs=0.05)
        assert note.end == pytest.approx(end, abs=0.05)


@pytest.mark.parametrize("cents", [0, 40, 70])
def test_vibrato_stays_inside_a_note(cents: float):
    assert_is_melody(notes_of(tones(RATE, cents=cents)))


@pytest.mark.parametrize("gain_db", [0, -30])
def test_a_melody_in_noise(gain_db: float):
    audio = tones(RATE, cents=50)
    audio = audio + noise(1, audio.shape[1], peak=0.03)  # 13 dB below the voice
    assert_is_melody(notes_of(audio * np.float32(10 ** (gain_db / 20))))


def test_a_voice_of_vowels_alone():
    assert_is_melody(notes_of(sung(RATE)))


def test_a_voice_in_a_band(singing: Singing):
    assert_is_melody(singing.notes)
    assert singing.activity.seconds == SECONDS
    assert len(singing.activity.segments) == len(PHRASES)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("block", [997, 30_000])
def test_blocks_change_nothing_and_latency_is_kept(rate: int, block: int):
    audio = tones(rate, cents=50)[:, : 3 * rate]
    tracker = PitchTracker(sample_rate=rate, n_channels=1)
    whole = np.concatenate([tracker.feed(audio), tracker.flush()])
    assert whole.shape == (3 * 16_000 // 256, 3) and whole.dtype == np.float32
    tracker.reset()
    parts, n_rows = [], 0
    for start in range(0, audio.shape[1], block):
        parts.append(tracker.feed(audio[:, start : start + block]))
        n_rows += len(parts[-1])
        fed = min(audio.shape[1], start + block)
        owed = (fed - tracker.latency) / (rate * PitchTracker.frame_seconds)
        assert n_rows >= owed, "rows at samples up to fed - latency are out"
    parts.append(tracker.flush())
    blocks = np.concatenate(parts)
    assert np.allclose(blocks[:, 1:], whole[:, 1:], atol=1e-3)
    voiced = whole[:, 1] > 0.5
    assert np.allclose(blocks[voiced, 0], whole[voiced, 0], rtol=1e-3)


def test_silence_and_noise_have_no_melody():
    assert notes_of(np.zeros((1, RATE), np.float32)) == ()
    assert notes_of(noise(1, 2 * RATE)) == ()
    assert find_notes(np.zeros((0, 3), np.float32)) == ()


def test_notes_outside_of_the_singing_are_none_of_the_voice():
    audio = tones(RATE, cents=0)
    tracker = PitchTracker(sample_rate=RATE, n_channels=1)
    pitches = np.concatenate([tracker.feed(audio), tracker.flush()])
    kept = find_notes(pitches, segments=[Segment(2.9, 4.6, 1.0)])
    assert [note.semitone for note in kept] == [62, 60, 57]


def test_a_block_with_other_channels_or_nan_is_refused():
    tracker = PitchTracker(sample_rate=RATE, n_channels=2)
    with pytest.raises(InputError, match="give \\(2, n_samples\\)"):
        tracker.feed(np.zeros((1, 10), np.float32))
    with pytest.raises(InputError, match="NaN"):
        tracker.feed(np.full((2, 10), np.nan, np.float32))
    with pytest.raises(InputError, match="0 channels"):
        PitchTracker(sample_rate=RATE, n_channels=0)


@pytest.mark.parametrize(
    ("pitch", "name", "semitone"), [(69.2, "A4", 69), (60.5, "C#4", 61), (-3, "C-1", 0)]
)
def test_names_of_notes(pitch: float, name: str, semitone: int):
    assert (Note(0, 1, pitch).name, Note(0, 1, pitch).semitone) == (name, semitone)


def test_a_model_without_vocals_has_no_melody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "song.wav", noise(1, RATE), RATE)
    monkeypatch.setattr("isolde.karaoke.singing.VOCALS", "choir")
    with pytest.raises(InputError, match="separates vocals, accompaniment, no vocals"):
        find_singing(tmp_path / "song.wav", separation=SeparationSettings())


def test_a_stream_that_has_ended_says_so_until_it_is_reset():
    tracker, audio = PitchTracker(sample_rate=RATE, n_channels=1), tones(RATE, cents=0)[:, :RATE]
    first = np.concatenate([tracker.feed(audio), tracker.flush()])
    for call in (tracker.flush, lambda: tracker.feed(audio)):
        with pytest.raises(InputError, match="begin another with reset"):
            call()
    tracker.reset()
    assert np.array_equal(np.concatenate([tracker.feed(audio), tracker.flush()]), first)


@pytest.mark.parametrize("pitches", [np.zeros(5), np.zeros((5, 2)), [[1.0, 2.0, 3.0]], None])
def test_notes_of_something_else_than_pitches_are_refused(pitches: object):
    with pytest.raises(InputError, match="give the rows"):
        find_notes(pitches)
