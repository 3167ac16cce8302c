"""Songs as users have them: each change does what its name says and costs what it must."""

import re

import numpy as np
import pytest

from helpers.singing import RATE, song_of
from isolde.core.errors import InputError
from isolde.evaluation import distortions, run_robustness
from isolde.evaluation.candidates import baselines
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.metrics import ratios as metrics
from isolde.evaluation.robustness import losses_of
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Stems


def test_linear_distortions_keep_the_stems_summing_to_the_mixture():
    stems = song_of(2)
    for change in distortions.standard():
        if change.name.startswith("mp3"):
            continue
        out = change.change(stems)
        null = metrics.usdr(out.mixture, out.vocals + out.accompaniment)
        assert null > 90, change.name  # float32 rounding is near -140 dB
        assert np.isfinite(out.mixture).all()


def test_distortions_do_what_their_names_say():
    stems = song_of(2)
    changes = {change.name: change.change for change in distortions.standard()}
    quiet = changes["gain -24 dB"](stems)
    assert metrics.level_dbfs(quiet.vocals) == pytest.approx(
        metrics.level_dbfs(stems.vocals) - 24, abs=1e-3
    )
    loud = changes["loud limiter"](stems)
    assert np.abs(loud.mixture).max() <= 0.981
    crest = [np.abs(s.mixture).max() / np.sqrt(np.mean(s.mixture**2)) for s in (stems, loud)]
    assert crest[1] < 0.7 * crest[0]
    phone = changes["phone band"](stems)
    power = np.abs(np.fft.rfft(phone.mixture)) ** 2
    frequency = np.fft.rfftfreq(phone.mixture.shape[1], 1 / RATE)
    outside = (frequency < 290) | (frequency > 3410)
    assert power[:, outside].sum() < 1e-9 * power.sum()
    assert changes["16 kHz"](stems).sample_rate == 16_000
    assert changes["16 kHz"](stems).mixture.shape[1] == 32_000
    assert changes["mono"](stems).mixture.shape[0] == 1
    assert np.array_equal(changes["left/right swapped"](stems).vocals, stems.vocals[::-1])
    wet = changes["reverb"](stems)
    assert metrics.usdr(stems.accompaniment, wet.accompaniment) == pytest.approx(9, abs=1.5)
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)[None]
    up = changes["pitch +2 semitones"](Stems(tone, tone, tone, RATE)).mixture[0]
    peak = np.argmax(np.abs(np.fft.rfft(up * np.hanning(up.size)))) * RATE / up.size
    assert peak == pytest.approx(1000 * 2 ** (2 / 12), abs=2)


def test_mp3_loses_more_at_lower_rates_keeps_time_and_leaves_the_truth():
    stems = song_of(1, rate=44_100)
    losses = []
    for kbits in (64, 320):
        coded = distortions.mp3(stems, kbits=kbits)
        assert coded.mixture.shape == stems.mixture.shape
        assert np.array_equal(coded.vocals, stems.vocals)
        losses.append(metrics.usdr(stems.mixture, coded.mixture))
    assert losses[0] + 3 < losses[1]
    spectra = np.fft.rfft([stems.mixture[0], coded.mixture[0]], 2 * stems.mixture.shape[1])
    assert np.argmax(np.fft.irfft(spectra[0] * spectra[1].conj())) == 0  # no encoder delay


def test_robustness_measures_what_a_distortion_costs(data, tmp_path):
    """Of the fixed candidate "mixture", gain costs nothing and 20 dB of noise a known amount."""
    chosen = [
        distortions.Distortion("gain -24 dB", lambda stems: distortions.gain(stems, decibels=-24)),
        distortions.Distortion("mono", distortions.mono),
    ]
    out = run_robustness(
        data,
        candidates=[Candidate("mixture", baselines.mixture)],
        distortions=chosen,
        output=tmp_path,
        command="test",
    )
    assert out.n_failed == 0
    assert (tmp_path / "robustness.md").read_text() == out.summary
    lines = out.summary.splitlines()
    assert lines[0] == "| change | mixture | oracle power ratio mask |"
    assert lines[2].startswith("| undistorted | ")
    assert re.match(r"\| gain -24 dB \| [+-]0\.00 .*\| [+-]0\.00 ", lines[3])
    # in the mean of the channels the voice adds up and the noise of the two does not: 3 dB
    change = float(lines[4].split("|")[2].split()[0])
    assert change == pytest.approx(3.0, abs=0.3)


def result(
    candidate: str, song: str, change: str, value: float, error: str | None = None
) -> Result:
    metrics_ = {} if error else {"vocals_usdr": value}
    return Result(f"{song} @ {change}", "A", candidate, "model", metrics=metrics_, error=error)


def test_losses_are_paired_by_song_and_failures_left_out():
    clean = [result("a", song, "clean", v) for song, v in (("x @ home", 5.0), ("y", 1.0), ("z", 9))]
    after = [
        result("a", "x @ home", "mono", 4.0),
        result("a", "y", "mono", 0.5),
        result("a", "z", "mono", 0, error="it broke"),
    ]
    loss = losses_of(clean + after)["mono"]["a"]
    assert loss.median.value == pytest.approx(-0.75) and loss.losses == 2
    assert loss.median.n_excluded == 1
    with pytest.raises(InputError, match="undistorted"):
        losses_of(after)
