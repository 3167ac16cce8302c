"""What a masker hears, and what follows for the stems: level, rumble and wiring do not matter."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sounds import noise
from isolde.audio.demo import read_demo
from isolde.core.errors import IsoldeWarning
from isolde.core.signal.level import JUMP_DB, LEVEL_DB, RISE_SECONDS, frame_power
from isolde.core.signal.spectrum import GRID_22
from isolde.models.catalogue import LOW_LATENCY
from isolde.models.conditioning import Conditioner, heard_from, lowest_bin
from isolde.separation.load import load_separator, separate

RATE = 44_100
SECONDS = 5


@pytest.fixture(scope="module")
def song():
    """Five seconds of the demo song: its vocals and the mixture, float32 (2, n)."""
    stems, rate = read_demo()
    assert rate == RATE
    part = {name: samples[:, RATE : (1 + SECONDS) * RATE] for name, samples in stems.items()}
    return part["vocals"], np.sum(list(part.values()), axis=0)


@pytest.fixture(scope="module")
def vocals(song):
    """What the default model makes of it."""
    return separate(song[1], sample_rate=RATE)["vocals"]


def usdr(reference, estimate):
    """Energy of the reference against that of the error, in dB."""
    return 10 * np.log10(np.sum(reference**2) / (np.sum((reference - estimate) ** 2) + 1e-12))


def frames(n, seed=0):
    """Random spectra (2, n, 513) whose channels have much in common."""
    rng = np.random.default_rng(seed)
    common, *own = rng.normal(size=(3, n, 513)) + 1j * rng.normal(size=(3, n, 513))
    return np.stack([common + 0.3 * o for o in own]).astype(np.complex64) * 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("decibel", [-60, -40, 20, 40])
def test_the_level_of_a_song_does_not_matter(song, vocals, decibel):
    gain = np.float32(10 ** (decibel / 20))
    assert usdr(vocals, separate(gain * song[1], sample_rate=RATE)["vocals"] / gain) > 60


@pytest.mark.slow
@pytest.mark.parametrize("decibel", [-40, 20])
def test_nor_does_it_where_the_level_is_smoothed_over_a_second(song, decibel):
    gain, model = np.float32(10 ** (decibel / 20)), LOW_LATENCY
    expected = separate(song[1], sample_rate=RATE, model=model)["vocals"]
    found = separate(gain * song[1], sample_rate=RATE, model=model)["vocals"] / gain
    assert usdr(expected, found) > 60


@pytest.mark.slow
@pytest.mark.parametrize("constant", [0.05, 0.3])
def test_a_constant_is_no_voice_and_costs_it_nothing(song, constant):
    reference, mixture = song
    clean = usdr(reference, separate(mixture, sample_rate=RATE)["vocals"])
    stems = separate(mixture + np.float32(constant), sample_rate=RATE)
    assert usdr(reference, stems["vocals"]) > clean - 0.3
    inner = stems["vocals"][:, RATE:-RATE]
    assert abs(float(inner.mean())) < 0.01 * constant
    assert np.abs(sum(stems.values()) - mixture - constant).max() < 1e-5


def test_rumble_belongs_to_the_accompaniment():
    times = np.arange(3 * RATE) / RATE
    rumble = np.tile(0.3 * np.sin(2 * np.pi * 20 * times), (2, 1)).astype(np.float32)
    stems = separate(rumble, sample_rate=RATE)
    inner = slice(RATE, -RATE)
    assert np.std(stems["vocals"][:, inner]) < 0.01 * np.std(rumble)


def test_a_channel_that_is_wired_the_wrong_way_round_is_found_turned_and_given_back(song, vocals):
    wires = np.float32([[1], [-1]])
    with pytest.warns(IsoldeWarning, match="opposite phase"):
        stems = separate(wires * song[1], sample_rate=RATE)
    assert usdr(vocals, wires * stems["vocals"]) > 20
    assert len(stems.notes) == 1
    assert np.abs(sum(stems.values()) - wires * song[1]).max() < 1e-5


def test_of_mono_in_one_channel_that_channel_is_heard(song):
    mono = song[1].mean(axis=0, keepdims=True)
    both = separate(np.repeat(mono, 2, axis=0), sample_rate=RATE)["vocals"]
    hiss = 1e-3 * noise(1, mono.shape[1])
    for silent in (np.zeros_like(mono), hiss):
        with pytest.warns(IsoldeWarning, match="right channel holds nearly nothing"):
            left = separate(np.concatenate([mono, silent]), sample_rate=RATE)["vocals"]
        assert usdr(both[0], left[0]) > 40


def test_right_songs_have_no_note(song):
    assert separate(song[1], sample_rate=RATE).notes == ()
    assert separate(np.zeros((2, RATE), np.float32), sample_rate=RATE).notes == ()


def test_loud_frames_come_at_one_level_and_the_lowest_bins_are_empty():
    heard = Conditioner(GRID_22).feed(frames(400))
    assert not heard[:, :, : lowest_bin(GRID_22)].any() and heard[:, :, lowest_bin(GRID_22)].all()
    powers = 10 * np.log10(frame_power(heard).mean(axis=0))
    assert np.percentile(powers[50:], 95) == pytest.approx(LEVEL_DB, abs=1.5)


@pytest.mark.parametrize(("seconds", "decibel"), [(RISE_SECONDS, 16.1), (1.0, 10.1)])
def test_a_hit_turns_down_what_follows_by_as_much_as_the_card_says(seconds, decibel):
    """One frame 20 dB above the rest: its share of the newest power, and a jump is followed."""
    spectra = frames(700)
    spectra[:, 600] *= 10
    heard = Conditioner(GRID_22, level_seconds=seconds).feed(spectra)
    gains = 20 * np.log10(np.abs(heard[0, :, 100]) / np.abs(spectra[0, :, 100]))
    assert gains[599] - gains[600] == pytest.approx(decibel, abs=0.3)


@pytest.mark.parametrize("seconds", [RISE_SECONDS, 1.0, 5.0])
def test_music_that_begins_after_silence_comes_at_its_level_at_once(seconds):
    """After 0.1 s it is no louder than by the jump that is let through."""
    spectra = frames(1000)
    spectra[:, :500] *= 1e-3
    heard = Conditioner(GRID_22, level_seconds=seconds).feed(spectra)
    powers = 10 * np.log10(frame_power(heard).mean(axis=0))
    assert LEVEL_DB - 3 < np.median(powers[510:520]) < LEVEL_DB + JUMP_DB + 1
    assert np.median(powers[900:]) == pytest.approx(LEVEL_DB, abs=2.5)


def test_smoothing_is_for_hits_that_are_no_jump():
    """A frame 4 dB above the rest moves a level that is smoothed over a second by a tenth."""
    spectra = frames(700)
    spectra[:, 600] *= 10 ** (4 / 20)
    moved = []
    for seconds in (RISE_SECONDS, 1.0):
        heard = Conditioner(GRID_22, level_seconds=seconds).feed(spectra)
        gains = 20 * np.log10(np.abs(heard[0, 595:601, 100]) / np.abs(spectra[0, 595:601, 100]))
        moved.append(gains[:-1].mean() - gains[-1])
    assert moved[1] < 0.15 < 0.8 < moved[0]


def test_only_networks_of_drums_or_bass_hear_below_every_voice():
    assert heard_from(("vocals",), 40.0) == heard_from((), 40.0) == 40.0
    assert heard_from(("vocals", "drums", "bass"), 40.0) == 0.0


def test_a_masker_of_drums_and_bass_hears_the_lowest_bins():
    assert Conditioner(GRID_22, lowest_hz=0).feed(frames(50)).all()
    rate, times = RATE, np.arange(2 * RATE) / RATE
    kick = np.tile(0.3 * np.sin(2 * np.pi * 30 * times), (2, 1)).astype(np.float32)
    stems = separate(kick, sample_rate=rate, model="stems")
    assert np.std(stems["vocals"][:, rate // 2 : -rate // 2]) < 0.01 * np.std(kick)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 60), max_size=6), turned=st.booleans(), quiet=st.booleans())
def test_blocks_do_not_matter(cuts, turned, quiet):
    spectra = frames(60, seed=1)
    spectra[1, 20:] *= -1 if turned else 1
    spectra[0, 30:] *= 1e-3 if quiet else 1
    before = spectra.copy()
    whole = Conditioner(GRID_22).feed(spectra)
    stage = Conditioner(GRID_22)
    edges = [0, *sorted(cuts), 60]
    parts = [stage.feed(spectra[:, a:b]) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(spectra, before)


def test_a_reset_forgets_what_was_found():
    stage = Conditioner(GRID_22)
    spectra = frames(50)
    first = stage.feed(spectra)
    for _ in range(5):
        stage.feed(spectra * np.float32([1, -1])[:, None, None])
    assert stage.notes()
    stage.reset()
    assert not stage.notes()
    np.testing.assert_array_equal(stage.feed(spectra), first)


def test_a_stream_in_pieces_is_the_file(song):
    mixture = np.float32([[1], [-1]]) * song[1][:, : 2 * RATE]
    whole = load_separator(sample_rate=RATE, n_channels=2)
    expected = whole.whole([mixture])["vocals"]
    pieces = load_separator(sample_rate=RATE, n_channels=2)
    blocks = np.split(mixture, range(777, mixture.shape[1], 777), axis=1)
    np.testing.assert_allclose(pieces.whole(blocks)["vocals"], expected, atol=1e-5)
    assert whole.notes() == pieces.notes() != []
