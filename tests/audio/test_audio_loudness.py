"""Loudness is what BS.1770 says: known tones, another library's figures, gains as factors."""

import numpy as np
import pytest

from isolde.audio import write
from isolde.audio.loudness import Loudness, LoudnessMeter, measure_loudness, replaygain_tags
from isolde.core.errors import InputError


def measured(audio: np.ndarray, rate: int, block: int = 10_000) -> Loudness:
    meter = LoudnessMeter(rate, audio.shape[0])
    for at in range(0, audio.shape[1], block):
        meter.feed(audio[:, at : at + block])
    return meter.finish()


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_a_stereo_tone_measures_its_level(rate, level):
    """EBU Tech 3341, cases 1 and 2: 1 kHz in both channels, peaks at -23 dBFS give -23 LUFS."""
    tone = 10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(5 * rate) / rate)
    found = measured(np.stack([tone, tone]).astype(np.float32), rate)
    assert found.integrated == pytest.approx(level, abs=0.1)
    assert found.peak == pytest.approx(10 ** (level / 20), rel=1e-3)
    assert measured(tone[None].astype(np.float32), rate).integrated == pytest.approx(
        level - 3.01, abs=0.1
    )


@pytest.mark.slow
def test_another_library_measures_the_same():
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pip install '.[dev]'")
    rng = np.random.default_rng(0)
    audio = np.cumsum(rng.normal(0, 0.01, (2, 44100 * 8)), axis=1)
    audio -= np.stack([np.convolve(c, np.ones(200) / 200, "same") for c in audio])
    audio *= np.repeat([0.1, 1.0, 0.02, 0.5], 2 * 44100)  # the gates have something to do
    audio = audio.astype(np.float32)
    wanted = pyloudnorm.Meter(44100).integrated_loudness(audio.T)
    assert measured(audio, 44100).integrated == pytest.approx(wanted, abs=0.1)
    assert measured(audio, 44100, 1234) == measured(audio, 44100, 65536)


def test_gains_reach_the_target_or_the_ceiling():
    rate = 48000
    tone = 0.05 * np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate)
    audio = np.stack([tone, tone]).astype(np.float32)
    song = measured(audio, rate)
    gain = song.gain_to(-14.0)
    assert measured(audio * np.float32(gain), rate).integrated == pytest.approx(-14, abs=0.1)
    assert song.after(gain).integrated == pytest.approx(-14, abs=1e-9)
    assert song.gain_to(6.0) == pytest.approx(1 / song.peak)
    assert song.gain_to(6.0, ceiling=None) > 1 / song.peak
    assert Loudness(-70.0, 0.0).gain_to(-14.0) == 1.0


def test_files_and_ranges_are_measured(tmp_path):
    rate = 44100
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(4 * rate) / rate)
    tone[: 2 * rate] *= 0.01
    write(tmp_path / "x.flac", np.stack([tone, tone]).astype(np.float32), rate, subtype="PCM_24")
    assert measure_loudness(tmp_path / "x.flac", start=2.0).integrated == pytest.approx(
        -20, abs=0.1
    )
    assert measure_loudness(tmp_path / "x.flac", end=2.0).integrated == pytest.approx(-60, abs=0.2)
    with pytest.raises(InputError, match="9 channels"):
        LoudnessMeter(rate, 9)


def test_replaygain_is_the_songs_for_every_stem():
    assert replaygain_tags(Loudness(-14.0, 0.5)) == {
        "replaygain_track_gain": "-4.00 dB",
        "replaygain_album_gain": "-4.00 dB",
        "replaygain_album_peak": "0.500000",
        "replaygain_reference_loudness": "-18.00 LUFS",
    }


def test_silence_gets_no_replaygain():
    """A player would turn what is too short to be measured up by 52 dB."""
    short = measured(np.full((2, 4410), 0.5, np.float32), 44100)
    assert short == Loudness(-70.0, 0.5) and replaygain_tags(short) == {}


@pytest.mark.parametrize("rate", [1000, 3000, 8000, 16000])
@pytest.mark.parametrize("block", [100, 5000])
def test_low_sample_rates_measure_as_high_ones(rate, block):
    tones = [0.5 * np.sin(2 * np.pi * 125 * np.arange(5 * r) / r)[None] for r in (rate, 48000)]
    low, high = tones[0].astype(np.float32), tones[1].astype(np.float32)
    wanted = measured(high, 48000).integrated
    assert measured(low, rate, block).integrated == pytest.approx(wanted, abs=0.1)
