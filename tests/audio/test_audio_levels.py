"""Levels are never changed in silence: clipping is counted, NaN is replaced and counted."""

import numpy as np
import pytest
import soundfile as sf

from isolde.audio import AudioReader, AudioWriter, read, write
from isolde.core.errors import AudioError, InputError


def loud() -> np.ndarray:
    """Four samples beyond full scale, the largest 2.0; full scale itself is no clipping."""
    audio = np.full((2, 100), 0.25, np.float32)
    audio[0, 10:12] = 1.5
    audio[1, 50] = -2.0
    audio[1, 51] = 1.0001
    audio[0, 60:62] = 1.0, -1.0
    return audio


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3"])
def test_clipping_is_counted_and_told(tmp_path, name):
    audio = loud()
    before = audio.copy()
    with AudioWriter(tmp_path / name, sample_rate=44100, n_channels=2) as writer:
        writer.write(audio[:, :30])
        writer.write(audio[:, 30:])
    assert (writer.n_clipped, writer.peak) == (4, 2.0)
    note = "; ".join(writer.notes())
    assert note is not None and "\n" not in note
    assert "4 samples clipped, peak 2.000 (+6.0 dB)" in note and name in note
    assert np.array_equal(audio, before)


def test_one_clipped_sample_is_one(tmp_path):
    audio = np.zeros((1, 9), np.float32)
    audio[0, 4] = 2.0
    with AudioWriter(tmp_path / "x.wav", sample_rate=44100, n_channels=1) as writer:
        writer.write(audio)
    assert "1 sample clipped, peak" in "; ".join(writer.notes())


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
def test_clipped_samples_are_at_full_scale_and_others_as_they_were(tmp_path, subtype):
    write(tmp_path / "x.wav", loud(), 44100, subtype=subtype)
    back, _ = read(tmp_path / "x.wav")
    np.testing.assert_allclose(back, np.clip(loud(), -1, 1), atol=2**-15)
    assert back.min() == -1.0


def test_policy_clip_is_silent_and_the_default_is_not(tmp_path):
    assert write(tmp_path / "a.wav", loud(), 44100, clip="clip") is None
    note = write(tmp_path / "b.wav", loud(), 44100)
    assert note is not None
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("bad", [2.0, np.nan])
def test_policy_error_leaves_nothing_behind(tmp_path, bad):
    audio = np.zeros((1, 100), np.float32)
    audio[0, 50] = bad
    with pytest.raises(AudioError, match=r"x\.wav: 1 samples (exceed full scale|are NaN)"):
        write(tmp_path / "new" / "x.wav", audio, 44100, clip="error")
    assert list(tmp_path.iterdir()) == []


def test_float_files_hold_any_level(tmp_path):
    assert write(tmp_path / "x.wav", loud(), 44100, subtype="FLOAT", clip="error") is None
    assert np.array_equal(read(tmp_path / "x.wav")[0], loud())


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_nan_is_written_as_silence_and_told(tmp_path, subtype):
    audio = np.full((1, 100), 0.5, np.float32)
    audio[0, [3, 4, 5]] = np.nan, np.inf, -np.inf
    note = write(tmp_path / "x.wav", audio, 44100, subtype=subtype, clip="clip")
    assert note is not None and "3 NaN or infinite samples became 0" in note
    back, _ = sf.read(tmp_path / "x.wav", dtype="float32")
    assert back[3:6].tolist() == [0, 0, 0]
    assert np.abs(back).max() == 0.5


def test_nan_in_a_file_is_read_as_silence_and_counted(tmp_path):
    audio = np.full((100, 2), 0.5, np.float32)
    audio[10] = np.nan, np.inf
    audio[99, 1] = -np.inf
    sf.write(tmp_path / "x.wav", audio, 44100, subtype="FLOAT")
    with AudioReader(tmp_path / "x.wav", block_samples=30) as reader:
        back = np.concatenate(list(reader), axis=1)
        assert reader.n_nonfinite == 3
        assert "3 samples are NaN or infinite" in reader.notes()[0]
    wanted = np.where(np.isfinite(audio), audio, 0).T
    assert np.array_equal(back, wanted)


def test_samples_louder_than_any_sound_are_read_as_silence_too(tmp_path):
    audio = np.full((100, 1), 0.5)
    audio[[3, 50, 99], 0] = 1e30, -1e300, 1e15  # the last one is the loudest that is taken
    sf.write(tmp_path / "x.wav", audio, 44100, subtype="DOUBLE")
    with AudioReader(tmp_path / "x.wav", block_samples=30) as reader:
        back = np.concatenate(list(reader), axis=1)
        assert reader.notes()[0].endswith(
            "x.wav: 2 samples are NaN or infinite, or beyond 1e+15; they were replaced by 0"
        )
    assert back[0, [3, 50]].tolist() == [0, 0] and back[0, 99] == np.float32(1e15)


def test_integers_are_rounded_not_cut(tmp_path):
    # The error of rounding is uniform within half a step: 6.02 b + 1.76 dB below a full sine.
    t = np.arange(48000)
    audio = (0.999 * np.sin(2 * np.pi * 997 / 48000 * t))[None].astype(np.float32)
    write(tmp_path / "x.wav", audio, 48000)
    error = read(tmp_path / "x.wav")[0].astype(float) - audio
    ratio = 10 * np.log10(np.mean(audio.astype(float) ** 2) / np.mean(error**2))
    assert ratio == pytest.approx(6.02 * 16 + 1.76, abs=0.3)
    assert abs(error.mean()) < 2**-20


def test_unknown_policy_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose warn, clip or error"):
        write(tmp_path / "x.wav", loud(), 44100, clip="loud")  # type: ignore[arg-type]
