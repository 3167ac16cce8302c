"""The separator: stems that sum to the mixture, whatever the rate, the channels and the blocks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import demo_song as songs
from helpers.blocks import stems_of
from helpers.maskers import Shelf
from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError, ModelError
from isolde.core.stage import Float32
from isolde.models import catalogue
from isolde.separation.load import load_separator, separate
from isolde.separation.stages.separator import Separator

RATES = [8000, 16000, 22050, 32000, 44100, 48000, 96000, 192000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_stems_sum_to_the_mixture(shelf: Shelf, rate: int, n_channels: int):
    audio = noise(n_channels, rate // 3)
    stems = stems_of(
        Separator.with_masks(shelf, sample_rate=rate, n_channels=n_channels), audio, [4096]
    )
    assert {k: v.shape for k, v in stems.items()} == dict.fromkeys(
        ("vocals", "accompaniment"), audio.shape
    )
    # one float32 rounding each of the subtraction and the sum
    assert np.abs(stems["vocals"] + stems["accompaniment"] - audio).max() < 2e-7


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_goes_where_the_mask_says(shelf: Shelf, rate: int):
    """The mask passes bins below 100, that is 2153 Hz: of two tones each goes to its own stem."""
    seconds = np.arange(rate) / rate
    low = 0.4 * np.sin(2 * np.pi * 500 * seconds)[None].astype(np.float32)
    high = 0.4 * np.sin(2 * np.pi * 3200 * seconds)[None].astype(np.float32)
    stems = stems_of(
        Separator.with_masks(shelf, sample_rate=rate, n_channels=1), low + high, [3000]
    )
    inner = slice(rate // 10, -rate // 10)  # tones that begin at once have wide spectra there
    assert null_depth(low[:, inner], stems["vocals"][:, inner]) < -50
    assert null_depth(high[:, inner], stems["accompaniment"][:, inner]) < -50


@dataclass
class Broken(Shelf):
    """A masker whose masks are of another shape, or hold something else than numbers."""

    change: Callable[[Float32], Float32] = np.copy

    def _masks(self, n: int) -> Float32:
        return self.change(super()._masks(n))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks * np.float32(np.nan), "masks of vocals hold NaN or infinity"),
        (lambda masks: masks + np.float32(np.inf), "masks of vocals hold NaN or infinity"),
        (lambda masks: masks[..., :300], r"masks of shape \(1, 1, \d+, 300\): the masker must"),
        (lambda masks: masks.repeat(3, axis=1), r"masks of shape \(1, 3, \d+, 513\)"),
        (lambda masks: masks.repeat(2, axis=0), r"masks of shape \(2, 1, \d+, 513\)"),
    ],
)
def test_masks_that_cannot_be_used_are_refused(change, message: str):
    broken = Separator.with_masks(Broken(change=change), sample_rate=22050, n_channels=2)
    with pytest.raises(ModelError, match=message):
        broken.whole([noise(2, 3000)])


@pytest.mark.parametrize("n", [0, 1, 2, 100, 1023, 2048, 5000])
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_any_length_comes_back(shelf: Shelf, n: int, rate: int):
    audio = noise(2, n)
    stems = stems_of(Separator.with_masks(shelf, sample_rate=rate, n_channels=2), audio, [1000])
    assert all(stem.shape == (2, n) for stem in stems.values())
    assert np.abs(sum(stems.values()) - audio).max(initial=0) < 2e-7


@pytest.mark.slow
@settings(max_examples=12)
@given(
    sizes=st.lists(st.integers(0, 9000), min_size=1, max_size=6).filter(any),
    rate=st.sampled_from([22050, 44100, 48000]),
)
def test_block_sizes_change_nothing(sizes: list[int], rate: int):
    audio = noise(2, 12000)
    results = [
        stems_of(load_separator(sample_rate=rate, n_channels=2), audio, s) for s in (sizes, [12000])
    ]
    for stem in ("vocals", "accompaniment"):
        assert null_depth(results[0][stem], results[1][stem]) < -90


def test_runs_are_identical_to_the_bit():
    audio = noise(2, 30000)
    first = separate(audio, sample_rate=44100, threads=2)
    again = separate(audio, sample_rate=44100, threads=2)
    for stem, values in first.items():
        np.testing.assert_array_equal(values, again[stem])


@pytest.mark.parametrize("rate", [22050, 44100])
def test_declared_latency_is_the_true_one(rate: int):
    """Sample by sample: sample k is out when k + latency are in, and for one k not earlier."""
    separator = Separator.with_masks(Shelf(latency=2), sample_rate=rate, n_channels=1)
    fed = out = separator.feed(noise(1, 3 * separator.estimator.grid.n_fft))["vocals"].shape[1]
    fed = 3 * separator.estimator.grid.n_fft
    worst = 0
    for _ in range(2 * separator.estimator.grid.hop):
        out += separator.feed(np.zeros((1, 1), np.float32))["vocals"].shape[1]
        fed += 1
        worst = max(worst, fed + 1 - out)  # sample `out` is still to come when `fed` are in
    assert (
        worst
        == separator.latency
        == separator.estimator.grid.n_fft + 2 * separator.estimator.grid.hop
    )


@pytest.mark.parametrize("rate", [8000, 48000, 96000])
def test_latency_holds_with_resampling(rate: int):
    separator = Separator.with_masks(Shelf(latency=2), sample_rate=rate, n_channels=1)
    fed = out = 0
    for _ in range(3 * separator.latency // 50):
        out += separator.feed(noise(1, 50))["vocals"].shape[1]
        fed += 50
        assert out >= fed + 1 - separator.latency
    assert out > 0


def test_reset_begins_anew():
    separator = load_separator(sample_rate=44100, n_channels=1)
    audio = noise(1, 9000)
    first = stems_of(separator, audio, [9000])
    separator.reset()
    separator.feed(noise(1, 5000, seed=1))
    separator.reset()
    again = stems_of(separator, audio, [9000])
    np.testing.assert_array_equal(first["vocals"], again["vocals"])


@pytest.mark.slow
def test_channels_swapped_give_stems_swapped():
    """To rounding with one mask for both; a network that hears them apart learns it, nearly."""
    mixture = sum(songs.make_song(5, seconds=3.0, sample_rate=22050).values())
    for model, depth in (("article", -90.0), (catalogue.DEFAULT, -10.0)):
        a = separate(mixture, sample_rate=22050, model=model)["vocals"]
        b = separate(mixture[::-1].copy(), sample_rate=22050, model=model)["vocals"]
        assert null_depth(a, b[::-1]) < depth, model


def test_silence_gives_silence():
    stems = separate(np.zeros((2, 20000), np.float32), sample_rate=44100)
    assert not any(stem.any() for stem in stems.values())


def test_strength_takes_more_away():
    audio = noise(2, 30000)
    energies = [
        np.sum(separate(audio, sample_rate=22050, strength=s)["vocals"] ** 2) for s in (0.5, 1, 2)
    ]
    assert energies[0] > energies[1] > energies[2]


def test_the_callers_array_is_not_changed():
    audio = noise(2, 9000)
    before = audio.copy()
    separate(audio, sample_rate=22050)
    np.testing.assert_array_equal(audio, before)


def test_one_dimension_in_one_dimension_out():
    audio = noise(1, 5000)[0]
    stems = separate(audio.astype(np.float64), sample_rate=44100)
    assert stems["vocals"].shape == (5000,)
    assert stems["vocals"].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: separate(np.zeros((1, 2, 3), np.float32), sample_rate=44100), r"\(1, 2, 3\)"),
        (lambda: separate(np.full((1, 9), np.nan, np.float32), sample_rate=44100), "NaN"),
        (lambda: separate(noise(1, 9), sample_rate=44100, mask="hard"), "hard"),
        (lambda: separate(noise(1, 9), sample_rate=10), "10 Hz"),
        (lambda: load_separator(sample_rate=44100, n_channels=2).feed(noise(1, 9)), "1, 9"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_refused(tmp_path):
    shipped = catalogue.find("vocals")
    data = bytearray(shipped.path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "vocals.onnx").write_bytes(data)
    (tmp_path / "vocals.json").write_text(shipped.card.to_json())
    with pytest.raises(ModelError, match="checksum"):
        load_separator(tmp_path / "vocals.onnx", sample_rate=44100, n_channels=2)


def test_every_shipped_model_keeps_its_promises():
    assert "vocals" in catalogue.names()
    for name in catalogue.names():
        model = catalogue.find(name)
        assert model.card.name == name
        assert model.card.licence and model.card.data and model.card.limits
        networks = [m for m, _ in catalogue.members_of(model.card)] or [model]
        for network in networks:  # each verifies the checksum
            network.session() if network.card.kind == "window" else network.graph()
