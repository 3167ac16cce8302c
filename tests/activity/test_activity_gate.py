"""The gate and the phrases: soft, never zero, in time, and the rest of the sound untouched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isolde.activity import (
    Gate,
    GatedMasker,
    GateRule,
    MaskDetector,
    PresenceMasker,
    Segment,
    cut_phrases,
)
from isolde.audio import read, write
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.separation.stages.separator import Separator

FRAME = GRID_22.frame_seconds


class Delayed:
    """Frames in, `answer` of each out, `latency` frames late."""

    def __init__(self, answer, latency, axis):
        self.answer, self.latency, self.axis = answer, latency, axis
        self.stems, self.residual = ("vocals",), "accompaniment"
        self.grid, self.n_bins = GRID_22, GRID_22.n_bins
        self.reset()

    def reset(self):
        self.held = None

    def feed(self, spectra):
        values = self.answer(spectra)
        if self.held is not None:
            values = np.concatenate([self.held, values], axis=self.axis)
        n = max(0, values.shape[self.axis] - self.latency)
        ready, self.held = np.split(values, [n], axis=self.axis)
        return ready

    def flush(self):
        return self.held


def masker(latency=12, value=0.8):
    def answer(spectra):
        return np.full((1, 1, spectra.shape[1], 513), value, np.float32)

    return Delayed(answer, latency, 2)


def sung(n=300, begin=100, end=200):
    """Frames of a tone between two others of silence."""
    spectra = np.zeros((2, n, 513), np.complex64)
    spectra[:, begin:end, 40] = 1
    return spectra


def gains_of(probabilities, rule=None):
    gate = Gate(rule)
    return np.concatenate([gate.feed(np.asarray(probabilities, np.float32)), gate.flush()])


def test_closed_at_the_floor_open_at_one_and_never_silent():
    p = np.zeros(600, np.float32)
    p[200:400] = 1
    gains = gains_of(p, GateRule(floor_db=-36))
    assert gains[:150] == pytest.approx(10 ** (-36 / 20))
    assert gains[500:] == pytest.approx(10 ** (-36 / 20))
    assert gains[200:400] == pytest.approx(1)  # open from the first frame of voice to its last
    assert gains.min() > 0


def test_ramps_are_soft():
    p = np.zeros(600, np.float32)
    p[200:400] = 1
    decibels = 20 * np.log10(gains_of(p, GateRule(floor_db=-30, ramp=0.07)))
    steps = np.abs(np.diff(decibels))
    # a Hann ramp of 13 frames: at most 2 / 14 of the way in one frame, and corners rounded off
    assert steps.max() < 30 * 2 / 14 + 0.01
    assert np.abs(np.diff(decibels, 2)).max() < 30 * 0.08


def test_it_opens_ahead_and_holds():
    p = np.zeros(600, np.float32)
    p[200:400] = 1
    rule = GateRule(ahead=0.1, hold=0.2, ramp=0.05)
    half = np.flatnonzero(gains_of(p, rule) > 10 ** (-15 / 20))
    assert half[0] * FRAME == pytest.approx(200 * FRAME - 0.1, abs=FRAME)
    assert half[-1] * FRAME == pytest.approx(399 * FRAME + 0.2, abs=FRAME)


@given(st.lists(st.floats(0, 1, width=32), max_size=120), st.lists(st.integers(0, 40), max_size=8))
@settings(max_examples=60)
def test_any_blocks_give_the_same_gains_within_the_latency(values, sizes):
    p = np.array(values, np.float32)
    gate, parts, at = Gate(), [], 0
    for size in [*sizes, len(p)]:
        parts.append(gate.feed(p[at : at + size]))
        at = min(at + size, len(p))
        assert sum(map(len, parts)) == max(0, at - gate.latency)
    parts.append(gate.flush())
    together = np.concatenate(parts)
    assert len(together) == len(p)
    # the same sums in the same order; matmul may group them by block length
    assert together == pytest.approx(gains_of(p), abs=1e-6)
    floor = 10 ** (GateRule().floor_db / 20)
    assert ((together >= floor * (1 - 1e-5)) & (together <= 1 + 1e-6)).all()


@pytest.mark.parametrize("block", [1, 7, 64, 500])
@pytest.mark.parametrize("latency", [0, 12, 90])
def test_gated_masker_aligns_masks_and_gains(block, latency):
    spectra = sung()
    gated = GatedMasker(masker(latency))
    assert gated.latency > latency + Gate().latency
    parts, fed = [], 0
    for start in range(0, 300, block):
        parts.append(gated.feed(spectra[:, start : start + block]))
        fed = min(300, start + block)
        assert sum(p.shape[2] for p in parts) == max(0, fed - gated.latency)
    masks = np.concatenate([*parts, gated.flush()], axis=2)
    alone = MaskDetector(masker(latency))
    p = np.concatenate([alone.feed(spectra), alone.flush()])
    assert (p[105:195] > 0.9).all() and (p[:90] < 0.2).all() and (p[210:] < 0.2).all()
    assert masks.shape == (1, 1, 300, 513)
    wanted = np.repeat(0.8 * gains_of(p)[:, None], 513, axis=1)
    np.testing.assert_allclose(masks[0, 0], wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", [1, 7, 300])
def test_a_masker_that_tells_changes_no_mask_and_tells_what_a_detector_does(block):
    spectra, telling, alone = sung(), PresenceMasker(masker(12)), MaskDetector(masker(12))
    masks, told = [], []
    for start in range(0, 300, block):
        masks.append(telling.feed(spectra[:, start : start + block]))
        told.append(telling.take())
    masks.append(telling.flush())
    told += [telling.take(), telling.take()]
    assert np.array_equal(np.concatenate(masks, axis=2), np.full((1, 1, 300, 513), 0.8, np.float32))
    assert len(told[-1]) == 0  # what was taken is not told again
    expected = np.concatenate([alone.feed(spectra), alone.flush()])
    np.testing.assert_allclose(np.concatenate(told), expected, atol=1e-6)


def test_gated_stems_sum_to_the_mixture_and_reset_begins_anew():
    rng = np.random.default_rng(1)
    audio = (0.1 * rng.standard_normal((2, 30000))).astype(np.float32)
    separator = Separator.with_masks(
        GatedMasker(masker(value=1e-4), rule=GateRule(floor_db=-40)),
        sample_rate=22050,
        n_channels=2,
    )
    runs = []
    for _ in range(2):
        parts = [separator.feed(audio), separator.flush()]
        runs.append({k: np.concatenate([p[k] for p in parts], axis=1) for k in separator.stems})
        separator.reset()
    total = runs[0]["vocals"] + runs[0]["accompaniment"]
    np.testing.assert_allclose(total, audio, rtol=0, atol=1e-6)
    assert np.array_equal(runs[0]["vocals"], runs[1]["vocals"])
    # the mask lets nothing through that is a voice: its rest at -40 dB, and by no means zeros
    level = np.sqrt(np.mean(runs[0]["vocals"][:, 2000:-2000] ** 2))
    assert level == pytest.approx(0.1 * 1e-4 * 0.01, rel=0.02)


def test_a_masker_without_the_stem_is_refused():
    other = masker()
    other.stems = ("drums",)
    with pytest.raises(InputError, match="vocals"):
        GatedMasker(other)


# --- phrases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("as_file", [True, False])
def test_phrases_hold_the_very_samples(tmp_path, as_file):
    rate = 8000
    stem = np.linspace(-0.5, 0.5, 4 * rate, dtype=np.float32).reshape(1, -1)
    write(tmp_path / "stem.wav", stem, rate, subtype="FLOAT")
    source = tmp_path / "stem.wav" if as_file else stem
    segments = [Segment(0.5, 1.25, 0.9), Segment(3.5, 4.5, 0.9), Segment(5.0, 6.0, 0.9)]
    phrases = cut_phrases(
        source, segments, tmp_path / "out", sample_rate=None if as_file else rate, subtype="FLOAT"
    )
    assert [p.path.name for p in phrases] == [
        "001_0000.500-0001.250.wav",
        "002_0003.500-0004.500.wav",
    ]
    first, _ = read(phrases[0].path)
    fade = round(0.005 * rate)
    assert first.shape == (1, 6000)
    assert np.array_equal(first[:, fade:-fade], stem[:, 4000 + fade : 10000 - fade])
    assert abs(first[0, 0]) < 1e-3 * abs(stem[0, 4000]) and abs(first[0, -1]) < 1e-3
    last, _ = read(phrases[1].path)
    assert last.shape == (1, 4000)  # the stem ends before the segment


def test_phrases_refuse_bad_arguments(tmp_path):
    with pytest.raises(InputError):
        cut_phrases(np.zeros((1, 10), np.float32), [], tmp_path)
    with pytest.raises(InputError):
        cut_phrases(tmp_path / "x.wav", [], tmp_path, fade=-1)


def test_a_gate_keeps_nothing_that_nobody_takes():
    gated, spectra = GatedMasker(masker(12)), sung()
    for _ in range(3):
        gated.feed(spectra)
    assert len(gated.take()) == 0
    gated.reset()
    gated.is_asked = True
    gated.feed(spectra)
    gated.flush()
    assert len(gated.take()) == spectra.shape[1]
