"""Every kind of file is read as ffmpeg reads it: the same samples, the first and the last too."""

import io
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from helpers.kinds import KINDS, LOSSY, RATE, Kind, ffmpeg_decode, sounds, write_dsf
from isolde.audio import AudioReader, info, read, subtype_for
from isolde.core.errors import AudioError

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "formats.md"


def ffmpeg(*words: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_samples_offset_and_length_are_those_of_ffmpeg(kinds, kind: Kind):
    with AudioReader(kinds[kind.name]) as reader:
        ours = np.concatenate(list(reader), axis=1)
        assert reader.notes() == []
        assert reader.info.bit_depth == kind.depth
        about = reader.info.about_samples
    theirs = ffmpeg_decode(kinds[kind.name], ours.shape[0])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= kind.tolerance
    assert about is None or abs(about - ours.shape[1]) < 0.1 * ours.shape[1]


@pytest.mark.parametrize("kind", KINDS[::3], ids=lambda kind: kind.name)
def test_a_range_is_that_part_to_the_sample(kinds, kind: Kind):
    whole, rate = read(kinds[kind.name])
    first, last = 12345, 20001
    with AudioReader(
        kinds[kind.name], start=first / rate, end=last / rate, block_samples=999
    ) as reader:
        part = np.concatenate(list(reader), axis=1)
    assert np.array_equal(part, whole[:, first:last])


@pytest.mark.parametrize("kind", KINDS[1::3], ids=lambda kind: kind.name)
def test_a_stream_holds_what_the_file_holds(kinds, kind: Kind):
    if kind.name.endswith((".voc", ".g722")):
        pytest.skip("only the name tells what it is")
    whole, rate = read(kinds[kind.name])
    streamed, streamed_rate = read(io.BytesIO(kinds[kind.name].read_bytes()))
    assert rate == streamed_rate and np.array_equal(whole, streamed)


def test_the_page_lists_every_kind():
    page = PAGE.read_text("utf-8")
    endings = {kind.name.rpartition(".")[2] for kind in KINDS} | {"dsf"}
    assert endings <= set(re.findall(r"`\.(\w+)`", page))


@pytest.mark.parametrize(
    "name", ["surround.wav", "surround.m4a", "vorbis51.ogg", "opus51.opus", "dolby51.ac3"]
)
def test_surround_keeps_the_order_of_its_channels(kinds, name: str):
    heard, rate = read(kinds[name])
    wanted = sounds(6).T
    for channel in (0, 1, 2, 4, 5):  # 3 is the subwoofer, of which codecs keep only the bass
        spectra = (
            np.abs(np.fft.rfft(heard[channel, : rate // 5])),
            np.abs(np.fft.rfft(wanted[channel, : RATE // 5])),
        )
        peaks = [int(np.argmax(spectrum)) for spectrum in spectra]
        assert abs(peaks[0] - peaks[1]) <= 5  # channels are 26 apart


def test_three_channels_of_vorbis_are_left_right_centre(kinds):
    heard, _ = read(kinds["vorbis3.ogg"])
    wanted = sounds(3).T
    for channel in range(3):
        likeness = [np.corrcoef(heard[channel], row)[0, 1] for row in wanted]
        assert int(np.argmax(likeness)) == channel and max(likeness) > 0.9


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("alac24.m4a", "PCM_24"), ("s24.wv", "PCM_24"), ("f32.wv", "FLOAT"), ("cbr.mp3", "PCM_16")],
)
def test_stems_have_the_bit_depth_of_the_song(kinds, name: str, subtype: str):
    assert subtype_for("wav", like=info(kinds[name])) == subtype


def test_one_bit_sound_is_read(tmp_path):
    write_dsf(tmp_path / "x.dsf")
    audio, rate = read(tmp_path / "x.dsf")
    theirs = ffmpeg_decode(tmp_path / "x.dsf", 2)
    assert rate == 352800 and audio.shape == theirs.shape
    # FFmpeg changed its filter's state before the first sample between its versions.
    assert np.abs(audio[:, 1000:] - theirs[:, 1000:]).max() < 0.02


def test_a_video_whose_sound_begins_late_keeps_its_time(kinds, tmp_path):
    for name, codec in (("late.mp4", "alac"), ("late.mkv", "flac")):
        picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=25:duration=3")
        sound = ("-itsoffset", "1.2", "-i", kinds["s16.wav"])
        ffmpeg(*picture, *sound, "-map", "0:v", "-map", "1:a", "-c:a", codec, tmp_path / name)
        with AudioReader(tmp_path / name) as reader:
            audio = np.concatenate(list(reader), axis=1)
            (note,) = reader.notes()
            late = reader.info.late_samples
        assert abs(late - 1.2 * RATE) < 0.001 * RATE + 1  # mkv counts milliseconds
        assert "the sound begins 1.200 s after the picture" in note and "silence" in note
        assert not audio[:, :late].any()
        assert np.array_equal(audio[:, late:], ffmpeg_decode(tmp_path / name, 2))
        part, _ = read(tmp_path / name, start=1.0, end=1.3)
        assert np.array_equal(part, audio[:, RATE : round(1.3 * RATE)])


def test_sound_in_one_step_with_the_picture_is_left_alone(kinds):
    assert info(kinds["video.mp4"]).late_samples == info(kinds["video.ts"]).late_samples == 0


def test_a_stream_that_changes_its_channels_is_converted(kinds, tmp_path):
    ffmpeg("-i", kinds["s16.wav"], "-ac", "1", tmp_path / "mono.aac")
    ffmpeg("-i", kinds["s16.wav"], "-ar", "22050", tmp_path / "slow.mp3")
    stereo = kinds["adts.aac"].read_bytes()
    (tmp_path / "x.aac").write_bytes((tmp_path / "mono.aac").read_bytes() + stereo)
    (tmp_path / "y.aac").write_bytes(stereo + (tmp_path / "mono.aac").read_bytes())
    slow = (tmp_path / "slow.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(kinds["bare.mp3"].read_bytes() + slow)
    for name, n_channels, rate in (("x.aac", 1, RATE), ("y.aac", 2, RATE), ("x.mp3", 2, RATE)):
        with AudioReader(tmp_path / name) as reader:
            audio = np.concatenate(list(reader), axis=1)
            assert (reader.info.n_channels, reader.info.sample_rate) == (n_channels, rate)
            assert re.search(r"changes at 1\.5\d\d s to \d channels", reader.notes()[0])
        theirs = ffmpeg_decode(tmp_path / name, n_channels)
        assert abs(audio.shape[1] - theirs.shape[1]) <= 64  # what a resampler holds back
        n = min(audio.shape[1], theirs.shape[1]) - 64
        assert np.abs(audio[:, :n] - theirs[:, :n]).max() < 0.01


@pytest.mark.parametrize(("name", "n"), [("vorbis.ogg", 66150), ("opus.opus", 72000)])
def test_all_links_of_a_chained_file_are_read(kinds, tmp_path, name: str, n: int):
    data = kinds[name].read_bytes()
    (tmp_path / name).write_bytes(data + data + data)
    one, _ = read(kinds[name])
    three, _ = read(tmp_path / name)
    assert one.shape[1] == n and abs(three.shape[1] - 3 * n) <= 3 * 480
    assert np.array_equal(three[:, :n], one)
    assert np.abs(three[:, -n + 5000 :] - one[:, 5000:]).max() < LOSSY


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ("mono.ogg", "vorbis.ogg", "-ac 1 -c:a libvorbis"),
        ("slow.ogg", "vorbis.ogg", "-ar 22050 -c:a libvorbis"),
        ("vorbis.ogg", "flac.oga", ""),
        ("flac.oga", "opus.opus", ""),
    ],
)
def test_links_of_other_kinds_are_read(kinds, tmp_path, first: str, second: str, options: str):
    before = kinds.get(first, tmp_path / first)
    if options:
        ffmpeg("-i", kinds["s16.wav"], *options.split(), before)
    path = tmp_path / "x.ogg"
    path.write_bytes(before.read_bytes() + kinds[second].read_bytes() + before.read_bytes())
    one, rate = read(before)
    other, other_rate = read(kinds[second])
    with AudioReader(path) as reader:
        audio = np.concatenate(list(reader), axis=1)
        notes = reader.notes()
    n, m = one.shape[1], round(other.shape[1] * rate / other_rate)
    assert audio.shape[0] == one.shape[0] and abs(audio.shape[1] - 2 * n - m) <= 64
    assert np.array_equal(audio[:, :n], one) and np.array_equal(audio[:, -n:], one)
    if other.shape[0] == one.shape[0] and rate == other_rate:
        assert notes == [] and np.array_equal(audio[:, n:-n], other)
    else:
        assert len(notes) == 1 and "changes at 1.500 s to 2 channels" in notes[0]
        assert np.std(audio[:, n:-n]) > 0.1


def test_a_wav_behind_a_tag_is_read(kinds, tmp_path):
    tag = b"ID3\x03\0\0\0\0\x07\x76" + bytes(1014)
    (tmp_path / "x.wav").write_bytes(tag + kinds["s16.wav"].read_bytes())
    assert np.array_equal(read(tmp_path / "x.wav")[0], read(kinds["s16.wav"])[0])


@pytest.mark.slow
@pytest.mark.parametrize("n_frames", [0, 20, 58, 200])
def test_an_mp3_with_the_other_header_is_read_whole(kinds, tmp_path, n_frames: int):
    """Fraunhofer's VBRI header, whatever number of frames it states."""
    ffmpeg("-i", kinds["s16.wav"], "-b:a", "128k", "-write_xing", "0", tmp_path / "bare.mp3")
    bare = (tmp_path / "bare.mp3").read_bytes()
    bare = bare[bare.index(b"\xff\xfb") :]
    head = bare[:4] + bytes(32) + b"VBRI"
    head += struct.pack(">HHHIIHHHH", 1, 0, 75, len(bare), n_frames, 1, 1, 2, n_frames)
    (tmp_path / "vbri.mp3").write_bytes(head.ljust(417, b"\0") + bare)
    (tmp_path / "bare.mp3").write_bytes(bare)
    audio, _ = read(tmp_path / "vbri.mp3")
    theirs = ffmpeg_decode(tmp_path / "vbri.mp3", 2)
    assert audio.shape == theirs.shape and np.abs(audio - theirs).max() <= LOSSY
    assert audio.shape[1] >= read(tmp_path / "bare.mp3")[0].shape[1]


@pytest.mark.parametrize(
    ("name", "start", "frame", "size"),
    [("x.amr", b"#!AMR\n", b"\x3c", 31), ("x.awb", b"#!AMR-WB\n", b"\x44", 60)],
)
def test_speech_of_telephones_is_read(tmp_path, name: str, start: bytes, frame: bytes, size: int):
    # FFmpeg cannot write it, but any bits are some sound.
    bits = np.random.default_rng(0).integers(0, 256, (50, size)).astype(np.uint8)
    (tmp_path / name).write_bytes(start + b"".join(frame + row.tobytes() for row in bits))
    audio, rate = read(tmp_path / name)
    theirs = ffmpeg_decode(tmp_path / name, 1)
    assert audio.shape == theirs.shape == (1, rate) and np.std(audio) > 0.01
    assert np.abs(audio - theirs).max() <= LOSSY


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 1000, 1024, 3000])
def test_aac_has_the_length_that_ffmpeg_gives(kinds, tmp_path, n: int):
    for name in ("x.m4a", "x.aac", "x.mka"):
        ffmpeg(
            "-i", kinds["s16.wav"], "-af", f"atrim=end_sample={n}", "-c:a", "aac", tmp_path / name
        )
        theirs = ffmpeg_decode(tmp_path / name, 2)
        if not theirs.size:
            with pytest.raises(AudioError, match="holds no sound"):
                read(tmp_path / name)
            continue
        audio, _ = read(tmp_path / name)
        assert audio.shape == theirs.shape and np.abs(audio - theirs).max() <= LOSSY


def test_24_bits_in_32_are_told_and_kept(tmp_path):
    values = np.random.default_rng(0).integers(-(2**23), 2**23, (5000, 2)).astype("<i4") << 8
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 2, RATE, 8 * RATE, 8, 32, 22, 24, 3)
    form += struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", 40) + form
    body += b"data" + struct.pack("<I", values.nbytes) + values.tobytes()
    (tmp_path / "x.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert np.array_equal(read(tmp_path / "x.wav")[0].T, (values / 2**31).astype(np.float32))


def test_sound_without_a_picture_that_begins_late_is_whole(kinds, tmp_path):
    ffmpeg("-itsoffset", "1.5", "-i", kinds["s16.wav"], "-c:a", "flac", tmp_path / "x.mka")
    with AudioReader(tmp_path / "x.mka") as reader:
        audio = np.concatenate(list(reader), axis=1)
        assert reader.notes() == []
    assert np.array_equal(audio, read(kinds["s16.wav"])[0])


def test_adpcm_is_that_of_ffmpeg_whoever_wrote_it(tmp_path):
    sf.write(tmp_path / "x.wav", sounds(2), RATE, subtype="MS_ADPCM")
    assert np.array_equal(read(tmp_path / "x.wav")[0], ffmpeg_decode(tmp_path / "x.wav", 2))


def test_a_vorbis_file_of_less_than_a_page_is_whole(tmp_path, kinds):
    # ffmpeg itself leaves out as much as the first packet lasts: 3858 or 4410 - 128.
    ffmpeg("-i", kinds["s16.wav"], "-t", "0.1", "-c:a", "libvorbis", tmp_path / "short.ogg")
    assert read(tmp_path / "short.ogg")[0].shape == (2, 4410)
