"""Every contract of the separator on every grid: the article's, finer, at 44.1 kHz, short."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.blocks import stems_of
from helpers.maskers import Shelf
from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.separation.stages.separator import Separator

FINE = Grid(sample_rate=22050, n_fft=2048, hop=512)
HIGH = Grid(sample_rate=44100, n_fft=4096, hop=1024)
WIDE = Grid(sample_rate=44100, n_fft=6144, hop=1024)
SHORT = replace(FINE, synthesis="short")
# (grid, bins that the model sees; 0: all)
GRIDS = [(GRID_22, 0), (FINE, 0), (FINE, 1024), (SHORT, 0), (HIGH, 1024), (WIDE, 3072)]


def separator_on(grid: Grid, bins: int, rate: int, *, n_channels: int = 1, **shelf) -> Separator:
    masker = Shelf(grid=grid, bins=bins, **shelf)
    return Separator.with_masks(masker, sample_rate=rate, n_channels=n_channels)


@settings(max_examples=25)
@given(
    where=st.sampled_from(GRIDS),
    n=st.integers(0, 20000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=4),
    rate=st.sampled_from([16000, 22050, 44100, 48000]),
)
def test_length_sum_and_blocks(where: tuple[Grid, int], n: int, sizes: list[int], rate: int):
    """Stems are as long as the mixture, sum to it, and do not depend on the blocks."""
    audio = noise(2, n)
    separator = separator_on(*where, rate, n_channels=2)
    stems = stems_of(separator, audio, sizes)
    assert all(stem.shape == audio.shape for stem in stems.values())
    assert np.abs(sum(stems.values()) - audio).max(initial=0) < 2e-7
    separator.reset()
    whole = stems_of(separator, audio, [max(n, 1)])
    assert np.abs(whole["vocals"] - stems["vocals"]).max(initial=0) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("where", GRIDS)
@pytest.mark.parametrize("rate", [22050, 44100])
def test_an_impulse_arrives_at_the_declared_latency(where: tuple[Grid, int], rate: int):
    """It is out after `latency` samples at worst, and of all its places one needs them."""
    separator = separator_on(*where, rate, edge=10**6, latency=2)
    if rate != separator.estimator.sample_rate:  # a model at 44.1 kHz resamples 22.05 kHz
        fed_n = out = 0
        for _ in range(3 * separator.latency // 64):
            out += separator.feed(noise(1, 64))["vocals"].shape[1]
            fed_n += 64
            assert out >= fed_n + 1 - separator.latency
        assert out > 0
        return
    worst, hop, latency = 0, separator.estimator.hop, separator.latency
    assert latency == separator.estimator.grid.latency + 2 * hop
    for place in (0, 1):
        separator.reset()
        k = 4 * hop + place
        head = np.zeros((1, k + latency - hop), np.float32)
        head[0, k] = 1
        out, n_fed = [separator.feed(head)["vocals"]], head.shape[1]
        while sum(block.shape[1] for block in out) <= k:
            out.append(separator.feed(np.zeros((1, 1), np.float32))["vocals"])
            n_fed += 1
        samples = np.concatenate(out, 1)[0]
        assert np.argmax(samples) == k and samples[k] == pytest.approx(1, abs=1e-5)
        worst = max(worst, n_fed - k)
    assert worst == latency


@pytest.mark.parametrize("where", GRIDS)
@pytest.mark.parametrize("rate", [22050, 48000])
def test_a_tone_goes_where_the_mask_says(where: tuple[Grid, int], rate: int):
    """The edge lies at 2.1 kHz of the model's grid, whatever the rate of the song."""
    grid, bins = where
    seconds = np.arange(rate) / rate
    low = 0.4 * np.sin(2 * np.pi * 500 * seconds)[None].astype(np.float32)
    high = 0.4 * np.sin(2 * np.pi * 3200 * seconds)[None].astype(np.float32)
    separator = separator_on(grid, bins, rate, edge=round(2100 / grid.bin_hz))
    stems = stems_of(separator, low + high, [3000])
    inner = slice(rate // 5, -rate // 5)
    depth = -50 if grid.synthesis == "long" else -35  # the short window leaks more
    assert null_depth(low[:, inner], stems["vocals"][:, inner]) < depth
    assert null_depth(high[:, inner], stems["accompaniment"][:, inner]) < depth


@pytest.mark.parametrize("where", GRIDS)
def test_the_treble_that_a_model_does_not_see_follows_the_band_below(where: tuple[Grid, int]):
    """A mask of ones passes 15 kHz too, one that ends at 7 kHz does not."""
    grid, bins = where
    tone = 0.4 * np.sin(2 * np.pi * 15000 * np.arange(44100) / 44100)[None].astype(np.float32)
    inner = slice(8192, -8192)
    for edge, stem in ((10**6, "vocals"), (round(7000 / grid.bin_hz), "accompaniment")):
        stems = stems_of(separator_on(grid, bins, 44100, edge=edge), tone, [5000])
        assert null_depth(tone[:, inner], stems[stem][:, inner]) < -60


@pytest.mark.parametrize("where", GRIDS)
def test_what_is_held_does_not_grow(where: tuple[Grid, int]):
    """The samples that are owed never exceed the latency: memory is constant."""
    separator = separator_on(*where, 44100)
    block, owed = noise(1, 4410), 0
    for _ in range(60):
        owed += 4410 - separator.feed(block)["vocals"].shape[1]
        assert owed <= separator.latency + separator.estimator.hop


def test_a_grid_keeps_its_frames_and_bins_at_any_rate():
    for grid, _ in GRIDS:
        for rate in (8000, 22050, 44100, 96000):
            there = grid.at(rate)
            assert there.bin_hz == grid.bin_hz and there.frame_seconds == grid.frame_seconds
            assert there.sample_rate <= 44100 and there.synthesis == grid.synthesis
    assert FINE.at(48000) == replace(HIGH)
    assert HIGH.at(22050) == HIGH
    assert FINE.at(22050, synthesis="short") == SHORT
    with pytest.raises(InputError, match="brief"):
        FINE.at(22050, synthesis="brief")
