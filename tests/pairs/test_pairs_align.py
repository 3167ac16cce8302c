"""Laying a voice on a mix: times, drifts, edits and refusals, on songs made of arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sounds import PAIR_RATE as RATE
from helpers.sounds import band, voice
from isolde.core.errors import InputError
from isolde.pairs.timing.align import align
from isolde.pairs.timing.drift import fit_lines, place, warp
from isolde.pairs.timing.offset import Haystack, Hit, consensus
from isolde.pairs.whiten import loud_windows, to_mono, whiten


def error_us(found: object, t: float, offset: float, drift: float) -> float:
    """How far the answer misses the partner time that belongs to mix time t, in microseconds."""
    u = (t - offset) / (1 + drift)
    piece = next(p for p in found.pieces if p.start <= t < p.end)  # type: ignore[attr-defined]
    return abs(piece.offset + (1 + found.drift) * u - t) * 1e6  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lead", "drift", "flip", "level"),
    [(7.31, 0.0, 1, 0.0), (0.0, 1900e-6, -1, 0.0), (21.7, -1312e-6, 1, -10.0)],
)
def test_offset_and_drift_are_found(lead: float, drift: float, flip: int, level: float):
    v, a = voice(24, 1), band(24, 2)
    mix = np.concatenate([band(lead, 3), flip * v * 10 ** (level / 20) + a], axis=1)
    partner = warp(v, RATE, RATE / (1 + drift), 0.0)  # its clock makes of 1 s of mix 1/(1+drift) s
    found = align(mix.astype(np.float32), partner, mix_rate=RATE, partner_rate=RATE)
    assert found.accepted, found.reason
    assert len(found.pieces) == 1
    start = band(lead, 3).shape[1] / RATE
    # 24 s of a clean voice: a hundredth of a sample is within reach; 20 us are a third of one
    assert error_us(found, lead + 12, start, drift) < 20
    assert abs(found.drift - drift) * 1e6 < 2
    assert found.rms < 50e-6


def test_a_voice_that_starts_before_the_mix_has_a_negative_offset():
    v, a = voice(30, 4), band(30, 5)
    cut = 11 * RATE
    found = align((v + a)[:, cut:], v, mix_rate=RATE, partner_rate=RATE)
    assert found.accepted
    assert abs(found.pieces[0].offset + 11.0) < 20e-6


def test_other_rates_and_channels_do_not_matter():
    v, a = voice(20, 6), band(20, 7)
    mix = np.concatenate([v + a, 0.5 * v - a], axis=0)
    partner = warp(v, RATE, 44_100, 0.0)
    found = align(mix, partner, mix_rate=RATE, partner_rate=44_100)
    assert found.accepted
    assert error_us(found, 10, 0.0, 0.0) < 20


@pytest.mark.slow
def test_a_cut_chorus_and_a_repeated_one_give_two_pieces():
    v, a = voice(30, 8), band(30, 9)
    whole = v + a
    first, second = 11 * RATE, 18 * RATE
    for plan in ([(0, first), (second, 30 * RATE)], [(0, second), (first, 30 * RATE)]):
        mix = np.concatenate([whole[:, s:e] for s, e in plan], axis=1)
        found = align(mix, v, mix_rate=RATE, partner_rate=RATE)
        assert found.accepted, found.reason
        assert len(found.pieces) == 2
        at = (plan[0][1] - plan[0][0]) / RATE
        assert abs(found.pieces[0].offset) < 20e-6
        assert abs(found.pieces[1].offset - (at - plan[1][0] / RATE)) < 20e-6
        # the cut itself: windows of 2 s see it, 20 ms blocks place it, if the voice sounds there
        assert abs(found.pieces[0].end - at) < 0.6


@pytest.mark.slow
def test_another_voice_is_refused():
    for seed in range(3):
        mix = voice(20, 10 + seed) + band(20, 20 + seed)
        found = align(mix, voice(20, 30 + seed), mix_rate=RATE, partner_rate=RATE)
        assert not found.accepted
        assert "wrong song" in found.reason or "performance" in found.reason


@pytest.mark.slow
def test_a_tempo_that_breathes_is_refused():
    v, a = voice(30, 40), band(30, 41)
    t = np.arange(v.shape[1]) / RATE
    bent = t + 0.01 * 12 / 2 / np.pi * np.sin(2 * np.pi * t / 12)  # +-1 %, one breath in 12 s
    live = np.interp(bent, t, v[0]).astype(np.float32)[None]
    found = align(v + a, live, mix_rate=RATE, partner_rate=RATE)
    assert not found.accepted


@pytest.mark.parametrize("which", ["mix", "partner"])
def test_silence_is_refused_by_name(which: str):
    v, a = voice(10, 50), band(10, 51)
    pair = {"mix": v + a, "partner": v}
    pair[which] = pair[which] * 0
    found = align(pair["mix"], pair["partner"], mix_rate=RATE, partner_rate=RATE)
    assert not found.accepted
    assert found.reason == f"the {which} is silent"


def test_what_cannot_be_aligned_is_an_input_error():
    good = voice(5, 52)
    with pytest.raises(InputError, match="n_channels"):
        align(good[0], good, mix_rate=RATE, partner_rate=RATE)
    with pytest.raises(InputError, match="NaN"):
        align(good, good * np.float32("nan"), mix_rate=RATE, partner_rate=RATE)
    with pytest.raises(InputError, match="1000 Hz"):
        align(good, good, mix_rate=1000, partner_rate=RATE)


def test_the_arrays_are_left_alone():
    v, a = voice(8, 53), band(8, 54)
    mix, partner = v + a, v.copy()
    mix.setflags(write=False)
    partner.setflags(write=False)
    assert align(mix, partner, mix_rate=RATE, partner_rate=RATE).accepted


# --- the parts ---------------------------------------------------------------------------------


@settings(max_examples=25)
@given(shift=st.floats(-300, 300), seed=st.integers(0, 99))
def test_place_moves_a_sine_by_any_fraction(shift: float, seed: int):
    n, f = 2000, np.random.default_rng(seed).uniform(0.01, 0.4)  # cycles per sample
    x = np.sin(2 * np.pi * f * np.arange(n)).astype(np.float32)[None]
    out = place(x, shift, n)
    inner = slice(max(0, int(shift)) + 80, n + min(0, int(shift)) - 80)
    wanted = np.sin(2 * np.pi * f * (np.arange(n) - shift))[inner]
    # Kaiser beta 9 and 64 taps: ripple below -85 dB up to 0.8 of Nyquist
    assert np.abs(out[0, inner] - wanted).max() < 2e-4


def test_warp_stretches_time_by_the_drift():
    n, f, drift = 40_000, 440.0, 1500e-6
    x = np.sin(2 * np.pi * f * np.arange(n) / RATE).astype(np.float32)[None]
    out = warp(x, RATE, RATE, drift)
    assert abs(out.shape[1] - n * (1 + drift)) <= 1
    wanted = np.sin(2 * np.pi * f / (1 + drift) * np.arange(out.shape[1]) / RATE)
    assert np.abs(out[0, 500:-500] - wanted[500:-500]).max() < 1e-4


@settings(max_examples=40)
@given(
    slope=st.floats(-1e-3, 1e-3),
    steps=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=3),
    seed=st.integers(0, 999),
)
def test_lines_are_found_through_a_fifth_of_outliers(slope: float, steps: list[float], seed: int):
    rng = np.random.default_rng(seed)
    n = 20 * len(steps)
    times = np.sort(rng.uniform(0, 60, n))
    groups = np.minimum((times / 60 * len(steps)).astype(int), len(steps) - 1)
    delays = slope * times + np.array(steps)[groups] + rng.normal(0, 1e-5, n)
    bad = np.zeros(n, bool)  # Theil-Sen holds to 29 % of a group if they lie anywhere
    for g in set(groups):
        mine = np.flatnonzero(groups == g)
        bad[rng.permutation(mine)[: len(mine) // 5]] = True
    delays[bad] += rng.uniform(0.02, 0.5, int(bad.sum()))
    fit = fit_lines(times, delays, np.ones(n), list(groups), tolerance=0.01)
    for g in set(groups):
        mine = groups == g
        if mine.sum() > 4:
            middle = times[mine].mean()
            wanted = slope * middle + steps[g]
            assert abs(fit.slope * middle + fit.intercepts[g] - wanted) < 5e-5


def test_whitened_sound_has_no_colour_and_no_echo_of_level():
    rng = np.random.default_rng(1)
    red = np.cumsum(rng.standard_normal(8 * RATE)).astype(np.float32)
    red -= np.convolve(red, np.ones(200) / 200, "same").astype(np.float32)
    red[: 4 * RATE] *= 0.1
    flat = whiten(red, RATE, band=(200, 7000))

    def tilt(signal: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(signal)) ** 2
        return float(10 * np.log10(power[2400:7200].mean() / power[32_000:52_000].mean()))

    assert tilt(red) > 14  # 300 to 900 Hz against 4 to 6.5 kHz
    assert abs(tilt(flat)) < 3  # the floor keeps the weakest bins down a little
    early, late = (
        np.square(flat[RATE : 3 * RATE]).mean(),
        np.square(flat[5 * RATE : 7 * RATE]).mean(),
    )
    assert abs(10 * np.log10(early / late)) < 6  # of a step of 20 dB; weak bins sink into the floor


def test_a_voice_out_of_phase_is_not_lost_in_mono():
    v = voice(2, 60)
    mono = to_mono(np.concatenate([v, -v]), RATE, RATE)
    assert np.square(mono).sum() > 0.9 * np.square(v).sum()


def test_loud_windows_are_loud_and_apart():
    x = np.zeros(20 * RATE, np.float32)
    x[3 * RATE : 5 * RATE] = 0.5
    x[12 * RATE : 14 * RATE] = 0.4
    starts = loud_windows(x, RATE, seconds=2.0, count=5, spacing=2.0)
    assert abs(starts[0] - 3.0) <= 0.5
    assert any(abs(s - 12.0) <= 0.5 for s in starts)
    assert all(np.abs(np.subtract.outer(starts, starts))[~np.eye(len(starts), dtype=bool)] >= 2.0)
    assert loud_windows(x * 0, RATE, seconds=2.0, count=5, spacing=2.0) == []


def test_a_haystack_finds_its_needle_before_the_start_too():
    rng = np.random.default_rng(2)
    hay = rng.standard_normal(40_000).astype(np.float32)
    stack = Haystack(hay, 4000.0)
    assert stack.find(hay[9000:15_000])[0][0] == pytest.approx(2.25, abs=1e-4)
    early = np.concatenate([rng.standard_normal(2000), hay[:4000]]).astype(np.float32)
    assert stack.find(early)[0][0] == pytest.approx(-0.5, abs=1e-4)
    _, z = stack.find(rng.standard_normal(6000).astype(np.float32))[0]
    assert z < 6  # the highest of 46,000 normal numbers is 4.3


def test_the_consensus_ignores_repeats_and_strays():
    true = [Hit(u, 5.0 + 1.0004 * u, 5e-4, 30.0) for u in (1.0, 8.0, 15.0, 33.0)]
    false = [Hit(u, 25.0 + u * 1.0005, 5e-4, 28.0) for u in (8.0,)] + [Hit(20.0, 3.0, 0.0, 40.0)]
    line = consensus([*false, *true])
    assert line is not None
    assert line.windows == 4
    assert line.drift == pytest.approx(4e-4, abs=1e-6)
    assert line.offset == pytest.approx(5.0, abs=1e-4)
    assert consensus([]) is None
