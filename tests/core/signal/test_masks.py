"""Ideal masks are ordered as theory says, and read-outs do what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.sounds import decibel, noise
from isolde.core.errors import InputError
from isolde.core.signal.masks import (
    binary_mask,
    extend_treble,
    phase_sensitive_mask,
    ratio_mask,
    readout,
)
from isolde.core.signal.spectrum import GRID_22, GRID_44, analyse
from isolde.core.signal.synthesis import synthesise


def score(mask: np.ndarray, voice: np.ndarray, backing: np.ndarray) -> float:
    """uSDR of the voice masked out of the mix."""
    mixture = analyse(voice + backing, GRID_22)
    estimate = synthesise(mixture * mask, GRID_22, voice.shape[1])
    return decibel(np.sum(voice**2) / np.sum((voice - estimate) ** 2))


def test_oracles_are_ordered():
    """Of real masks in [0, 1] the phase-sensitive is best, and each beats the mixture itself."""
    n = 20000
    seconds = np.arange(n) / 22050
    voice = sum(np.sin(2 * np.pi * 300 * k * seconds + k) / k for k in range(1, 15))[None] * 0.1
    voice = voice.astype(np.float32)
    backing = noise(1, n, peak=0.2)
    v, a = analyse(voice, GRID_22), analyse(backing, GRID_22)
    scores = {
        "mixture": score(np.ones(1, np.float32), voice, backing),
        "binary": score(binary_mask(np.abs(v), np.abs(a)), voice, backing),
        "magnitude": score(ratio_mask(np.abs(v), np.abs(a), power=1), voice, backing),
        "power": score(ratio_mask(np.abs(v), np.abs(a)), voice, backing),
        "phase": score(phase_sensitive_mask(v, v + a), voice, backing),
    }
    assert scores["mixture"] < scores["magnitude"] < scores["power"] < scores["phase"]
    assert scores["binary"] < scores["phase"]
    assert scores["phase"] > scores["mixture"] + 5


def test_the_binary_mask_follows_its_rule():
    vocals = np.array([1.0, 0.5, 0.5, 1e-7, 0.0], np.float32)
    rest = np.array([0.5, 0.5, 1.0, 0.0, 0.0], np.float32)
    np.testing.assert_array_equal(binary_mask(vocals, rest), [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(binary_mask(vocals, rest, threshold_db=3), [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(binary_mask(vocals, rest, floor_db=-160), [1, 1, 0, 1, 0])


def test_ratio_masks_of_voice_and_backing_sum_to_one():
    v, a = np.abs(noise(1, 500)), np.abs(noise(1, 500, seed=1))
    for power in (1, 2):
        total = ratio_mask(v, a, power=power) + ratio_mask(a, v, power=power)
        np.testing.assert_allclose(total, 1, atol=1e-5)
    assert ratio_mask(np.zeros(1, np.float32), np.zeros(1, np.float32)) == 0


def test_the_phase_sensitive_mask_is_clipped_where_the_mixture_cancels():
    voice = np.array([1, 1, -1], np.complex64)
    mixture = np.array([2, 0.1, 1], np.complex64)
    np.testing.assert_allclose(phase_sensitive_mask(voice, mixture), [0.5, 1, 0], atol=1e-6)


@given(value=st.floats(0, 1, width=32), strength=st.floats(0.1, 10))
def test_strength_keeps_the_ends_and_the_order(value: float, strength: float):
    out = readout(np.array([0, value, 1], np.float32), strength=strength)
    assert out[0] == 0 and out[2] == 1
    assert 0 <= out[1] <= 1
    if strength >= 1:
        assert out[1] <= np.float32(value) + 1e-6


def test_binary_read_out():
    mask = np.array([0.2, 0.5, 0.7], np.float32)
    np.testing.assert_array_equal(readout(mask, "binary"), [0, 1, 1])
    np.testing.assert_array_equal(readout(mask, "binary", threshold=0.6), [0, 0, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "hard"}, "hard"),
        ({"threshold": 1.0}, "threshold"),
        ({"strength": 0.0}, "strength"),
        ({"strength": float("nan")}, "strength nan is out of range"),
        ({"strength": 1e300}, "strength 1e\\+300 is out of range"),
        ({"strength": float("inf")}, "strength inf is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(InputError, match=message):
        readout(np.zeros(1, np.float32), **settings)


def test_the_treble_follows_the_top_of_the_mask():
    mask = np.zeros((1, 2, 513), np.float32)
    mask[0, 0, 372:] = 0.8  # a consonant
    mask[0, 1, :372] = 1.0  # a hummed note
    whole = extend_treble(mask, GRID_44)
    assert whole.shape == (1, 2, 1025)
    np.testing.assert_array_equal(whole[..., :513], mask)
    np.testing.assert_allclose(whole[0, 0, 513:], 0.8, atol=1e-6)
    assert not whole[0, 1, 513:].any()
    assert extend_treble(mask, GRID_22) is mask
