"""Features: frame-wise, monotonic, and a Mel axis from which masks come back."""

import numpy as np
import pytest

from helpers.sounds import noise
from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.mel import from_mel, mel, to_mel
from isolde.core.signal.spectrum import GRID_22, analyse


def test_each_frame_stands_alone():
    spectra = analyse(noise(2, 9000), GRID_22)
    features = Features()
    np.testing.assert_array_equal(features(spectra)[:, 5:9], features(spectra[:, 5:9]))


def test_mid_is_the_mean_of_the_channels_and_each_is_each():
    spectra = analyse(noise(2, 4000), GRID_22)
    assert Features(signal="mid")(spectra).shape[0] == 1
    each = Features(signal="each")(spectra)
    np.testing.assert_array_equal(each[1], Features(signal="mid")(spectra[1:])[0])


def test_a_side_signal_is_silent_in_mid():
    audio = noise(1, 4000)
    spectra = analyse(np.concatenate([audio, -audio]), GRID_22)
    assert np.max(Features()(spectra)) < 1e-3
    assert np.max(Features(signal="each")(spectra)) > 1


def test_stereo_holds_left_right_mid_and_side_of_each_bin():
    spectra = analyse(noise(2, 3000), GRID_22)
    values = Features(signal="stereo")(spectra).reshape(-1, 512, 4)
    left, right = spectra[:, :, :512]
    for i, source in enumerate((left, right, (left + right) / 2, (left - right) / 2)):
        np.testing.assert_allclose(values[..., i], np.log1p(2560 * np.abs(source)), atol=1e-5)


def test_silence_is_zero_and_louder_is_greater():
    features = Features()
    assert not features(np.zeros((1, 3, 513), np.complex64)).any()
    spectra = analyse(noise(1, 4000), GRID_22)
    assert np.all(features(2 * spectra) > features(spectra))


def test_mel_of_1000_hz():
    assert float(mel(1000.0)) == pytest.approx(1000, abs=0.5)


def test_rows_are_shares():
    for rows in (to_mel(513), from_mel(513)):
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
        assert rows.min() >= 0


def test_a_mask_comes_back_from_the_mel_axis():
    """A smooth mask returns within 0.02, and down low that of a note too.

    Mel points are 0.2 bins apart at the bottom and 3 at the top, so detail is lost only up there.
    """
    bins = np.arange(513)
    smooth = (0.5 + 0.5 * np.cos(2 * np.pi * bins / 60)).astype(np.float32)
    again = Features(mel=True).on_bins(smooth @ to_mel(513).T)
    assert np.abs(again - smooth).max() < 0.02
    note = (np.abs(bins % 12 - 6) < 3).astype(np.float32)  # harmonics 258 Hz apart
    again = Features(mel=True).on_bins(note @ to_mel(513).T)
    assert np.abs(again - note)[:100].mean() < 0.1


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="side"):
        Features(signal="side")
    with pytest.raises(InputError, match="mel"):
        Features(signal="stereo", mel=True)
    with pytest.raises(InputError, match="-1"):
        Features(scale=-1)
