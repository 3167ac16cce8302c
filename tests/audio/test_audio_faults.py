"""Whatever is wrong with a file is said in one line, and nothing half-written stays behind."""

import io
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from helpers.sounds import noise
from isolde.audio import AudioReader, AudioWriter, read, write
from isolde.audio.encoding import plainwav, streams
from isolde.core.errors import AudioError, InputError, IsoldeWarning

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def refusal(path: object, **options) -> str:
    with pytest.raises(AudioError) as caught:
        read(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_sources_that_are_not_there_or_not_audio(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.wav")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.wav")
    for name in ("text.wav", "text.mp3", "text.raw", "text"):
        (tmp_path / name).write_text("these are words, not samples; " * 500)
        assert re.search("not audio|no sound", refusal(tmp_path / name))
    assert "cannot be opened" in refusal("nul\0byte.wav") or os.name == "nt"
    if os.name == "posix":
        assert "is a device" in refusal("/dev/zero"), "which never ends"
    for source in (None, 3, io.StringIO("text")):
        with pytest.raises(InputError, match="is no sound: give a path or a binary stream"):
            read(source)  # type: ignore[arg-type]


def test_source_without_permission(tmp_path, monkeypatch):
    write(tmp_path / "x.wav", noise(2, 10), 44100)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "may not be read: check its permissions" in refusal(tmp_path / "x.wav")


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_cut_file_is_read_to_where_it_ends_and_noted(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    write(path, noise(2, 100000), 44100)
    with AudioReader(path, strict=True) as reader:
        whole = np.concatenate(list(reader), axis=1)
    os.truncate(path, path.stat().st_size * 6 // 10)
    with AudioReader(path, block_samples=4096) as reader:
        part = np.concatenate(list(reader), axis=1)
        notes = reader.notes()
    assert 50000 < part.shape[1] < 65000
    n = part.shape[1] - 4096  # the last frame of a codec may be spoilt
    assert np.array_equal(part[:, :n], whole[:, :n])
    ends = f"x.{kind}: cut short or damaged: ends after {part.shape[1] / 44100:.3f} s of 2."
    assert len(notes) == 1 and ends in notes[0]
    assert np.array_equal(read(path, end=1.0)[0], whole[:, :44100])
    with pytest.warns(IsoldeWarning, match=ends):
        read(path)
    with (
        pytest.raises(AudioError, match=f"{ends}.*: get another copy") as caught,
        AudioReader(path, strict=True) as reader,
    ):
        list(reader)
    assert "\n" not in str(caught.value)


def test_a_cut_caf_file_is_noted(tmp_path):
    sf.write(tmp_path / "x.caf", noise(2, 100000).T, 44100)
    os.truncate(tmp_path / "x.caf", (tmp_path / "x.caf").stat().st_size * 6 // 10)
    with pytest.warns(IsoldeWarning, match=r"ends after 1\.351 s of 2\.268 s"):
        assert read(tmp_path / "x.caf")[0].shape[1] == 59590


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_closed_reader_says_so(tmp_path, kind):
    write(tmp_path / f"x.{kind}", noise(2, 1000), 44100)
    reader = AudioReader(tmp_path / f"x.{kind}")
    reader.close()
    with pytest.raises(InputError, match=rf"x\.{kind}: is closed"):
        reader.read_block()


def test_a_cut_ogg_declares_no_length_but_is_noted(tmp_path):
    path = tmp_path / "x.ogg"
    write(path, noise(2, 200000), 44100)
    with AudioReader(path) as reader:
        assert sum(block.shape[1] for block in reader) == 200000
        assert reader.notes() == []
    os.truncate(path, path.stat().st_size * 6 // 10)
    with AudioReader(path) as reader:
        assert 50000 < sum(block.shape[1] for block in reader) < 200000
        assert "no end mark" in reader.notes()[0]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_ranges_outside_of_the_file_are_refused(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    write(path, noise(2, 44100), 44100)
    for options, message in [
        ({"start": 0.5, "end": 0.5}, "the end must be after the start"),
        ({"start": 0.5, "end": 0.25}, "the end must be after the start"),
        ({"start": -0.1}, "the start must be 0 or more"),
        ({"start": float("nan")}, "the start must be 0 or more"),
        ({"start": 1e306}, "the start must be 0 or more, at most"),
        ({"end": float("inf")}, r"at most 1e\+09 \(in Python None for all\)"),
        ({"start": 1.0}, r"lasts 1\.000 s, so it cannot start at 1\.000 s"),
        ({"start": 0.5, "end": 0.500001}, "holds no sample"),
        ({"block_samples": 0}, "must have 1 or more"),
    ]:
        with pytest.raises(InputError, match=message), AudioReader(path, **options) as reader:
            list(reader)  # where only decoding tells the length
    assert read(path, start=0.5, end=1.0)[0].shape == (2, 22050)
    assert read(path, start=0.5, end=9)[0].shape == (2, 22050)  # beyond the end: to the end


def test_existing_files_are_kept_unless_told(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match="exists already: choose another name"):
        write(path, noise(2, 10), 44100)
    assert path.read_bytes() == b"precious"
    with (
        pytest.raises(RuntimeError),
        AudioWriter(path, sample_rate=44100, n_channels=2, overwrite=True) as writer,
    ):
        writer.write(noise(2, 10))
        raise RuntimeError
    assert path.read_bytes() == b"precious"
    write(path, noise(2, 10), 44100, overwrite=True)
    assert read(path)[0].shape == (2, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    writer = AudioWriter(tmp_path / "x.wav", sample_rate=44100, n_channels=2)
    (tmp_path / "x.wav").write_bytes(b"precious")
    with pytest.raises(AudioError, match="exists already"):
        writer.close()
    assert (tmp_path / "x.wav").read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("what", [KeyboardInterrupt, ValueError, SystemExit])
def test_no_part_of_a_file_survives_an_interruption(tmp_path, kind, what):
    path = tmp_path / "deep" / "new" / f"x.{kind}"
    with pytest.raises(what), AudioWriter(path, sample_rate=44100, n_channels=2) as writer:
        writer.write(noise(2, 50000))
        assert not path.exists()
        raise what
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="it was aborted"):
        writer.write(noise(2, 10))


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_an_interruption_inside_libsndfile_is_not_lost(tmp_path, monkeypatch, kind):
    def interrupted(*_args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with AudioWriter(tmp_path / f"x.{kind}", sample_rate=44100, n_channels=2) as writer:
            monkeypatch.setattr(streams, "write_fully", interrupted)
            monkeypatch.setattr(plainwav, "write_fully", interrupted)
            for _ in range(20):
                writer.write(noise(2, 44100))
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be(tmp_path):
    (tmp_path / "x.wav").mkdir()
    with pytest.raises(AudioError, match="is a folder: name a file in it"):
        write(tmp_path / "x.wav", noise(2, 10), 44100, overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="a part of its folder is a file"):
        write(tmp_path / "file" / "sub" / "x.wav", noise(2, 10), 44100)
    with pytest.raises(AudioError, match="name is too long"):
        write(tmp_path / f"{'x' * 300}.wav", noise(2, 10), 44100)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "x.wav"]


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_target_in_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(AudioError, match="check the permissions of the folder"):
        write(tmp_path / "x.wav", noise(2, 10), 44100)


def test_blocks_of_another_shape_are_refused(tmp_path):
    with AudioWriter(tmp_path / "x.wav", sample_rate=44100, n_channels=2) as writer:
        for shape in [(1, 5), (5, 2), (10,)]:
            with pytest.raises(InputError, match=r"does not fit: give \(2, n_samples\)"):
                writer.write(np.zeros(shape, np.float32))
        writer.write(np.zeros((2, 0), np.float32))
        writer.write(noise(2, 5))
    assert read(tmp_path / "x.wav")[0].shape == (2, 5)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((441_000, 2), np.float32), "what soundfile reads is turned by x.T"),
        (np.full((2, 10), 3000, np.int16), "type int16 is no audio"),
        (np.ones((2, 10), bool), "type bool is no audio"),
        (np.ones((2, 10), np.complex64), "type complex64 is no audio"),
        (np.zeros((1, 2, 10), np.float32), r"shape \(1, 2, 10\) and type float32 is no audio"),
        ([[0.0, 0.1]], "samples of type list"),
        (None, "samples of type NoneType"),
    ],
)
def test_what_is_no_audio_is_not_written(tmp_path, audio, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "x.wav", audio, 44100)
    with (
        pytest.raises(InputError),
        AudioWriter(tmp_path / "x.wav", sample_rate=44100, n_channels=1) as writer,
    ):
        writer.write(audio)
    assert not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "a"}, "quality is 'a': give a number"),
        ({"bitrate": "a"}, "bitrate is 'a': give a number"),
        ({"tags": 3}, "tags are 3: give texts by name"),
    ],
)
def test_options_of_another_type_are_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "x.mp3", noise(2, 10), 44100, **options)
    for target in (None, 7, io.StringIO()):
        with pytest.raises(InputError, match="cannot be written to: give a path or a binary"):
            write(target, noise(2, 10), 44100)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("rate", [44100.0, True, "44100", 0, 2**63])
def test_a_rate_that_cannot_be_is_refused_by_read(tmp_path, rate):
    write(tmp_path / "x.wav", noise(2, 10), 44100)
    with pytest.raises(InputError, match=r"sample[_ ]rate"):
        read(tmp_path / "x.wav", sample_rate=rate)


def test_a_rate_above_those_of_music_is_read_and_written(tmp_path):
    write(tmp_path / "x.wav", noise(2, 1000), np.int64(768_000))
    assert read(tmp_path / "x.wav", sample_rate=np.int32(96_000))[0].shape == (2, 125)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not IS_ROOT or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_full_disk_is_told_and_left_empty(small_disk, kind):
    with pytest.raises(AudioError, match="the disk is full: make room") as caught:
        with AudioWriter(small_disk / f"x.{kind}", sample_rate=48000, n_channels=2) as writer:
            for _ in range(200):
                writer.write(noise(2, 9600))
    assert "\n" not in str(caught.value) and f"x.{kind}" in str(caught.value)
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_a_full_temporary_folder_is_in_nobodys_way(small_disk, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    audio = noise(2, 200_000)
    write(tmp_path / f"x.{kind}", audio, 48000)
    assert read(tmp_path / f"x.{kind}")[0].shape == audio.shape
    with pytest.raises(AudioError, match="the disk is full"):
        write(io.BytesIO(), audio, 48000, container=kind)


@pytest.mark.parametrize("kind", ["flac", "ogg", "m4a", "mp3"])
def test_a_pipe_with_a_full_temporary_folder_is_told(small_disk, monkeypatch, kind):
    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any, /) -> int:
            return len(data)

    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(AudioError, match="the disk is full"):
        write(Pipe(), noise(2, 600_000), 48000, container=kind)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_disk_that_fills_with_the_last_bytes_is_told(small_disk, kind):
    room = 3000
    (small_disk / "other").write_bytes(bytes(60 * 1024))
    with pytest.raises(AudioError, match="the disk is full"):
        write(small_disk / f"x.{kind}", noise(2, 4 * room), 48000)
    assert [p.name for p in small_disk.iterdir()] == ["other"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_full_device_is_told_and_never_replaced(kind):
    before = os.stat("/dev/full").st_ino
    with pytest.raises(AudioError, match="the disk is full"):
        write("/dev/full", noise(2, 100000), 44100, container=kind, overwrite=True)
    assert os.stat("/dev/full").st_ino == before


def test_links_are_followed_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.wav").touch()
    (tmp_path / "link.wav").symlink_to(tmp_path / "real" / "x.wav")
    write(tmp_path / "link.wav", noise(2, 10), 44100, overwrite=True)
    assert (tmp_path / "link.wav").is_symlink()
    assert read(tmp_path / "real" / "x.wav")[0].shape == (2, 10)
