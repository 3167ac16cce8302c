"""Pitch, tempo, rooms and codecs: what changes, what must not, and that it repeats."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import demo_song as songs
from isolde.core.errors import MissingExtraError
from isolde.core.spectrum import GRID_22
from isolde.datasets.mixing.effects import Playing, codec_noise, in_a_room
from isolde.datasets.mixing.library import Entry
from isolde.datasets.mixing.quartets import Quartets
from isolde.datasets.mixing.shaping import rms
from isolde.datasets.mixing.voices import Mixer, Remix

RATE = 22050
PLAIN = Remix(
    same_song=1.0, voiced=0, no_voice=0, mid=0, tune=0, equalise=0, jitter_db=0, level_db=(-20, -20)
)


def tone(hertz: float, seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return np.stack([np.sin(2 * np.pi * hertz * t)] * 2).astype(np.float32) * np.float32(0.3)


def pitch(audio: np.ndarray) -> float:
    """Frequency of the highest peak, in Hz, between bins by a parabola."""
    level = np.log(np.abs(np.fft.rfft(audio[0] * np.hanning(audio.shape[1]))) + 1e-9)
    k = int(np.argmax(level))
    a, b, c = level[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / audio.shape[1]


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    found = []
    for seed in (1, 2):
        stems = songs.make_song(seed, seconds=5.0, sample_rate=RATE)
        pcm = {k: np.round(np.clip(a, -1, 1) * 32767).astype(np.int16) for k, a in stems.items()}
        rest = sum(v.astype(np.int32) for k, v in pcm.items() if k != "vocals")
        parts = (pcm["vocals"], np.clip(rest, -32768, 32767).astype(np.int16))
        activity = np.ones(GRID_22.n_frames(parts[0].shape[1]), np.bool_)
        quartet = {k: pcm[k] for k in ("drums", "bass", "other")}
        found.append(Entry(f"song {seed}", f"artist {seed}", 11025.0, *parts, activity, **quartet))
    return found


@pytest.mark.parametrize(("semitones", "tempo"), [(4.0, 1.0), (-3.0, 1.0), (0.0, 1.15), (2.0, 0.9)])
def test_pitch_and_tempo_are_changed_apart(semitones: float, tempo: float):
    """A tone lands on its pitch within 5 cents; a click on its time within 3 ms, a tenth of which
    is the library's own: its blocks are 0.12 s long."""
    pytest.importorskip("python_stretch")
    playing = Playing(semitones=semitones, tempo=tempo)
    n = 2 * RATE
    moved = playing.heard(tone(440, playing.needs(n) / RATE)[:, : playing.needs(n)], n)
    assert moved.shape == (2, n) and moved.dtype == np.float32
    cents = 1200 * np.log2(pitch(moved[:, RATE // 4 : -RATE // 4]) / 440)
    assert cents == pytest.approx(100 * semitones, abs=5)
    click = np.zeros((2, playing.needs(n)), np.float32)
    click[:, RATE] = 1
    place = int(np.argmax(np.abs(playing.heard(click, n)[0])))
    assert place / RATE == pytest.approx(1 / tempo, abs=3e-3)


def test_a_tape_that_is_played_as_it_is_stays_as_it_is():
    audio = tone(440, 1.0)
    playing = Playing(speed=1.2)
    assert playing.needs(1000) == 1000 and playing.rate == 1.2
    assert playing.heard(audio, audio.shape[1]) is audio


def test_pitch_and_tempo_need_their_extra(entries: list[Entry], monkeypatch):
    monkeypatch.setitem(sys.modules, "python_stretch", None)
    for remix in (Remix(shift=0.1), Remix(stretch=0.1)):
        for make in (Mixer, Quartets):
            with pytest.raises(MissingExtraError, match=r"isolde\[stretch\]"):
                make(entries, remix, seed=1)
    Mixer(entries, Remix(), seed=1)


def test_a_room_answers_later_and_keeps_the_level():
    """After a burst a room rings and falls; before it is silence; mono stays mono."""
    rng = np.random.default_rng(3)
    dry = np.zeros((2, 2 * RATE), np.float32)
    dry[:, RATE // 2 : RATE // 2 + 2000] = rng.normal(size=2000).astype(np.float32) * 0.1
    for seed in range(8):
        wet = in_a_room(dry, np.random.default_rng(seed), rooms=2)
        assert wet.shape == dry.shape and wet.dtype == np.float32
        assert rms(wet) == pytest.approx(rms(dry), rel=1e-3)
        assert np.abs(wet[:, : RATE // 2]).max() < 1e-5
        rings = wet[:, RATE // 2 + 3000 :]
        early, late = rings[:, :2000], rings[:, 12000:14000]
        assert rms(early) > 10 * rms(late) > 0
        assert (wet[0] != wet[1]).any()
        alike = in_a_room(dry, np.random.default_rng(seed), rooms=1)
        np.testing.assert_array_equal(alike[0], alike[1])
    np.testing.assert_array_equal(in_a_room(0 * dry, np.random.default_rng(1), rooms=2), 0 * dry)


def test_a_codec_adds_noise_below_the_music(entries: list[Entry]):
    """Vorbis at these strengths leaves 6 to 40 dB between a band's music and its noise."""
    mixture = Mixer(entries, PLAIN, seed=1).sources(0, 80).sum(axis=0)
    for seed in range(4):
        noise = codec_noise(mixture, np.random.default_rng(seed))
        again = codec_noise(mixture, np.random.default_rng(seed))
        np.testing.assert_array_equal(noise, again)
        power = np.sum(np.abs(mixture) ** 2) / np.sum(np.abs(noise) ** 2)
        assert noise.shape == mixture.shape and 6 < 10 * np.log10(power) < 40
    silence = codec_noise(0 * mixture, np.random.default_rng(1))
    assert np.isfinite(silence).all() and np.abs(silence).max() < 1e-5


@pytest.mark.parametrize("name", ["shift", "stretch", "reverb", "codec"])
def test_what_is_off_changes_no_example_and_what_is_on_repeats(entries: list[Entry], name: str):
    if name in ("shift", "stretch"):
        pytest.importorskip("python_stretch")
    on = replace(PLAIN, **{name: 1.0})
    for make, rows in ((Mixer, 2), (Quartets, 4)):
        plain, off, first, again = (
            make(entries, settings, seed=4).sources(3, 40)
            for settings in (PLAIN, replace(PLAIN, **{name: 0.0}), on, on)
        )
        np.testing.assert_array_equal(plain, off)
        np.testing.assert_array_equal(first, again)
        assert first.shape == plain.shape == (rows, 2, 40, 513) and (first != plain).any()
        if name == "codec":  # its noise is the last source's
            np.testing.assert_array_equal(first[:-1], plain[:-1])
        if name == "reverb":  # the room is the voice's; the others' level follows the mixture's
            ratio = np.abs(first[1:]).sum() / np.abs(plain[1:]).sum()
            np.testing.assert_allclose(first[1:], ratio * plain[1:], atol=1e-4)


def test_labels_follow_the_tempo(entries: list[Entry]):
    """A voice that begins at one place of the song begins there at every tempo."""
    pytest.importorskip("python_stretch")
    vocals = entries[0].vocals.copy()
    vocals[:, : 2 * RATE] = 0
    activity = np.arange(len(entries[0].activity)) * GRID_22.frame_seconds > 2.0
    late = replace(entries[0], vocals=vocals, activity=activity)
    mixer = Mixer([late], replace(PLAIN, stretch=1.0, stretch_share=0.3, voiced=1.0), seed=2)
    told = 0
    for index in range(40):
        vocals_at, _, sounds = mixer.labelled(index, 100)
        if not sounds.any() or sounds.all():
            continue
        first = int(np.argmax(sounds))
        loud = np.abs(vocals_at).sum(axis=1)
        # windows of 46 ms and the library's blocks smear the edge over some frames
        assert loud[: max(0, first - 8)].sum() < 0.05 * loud.sum()
        assert loud[first + 25 :].any() or first > 75
        told += 1
    assert told >= 3
