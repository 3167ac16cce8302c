"""Physics of the metrics: known noise gives known decibels; zeros hide nothing; oracles agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.sounds import musical_noise
from isolde.core.errors import InputError
from isolde.evaluation.metrics import fullness
from isolde.evaluation.metrics import ratios as metrics
from isolde.evaluation.metrics.fullness import bleed_and_fullness, mel_decibels, mel_filters

RATE = 8000


@given(st.floats(-40, 60), st.integers(0, 5), st.integers(1, 3))
def test_usdr_is_the_signal_to_noise_ratio_that_was_set(db, seed, n_channels):
    signal = musical_noise(seed, seconds=0.5, n_channels=n_channels)
    noise = np.random.default_rng(seed).standard_normal(signal.shape)
    noise *= np.sqrt(np.sum(signal**2) / np.sum(noise**2)) * 10 ** (-db / 20)
    assert metrics.usdr(signal, signal + noise) == pytest.approx(db, abs=1e-9)


def test_floors_score_what_the_definition_says():
    vocals, backing = musical_noise(1), 2 * musical_noise(2)
    ratio = 10 * np.log10(np.sum(vocals**2) / np.sum(backing**2))
    assert metrics.usdr(vocals, np.zeros_like(vocals)) == 0.0
    assert metrics.usdr(vocals, vocals + backing) == pytest.approx(ratio, abs=1e-9)
    assert metrics.usdr(vocals, vocals) == metrics.LIMIT_DB
    # stems that sum to the mix have ONE error: the accompaniment scores the vocals' plus the ratio
    guess = 0.7 * vocals + 0.1 * backing
    other = vocals + backing - guess
    assert metrics.usdr(backing, other) == pytest.approx(metrics.usdr(vocals, guess) - ratio)


@given(st.floats(-60, 60), st.sampled_from([1, -1]))
def test_si_sdr_ignores_the_level_and_usdr_does_not(gain_db, sign):
    signal = musical_noise(3, seconds=0.5)
    estimate = signal + 0.1 * musical_noise(4, seconds=0.5)
    gain = sign * 10 ** (gain_db / 20)
    assert metrics.si_sdr(signal, gain * estimate) == pytest.approx(
        metrics.si_sdr(signal, estimate), abs=1e-6
    )
    if abs(gain - 1) > 0.5:
        assert metrics.usdr(signal, gain * estimate) < metrics.usdr(signal, estimate) - 3


def test_si_sdr_has_one_scale_for_all_channels():
    signal = musical_noise(5)
    wrong_pan = signal * np.array([[1.0], [0.1]])
    assert metrics.si_sdr(signal, wrong_pan) < 15
    assert metrics.si_sdr(signal[:1], wrong_pan[:1]) == metrics.LIMIT_DB


@pytest.mark.filterwarnings("ignore:mir_eval.separation:FutureWarning")
def test_si_sdr_agrees_with_mir_eval():
    separation = pytest.importorskip("mir_eval.separation")
    signal = musical_noise(6, n_channels=1)
    estimate = 0.6 * signal + 0.05 * musical_noise(7, n_channels=1)
    # bss_eval_sources allows a filter of 512 taps where SI-SDR allows one gain: never lower, and
    # on white residuals hardly higher (512 taps of 32000 samples explain 1.6 % of the noise)
    sdr = separation.bss_eval_sources(signal, estimate, compute_permutation=False)[0][0]
    assert 0 <= sdr - metrics.si_sdr(signal, estimate) < 0.5
    sdr_images = separation.bss_eval_images(
        signal[..., None], estimate[..., None], compute_permutation=False
    )[0][0]
    assert metrics.usdr(signal, estimate) == pytest.approx(sdr_images, abs=0.01)


def test_metrics_leave_their_arguments_alone():
    signal, estimate = musical_noise(8).astype(np.float32), musical_noise(9).astype(np.float32)
    before = signal.copy(), estimate.copy()
    metrics.usdr(signal, estimate)
    metrics.si_sdr(signal, estimate)
    metrics.framed_usdr(signal, estimate, sample_rate=RATE)
    metrics.silence_level(signal, estimate, signal, sample_rate=RATE)
    bleed_and_fullness(signal, estimate, sample_rate=RATE)
    assert np.array_equal(signal, before[0]) and np.array_equal(estimate, before[1])


def test_a_silent_reference_has_no_ratio_but_a_silent_estimate_has():
    signal, zeros = musical_noise(10), np.zeros((2, 4 * RATE))
    assert np.isnan(metrics.usdr(zeros, signal))
    assert np.isnan(metrics.si_sdr(zeros, signal))
    assert np.isnan(bleed_and_fullness(zeros, signal, sample_rate=RATE).bleedless)
    assert metrics.si_sdr(signal, zeros) == -metrics.LIMIT_DB


def test_a_gate_cannot_hide_its_failures():
    """Zeros where the voice is weak: the frames are the reference's, so each one is charged."""
    vocals = musical_noise(11)
    vocals[:, RATE : 2 * RATE] = 0  # a true pause
    gated = vocals.copy()
    gated[:, 2 * RATE : 3 * RATE] = 0  # a phrase that the gate ate
    ratios = metrics.framed_usdr(vocals, gated, sample_rate=RATE)
    assert np.isnan(ratios).tolist() == [False, True, False, False]
    assert ratios[2] == 0.0 and ratios[0] == ratios[3] == metrics.LIMIT_DB
    noisy = metrics.framed_usdr(vocals, gated + 1e-3 * musical_noise(12), sample_rate=RATE)
    assert np.isnan(noisy).tolist() == np.isnan(ratios).tolist()


def test_last_frame_counts_from_half_its_length():
    for extra, n_frames in ((0.4, 4), (0.6, 5)):
        signal = musical_noise(13, seconds=4 + extra)
        ratios = metrics.framed_usdr(signal, 0.9 * signal, sample_rate=RATE)
        assert ratios.shape == (n_frames,)
        assert ratios == pytest.approx(20.0)  # the last frame's energies are its own


def test_level_in_silence_is_the_leak_that_was_put_there():
    vocals, backing = musical_noise(14), musical_noise(15)
    vocals[:, RATE : 2 * RATE] = 0
    mixture = vocals + backing
    leak = metrics.silence_level(vocals, vocals + 0.1 * backing, mixture, sample_rate=RATE)
    assert leak.seconds == 1.0
    assert leak.relative_db == pytest.approx(-20.0, abs=1e-9)
    pause = backing[:, RATE : 2 * RATE]
    assert leak.dbfs == pytest.approx(metrics.level_dbfs(pause) - 20, abs=1e-9)
    gate = metrics.silence_level(vocals, vocals, mixture, sample_rate=RATE)
    assert (gate.dbfs, gate.relative_db) == (metrics.FLOOR_DBFS, -metrics.LIMIT_DB)
    never = metrics.silence_level(backing, backing, mixture, sample_rate=RATE)
    assert never.seconds == 0 and np.isnan(never.dbfs) and np.isnan(never.relative_db)


@pytest.mark.parametrize(
    ("reference", "estimate"),
    [
        (np.ones((2, 9)), np.ones((2, 8))),
        (np.ones((2, 0)), np.ones((2, 0))),
        (np.ones((1, 2, 3)), np.ones((1, 2, 3))),
        (np.ones((2, 9)), np.full((2, 9), np.nan)),
    ],
)
def test_what_cannot_be_scored_is_refused(reference, estimate):
    with pytest.raises(InputError):
        metrics.usdr(reference, estimate)


def test_bleed_lowers_bleedless_and_loss_lowers_fullness():
    vocals, backing = musical_noise(16), musical_noise(17)
    same = bleed_and_fullness(vocals, vocals, sample_rate=RATE)
    assert (same.bleedless, same.fullness) == (100.0, 100.0)
    half = bleed_and_fullness(vocals, 0.5 * vocals, sample_rate=RATE)
    assert half.bleedless == 100.0  # nothing is louder than it should be
    assert half.fullness == pytest.approx(100 / (1 + 20 * np.log10(2)), abs=1e-6)
    double = bleed_and_fullness(vocals, 2 * vocals, sample_rate=RATE)
    assert double.bleedless == pytest.approx(100 / (1 + 20 * np.log10(2)), abs=1e-6)
    leaky = bleed_and_fullness(vocals, vocals + backing, sample_rate=RATE)
    assert leaky.bleedless < leaky.fullness - 10


def test_mel_spectra_in_blocks_are_those_in_one_piece(monkeypatch):
    audio = musical_noise(19, seconds=1.0)
    pieces = mel_decibels(audio, sample_rate=RATE)
    monkeypatch.setattr(fullness, "BLOCK", 10**9)
    assert np.array_equal(mel_decibels(audio, sample_rate=RATE), pieces)


def test_mel_filters_are_librosas():
    librosa = pytest.importorskip("librosa")
    for rate, n_fft, n_mels in ((44100, 4096, 512), (22050, 2048, 426)):
        theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
        assert np.abs(mel_filters(rate, n_fft, n_mels) - theirs).max() < 1e-9


@pytest.mark.slow
def test_mel_decibels_follow_the_published_transform():
    """STFT by torch with zero padding and a periodic Hann window, as in the definition."""
    torch = pytest.importorskip("torch")
    audio = musical_noise(18, seconds=1.0)
    stft = torch.stft(
        torch.from_numpy(audio),
        1024,
        256,
        window=torch.hann_window(1024, dtype=torch.float64),
        pad_mode="constant",
        return_complex=True,
    )
    ours = mel_decibels(audio, sample_rate=11025)
    mels = stft.abs().numpy().swapaxes(1, 2) @ mel_filters(11025, 1024, ours.shape[2]).T
    theirs = 20 * np.log10(np.maximum(mels, 1e-10))
    theirs = np.maximum(theirs, theirs.max() - 80)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-6
