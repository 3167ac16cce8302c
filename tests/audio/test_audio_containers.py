"""Sound in m4a and video files is read by way of PyAV, in its place, with its tags."""

import importlib
import sys
from fractions import Fraction

import numpy as np
import pytest

from helpers.sounds import sweep
from isolde.audio import AudioReader, info, read, write
from isolde.audio.encoding.ffmpeg import LAYOUTS
from isolde.core.errors import AudioError


def encode(target, form: str, codec: str, audio: np.ndarray, rate: int):
    av = importlib.import_module("av")
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[audio.shape[0]]
    with av.open(target, "w", format=form) as container:
        container.metadata["title"] = "Für Élise"
        container.metadata["artist"] = "Bjørk"
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 256000
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "form", "codec", "rate", "channels", "padding"),
    [
        ("x.m4a", "ipod", "aac", 44100, 2, 1024),
        ("x.m4a", "ipod", "aac", 22050, 1, 1024),
        ("x.mp4", "mp4", "aac", 48000, 6, 1024),
        ("x.m4a", "ipod", "alac", 44100, 2, 0),
        ("x.webm", "webm", "libopus", 48000, 2, 0),
        ("x.mkv", "matroska", "flac", 44100, 2, 0),
    ],
)
def test_containers_keep_place_tags_and_length(
    tmp_path, name, form, codec, rate, channels, padding
):
    audio = sweep(rate, rate + 17, channels)
    encode(str(tmp_path / name), form, codec, audio, rate)
    seen = info(tmp_path / name)
    assert (seen.sample_rate, seen.n_channels, seen.n_samples) == (rate, channels, None)
    assert seen.seconds == pytest.approx(1.0, abs=0.05)
    assert dict(seen.tags) == {"title": "Für Élise", "artist": "Bjørk"}
    back, back_rate = read(tmp_path / name)
    assert back_rate == rate
    assert 0 <= back.shape[1] - audio.shape[1] <= padding
    for channel in range(channels):
        if (channels, channel) == (6, 3):
            continue  # the subwoofer: AAC keeps only its bass
        fit = np.fft.rfft(back[channel], 4 * rate) * np.conj(np.fft.rfft(audio[channel], 4 * rate))
        assert int(np.argmax(np.fft.irfft(fit))) == 0


def test_the_contents_count_not_the_name(tmp_path):
    audio = sweep(44100, 5000, 1)
    encode(str(tmp_path / "song.m4a"), "ipod", "alac", audio, 44100)
    data = (tmp_path / "song.m4a").read_bytes()
    (tmp_path / "song.mp3").write_bytes(data)
    wanted, _ = read(tmp_path / "song.m4a")
    assert np.array_equal(read(tmp_path / "song.mp3")[0], wanted)


def test_containers_without_sound_or_sense(tmp_path):
    av = importlib.import_module("av")
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 64
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux(picture.encode(image))
        container.mux(picture.encode(None))
    with pytest.raises(AudioError, match=r"mute\.mp4: has no sound in it"):
        info(tmp_path / "mute.mp4")
    (tmp_path / "broken.m4a").write_bytes((tmp_path / "mute.mp4").read_bytes()[:40] + bytes(5000))
    with pytest.raises(AudioError, match=r"broken\.m4a: not audio"):
        info(tmp_path / "broken.m4a")


def test_a_cut_container_is_noted(tmp_path):
    encode(str(tmp_path / "x.mka"), "matroska", "flac", sweep(44100, 5 * 44100, 2), 44100)
    data = (tmp_path / "x.mka").read_bytes()
    with AudioReader(tmp_path / "x.mka") as reader:
        assert sum(block.shape[1] for block in reader) == 5 * 44100
        assert reader.notes() == []
    (tmp_path / "x.mka").write_bytes(data[: len(data) // 2])
    with AudioReader(tmp_path / "x.mka") as reader:
        assert 44100 < sum(block.shape[1] for block in reader) < 4 * 44100
        assert "cut short or damaged: ends after" in reader.notes()[0]


def test_pyav_is_not_imported_for_other_files(tmp_path):
    # The import of `isolde.audio` and reading wav must not pay for FFmpeg.
    import subprocess

    code = "import sys, isolde.audio; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("channels", range(3, 9))
def test_the_loudspeakers_of_wav_are_those_of_every_other_format(tmp_path, channels):
    write(tmp_path / "x.wav", np.zeros((channels, 100), np.float32), 44100)
    av = importlib.import_module("av")
    with av.open(str(tmp_path / "x.wav")) as container:
        assert container.streams.audio[0].layout.name == LAYOUTS[channels]
