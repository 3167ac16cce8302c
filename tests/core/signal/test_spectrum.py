"""The grid, and that analysis and synthesis are exact inverses as streams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22, GRID_44, Analysis, Grid, analyse, grid_for
from isolde.core.signal.synthesis import Synthesis, synthesise

SHORT_22, SHORT_44 = grid_for(22050, "short"), grid_for(44100, "short")
EVERY = [GRID_22, GRID_44, SHORT_22, SHORT_44]
GRIDS = pytest.mark.parametrize("grid", EVERY, ids=["22k", "44k", "22k short", "44k short"])


def cut(n: int, sizes: list[int]) -> list[slice]:
    """Blocks of the given sizes, again and again, until n samples are used up."""
    blocks, at, i = [], 0, 0
    while at < n:
        size = sizes[i % len(sizes)]
        blocks.append(slice(at, min(n, at + size)))
        at, i = at + size, i + 1
    return blocks


@GRIDS
@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 700, 1024, 2047, 2048, 2049, 30001])
def test_the_inverse_is_exact_for_any_length(grid: Grid, n: int):
    audio = noise(2, n)
    again = synthesise(analyse(audio, grid), grid, n)
    assert again.shape == audio.shape
    # float32 rounds at -144 dB of each value; two transforms of 2048 points cost a few bits
    assert null_depth(audio, again) < -130


@GRIDS
def test_nothing_in_gives_nothing(grid: Grid):
    nothing = np.zeros((2, 0), np.float32)
    assert analyse(nothing, grid).shape == (2, 0, grid.n_bins)
    assert synthesise(analyse(nothing, grid), grid, 0).shape == (2, 0)


@settings(max_examples=25)
@given(
    n=st.integers(1, 9000),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    grid=st.sampled_from([*EVERY, Grid(22050, 1024, 128, "short"), Grid(22050, 1536, 256)]),
)
def test_block_sizes_change_nothing(n: int, sizes: list[int], grid: Grid):
    audio = noise(1, n)
    analysis, synthesis = Analysis(grid, 1), Synthesis(grid, 1)
    spectra, samples = [], []
    for block in cut(n, sizes):
        spectra.append(analysis.feed(audio[:, block]))
        samples.append(synthesis.feed(spectra[-1]))
    spectra.append(analysis.flush())
    synthesis.end_at(n)
    samples += [synthesis.feed(spectra[-1]), synthesis.flush()]
    whole = analyse(audio, grid)
    np.testing.assert_allclose(np.concatenate(spectra, 1), whole, atol=1e-6)
    again = np.concatenate(samples, 1)
    assert again.shape == audio.shape
    assert null_depth(audio, again) < -130


@GRIDS
def test_reset_forgets_the_stream(grid: Grid):
    stage, audio = Analysis(grid, 1), noise(1, 5000)
    first = np.concatenate([stage.feed(audio), stage.flush()], 1)
    stage.feed(noise(1, 3000, seed=1))
    stage.reset()
    np.testing.assert_array_equal(np.concatenate([stage.feed(audio), stage.flush()], 1), first)


@GRIDS
def test_declared_latency_is_the_true_one(grid: Grid):
    """An impulse at sample k is out when k + latency samples are in, and for some k not before."""
    analysis, synthesis = Analysis(grid, 1), Synthesis(grid, 1)
    latency = analysis.latency + synthesis.latency
    late = set()
    # places within a hop: its ends, where it is worst and best, and some between
    for place in (0, 1, *range(37, grid.hop - 1, 37), grid.hop - 1):
        k = grid.n_fft + place
        analysis.reset()
        synthesis.reset()
        out: list[np.ndarray] = []
        fed = 0
        # up to the last sample before the deadline in one go, then one by one
        head = np.zeros((1, k + latency - grid.hop), np.float32)
        head[0, k] = 1
        out.append(synthesis.feed(analysis.feed(head)))
        fed = head.shape[1]
        while sum(b.shape[1] for b in out) <= k:
            out.append(synthesis.feed(analysis.feed(np.zeros((1, 1), np.float32))))
            fed += 1
        samples = np.concatenate(out, 1)[0]
        assert np.argmax(samples) == k
        assert samples[k] == pytest.approx(1, abs=1e-5)
        late.add(fed - k)
    assert max(late) == latency == grid.latency


def test_what_the_two_syntheses_cost():
    """46.4 ms, the window; and 23.2 ms, half of it, for the same window, hop and bins."""
    assert [grid.latency for grid in EVERY] == [1024, 2048, 512, 1024]
    for long, short in ((GRID_22, SHORT_22), (GRID_44, SHORT_44)):
        assert (short.n_fft, short.hop, short.n_bins) == (long.n_fft, long.hop, long.n_bins)


@pytest.mark.parametrize("grid", [SHORT_22, SHORT_44, Grid(22050, 1024, 128, "short")])
def test_the_short_windows_sum_to_a_constant(grid: Grid):
    """By design: their product is a Hann window of half the length, at least twice overlapped."""
    analysis, synthesis = grid.window()[-2 * grid.reach :], grid.synthesis_window()
    total = (analysis * synthesis).reshape(-1, grid.hop).sum(axis=0)
    np.testing.assert_allclose(total, grid.reach / grid.hop, atol=1e-6)
    # what a mask leaves at a frame's ends is faded, not cut: no click from frame to frame
    assert synthesis[0] == 0 and synthesis[-1] < 0.02
    # and nothing is blown up: frames that a mask has changed come out as loud as they are
    assert synthesis.max() < 1.2


@pytest.mark.parametrize("grid", [SHORT_22, SHORT_44])
def test_a_short_frame_hears_nothing_beyond_its_reach(grid: Grid):
    """Frame t holds samples of [t hop - (n_fft - reach), t hop + reach), no later ones."""
    t, n = 8, 40 * grid.hop
    for sample, heard in (
        (t * grid.hop + grid.reach - 1, True),
        (t * grid.hop + grid.reach, False),
    ):
        audio = np.zeros((1, n), np.float32)
        audio[0, sample] = 1
        assert (np.abs(analyse(audio, grid)[0, t]).max() > 0) == heard


@pytest.mark.parametrize("long", [GRID_22, GRID_44])
def test_a_steady_tone_looks_the_same_to_both(long: Grid):
    """The same peak, and nothing far away from it: networks of one work on the other."""
    n = 20 * long.hop
    tone = np.sin(2 * np.pi * 40.3 / long.n_fft * np.arange(n)).astype(np.float32)[None]
    one, other = (
        np.abs(analyse(tone, grid))[0, 10] for grid in (long, grid_for(long.sample_rate, "short"))
    )
    assert np.argmax(one) == np.argmax(other) == 40
    assert other[40] == pytest.approx(one[40], rel=0.05)
    # 20 bins away both are more than 60 dB down (Hann -95, the leaning window -66)
    assert max(one[60:].max(), other[60:].max()) < 1e-3


@GRIDS
def test_a_full_scale_sine_has_magnitude_one_in_its_bin(grid: Grid):
    n = 20 * grid.hop
    sine = np.sin(2 * np.pi * 40 / grid.n_fft * np.arange(n)).astype(np.float32)[None]
    magnitude = np.abs(analyse(sine, grid))[0, 10]
    assert np.argmax(magnitude) == 40
    assert magnitude[40] == pytest.approx(1, abs=1e-4)


def test_the_two_grids_are_the_same_below_11_khz():
    """A tone at 1 kHz, sampled at both rates, gives the same 513 magnitudes in the same frames."""
    seconds = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 1000 * seconds).astype(np.float32)[None]
    low = np.abs(analyse(tone[:, ::2], GRID_22))
    high = np.abs(analyse(tone, GRID_44))[:, :, :513]
    assert low.shape == high.shape
    np.testing.assert_allclose(low[:, 4:-4], high[:, 4:-4], atol=2e-4)


def test_energy_of_noise_is_kept():
    """Parseval with a Hann window: the mean of |X|^2 over bins is the power times known numbers."""
    audio = noise(1, 200_000)
    power = np.mean(np.abs(analyse(audio, GRID_22)[0, 4:-4]) ** 2)
    expected = GRID_22.scale**2 * np.mean(audio**2) * np.sum(GRID_22.window() ** 2)
    assert power == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("rate", "grid"), [(8000, GRID_22), (22050, GRID_22), (22051, GRID_44), (192000, GRID_44)]
)
def test_which_grid_a_rate_gets(rate: int, grid: Grid):
    assert grid_for(rate) == grid
    short = grid_for(rate, "short")
    assert (short.sample_rate, short.synthesis) == (grid.sample_rate, "short")


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="2, n_samples"):
        Analysis(GRID_22, 2).feed(noise(1, 10))
    with pytest.raises(InputError, match="513"):
        Synthesis(GRID_22, 1).feed(np.zeros((1, 3, 512), np.complex64))
    with pytest.raises(InputError, match="not what these frames hold"):
        synthesise(analyse(noise(1, 1000), GRID_22), GRID_22, 5000)
    with pytest.raises(InputError, match="no grid"):
        Grid(22050, 1000, 256)
    with pytest.raises(InputError, match="take n_fft as 4, 8, 12"):
        Grid(22050, 1536, 256, "short")
    with pytest.raises(InputError, match="'medium' is unknown"):
        grid_for(44100, "medium")
