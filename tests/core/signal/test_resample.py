"""The resampler keeps time, tones and length, throws aliases away, and is as late as it says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.blocks import outputs_of
from helpers.sounds import noise
from isolde.audio import Resampler, resampled_length
from isolde.core.errors import InputError

PAIRS = [
    (48000, 44100),
    (44100, 48000),
    (22050, 44100),
    (44100, 22050),
    (8000, 44100),
    (44100, 8000),
    (96000, 44100),
    (44100, 192000),
    (192000, 44100),
    (44100, 44101),
]


def run(audio: np.ndarray, rate_in: int, rate_out: int, sizes: list[int] | None = None):
    stage = Resampler(rate_in, rate_out, audio.shape[0])
    return np.concatenate(outputs_of(stage, audio, [*(sizes or []), audio.shape[1]]), axis=1)


def tone(hertz: float, rate: int, n: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(n) / rate)[None].astype(np.float32)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_latency_is_a_true_and_tight_bound(rate_in, rate_out):
    stage = Resampler(rate_in, rate_out, 1)
    n = 3 * stage.latency
    audio = np.zeros((1, n), np.float32)
    given_out, worst = 0, 0.0
    for fed in range(1, n + 1):
        more = stage.feed(audio[:, fed - 1 : fed]).shape[1]
        if more:
            worst = max(worst, fed - given_out * rate_in / rate_out)
        given_out += more
    assert worst <= stage.latency
    # Tight: the probe's steps and its margin of 3 % are all that is added, and the worst case of
    # a long stream may be 2 % above that of this short one.
    assert stage.latency <= 1.06 * worst + 16 * max(1, rate_in / rate_out)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_impulse_stays_at_its_place(rate_in, rate_out):
    at = rate_in // 10  # 0.1 s, a whole number of samples on both sides
    audio = np.zeros((1, rate_in // 4), np.float32)
    audio[0, at] = 1.0
    out = run(audio, rate_in, rate_out)[0]
    place = at * rate_out / rate_in
    assert abs(int(np.argmax(np.abs(out))) - place) <= 0.5
    if rate_in % 10 == 0 and rate_out % 10 == 0:
        # Zero phase: symmetric about its place, to rounding of float32.
        centre = round(place)
        wing = out[centre + 1 : centre + 200]
        np.testing.assert_allclose(wing, out[centre - 1 : centre - 200 : -1], atol=2e-6)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_tone_in_the_passband_survives(rate_in, rate_out):
    for share in (0.01, 0.4, 0.9):
        hertz = share * min(rate_in, rate_out) / 2
        out = run(tone(hertz, rate_in, rate_in // 2), rate_in, rate_out)[0].astype(float)
        edge = len(out) // 8
        turns = 2 * np.pi * hertz * np.arange(len(out)) / rate_out
        waves = np.stack([np.sin(turns), np.cos(turns)], axis=1)[edge:-edge]
        (real, imaginary), *_ = np.linalg.lstsq(waves, out[edge:-edge], rcond=None)
        rest = out[edge:-edge] - waves @ (real, imaginary)
        assert abs(20 * np.log10(np.hypot(real, imaginary))) < 0.01  # dB
        assert abs(np.arctan2(imaginary, real)) < 1e-5  # linear phase, no lag left
        assert 10 * np.log10(2 * np.mean(rest**2)) < -110  # float32 and 20-bit filters


@pytest.mark.parametrize(("rate_in", "rate_out"), [p for p in PAIRS if p[0] > 1.05 * p[1]])
def test_tone_that_would_alias_dies(rate_in, rate_out):
    hertz = min(1.1 * rate_out, rate_out + rate_in) / 2
    if hertz >= rate_in / 2:
        hertz = (rate_out + rate_in) / 4
    out = run(tone(hertz, rate_in, rate_in // 2), rate_in, rate_out)[0]
    edge = len(out) // 8
    assert 20 * np.log10(np.abs(out[edge:-edge]).max()) < -100


def test_upsampling_makes_no_images():
    out = run(tone(3000, 8000, 8000), 8000, 48000)[0]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    hertz = np.fft.rfftfreq(len(out), 1 / 48000)
    images = spectrum[hertz > 4500].max() / spectrum.max()
    assert 20 * np.log10(images) < -100


@settings(max_examples=40)
@given(
    pair=st.sampled_from(PAIRS),
    n=st.integers(0, 5000),
    sizes=st.lists(st.integers(0, 1500), max_size=12),
    channels=st.integers(1, 3),
)
def test_blocks_do_not_matter_and_length_is_exact(pair, n, sizes, channels):
    audio = np.random.default_rng(n).standard_normal((channels, n)).astype(np.float32)
    whole = run(audio, *pair)
    assert np.array_equal(run(audio, *pair, sizes), whole)
    assert whole.shape == (channels, math.floor(n * pair[1] / pair[0] + 0.5))
    assert whole.dtype == np.float32


@given(n=st.integers(0, 10**10), a=st.integers(1, 400000), b=st.integers(1, 400000))
def test_length_rounds_halves_up(n, a, b):
    length = resampled_length(n, a, b)
    assert (2 * length - 1) * a <= 2 * n * b < (2 * length + 1) * a


def test_channels_do_not_mix_and_input_is_untouched():
    audio = np.random.default_rng(1).standard_normal((2, 4000)).astype(np.float32)
    before = audio.copy()
    both = run(audio, 48000, 44100)
    assert np.array_equal(audio, before)
    assert np.array_equal(both[1:], run(audio[1:], 48000, 44100))


def test_gain_goes_through():
    audio = np.random.default_rng(2).standard_normal((1, 4000)).astype(np.float32)
    np.testing.assert_array_equal(run(audio * 4, 44100, 16000), run(audio, 44100, 16000) * 4)


def test_there_and_back_keeps_a_band_limited_signal():
    audio = 0.5 * tone(440, 44100, 22050) + 0.3 * tone(9000, 44100, 22050)
    back = run(run(audio, 44100, 48000), 48000, 44100)
    assert back.shape == audio.shape
    assert np.abs(back - audio)[0, 2000:-2000].max() < 1e-5


def test_equal_rates_are_the_identity_without_latency():
    stage = Resampler(44100, 44100, 2)
    audio = np.random.default_rng(3).standard_normal((2, 77)).astype(np.float32)
    out = stage.feed(audio)
    assert np.array_equal(out, audio) and not np.shares_memory(out, audio)
    assert stage.latency == 0
    assert stage.flush().shape == (2, 0)


def test_reset_makes_it_new():
    audio = np.random.default_rng(4).standard_normal((1, 3000)).astype(np.float32)
    stage = Resampler(48000, 44100, 1)
    stage.feed(audio)
    stage.reset()
    again = np.concatenate([stage.feed(audio), stage.flush()], axis=1)
    assert np.array_equal(again, run(audio, 48000, 44100))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 44100, 1), "0 Hz is too low"),
        ((44100, -1, 1), "-1 Hz is too low"),
        ((44100, 48000, 0), "0 channels"),
        (("1", 44100, 1), "sample_rate is '1'"),
        ((44100, 22050.0, 1), "sample_rate is 22050.0"),
        ((44100, 2**63, 1), "too high"),
    ],
)
def test_impossible_rates_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Resampler(*arguments)
    if arguments[2]:
        with pytest.raises(InputError, match=message):
            resampled_length(100, *arguments[:2])


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_stream_that_has_ended_says_so_until_it_is_reset(rate: int):
    stage = Resampler(48000, rate, 1)
    first = np.concatenate(outputs_of(stage, noise(1, 3000), [3000]), axis=1)
    for call in (stage.flush, lambda: stage.feed(noise(1, 10))):
        with pytest.raises(InputError, match="begin another with reset"):
            call()
    stage.reset()
    again = np.concatenate(outputs_of(stage, noise(1, 3000), [3000]), axis=1)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_blocks_of_another_shape_or_kind_are_refused(rate: int):
    with pytest.raises(InputError, match=r"give \(2, n_samples\)"):
        Resampler(44100, rate, 2).feed(np.zeros((3, 5), np.float32))
    with pytest.raises(InputError, match="x / 32768"):
        Resampler(44100, rate, 2).feed(np.zeros((2, 5), np.int16))
