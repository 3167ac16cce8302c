"""Wav goes through pipes as it comes, with or without lengths; other formats by way of a file."""

import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile as sf

from helpers.sounds import noise
from isolde.audio import AudioReader, AudioWriter, read, wav, write
from isolde.audio.decoding.libsndfile import SoundFileDecoder
from isolde.core.errors import AudioError, InputError

SUBTYPES = ["PCM_16", "PCM_24", "PCM_32", "FLOAT"]


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives or takes a few bytes at a time."""

    def __init__(self, data: bytes = b"", step: int = 1000) -> None:
        super().__init__()
        self.data = bytearray(data)
        self.taken = 0
        self.step = step

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, n: int = -1, /) -> bytes:
        n = len(self.data) if n < 0 else min(n, self.step)
        piece = bytes(self.data[self.taken : self.taken + n])
        self.taken += len(piece)
        return piece

    def write(self, data, /) -> int:
        piece = bytes(data)[: self.step]
        self.data += piece
        return len(piece)


def everything(source, **options) -> np.ndarray:
    with AudioReader(source, **options) as reader:
        blocks = [np.zeros((reader.info.n_channels, 0), np.float32), *reader]
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_through_a_pipe_equals_wav_in_a_file(tmp_path, subtype, channels):
    audio = noise(channels, 1001)
    pipe = Pipe()
    with AudioWriter(
        pipe, sample_rate=44100, n_channels=channels, subtype=subtype, tags={"title": "é"}
    ) as writer:
        writer.write(audio[:, :300])
        writer.write(audio[:, 300:])
    write(tmp_path / "x.wav", audio, 44100, subtype=subtype)
    wanted, _ = read(tmp_path / "x.wav")
    assert np.array_equal(everything(Pipe(bytes(pipe.data)), block_samples=77), wanted)
    # libsndfile reads the same from the bytes with the unknown length, saved as a file.
    (tmp_path / "saved.wav").write_bytes(pipe.data)
    other, _ = sf.read(tmp_path / "saved.wav", dtype="float32", always_2d=True)
    assert np.array_equal(other.T, wanted)
    assert np.array_equal(read(tmp_path / "saved.wav")[0], wanted)
    # And the file itself can come through a pipe, with its length known.
    with AudioReader(Pipe((tmp_path / "x.wav").read_bytes())) as reader:
        assert reader.info.n_samples == 1001 and reader.info.subtype == subtype
        assert np.array_equal(np.concatenate(list(reader), axis=1), wanted)


def test_nothing_is_read_ahead_and_nothing_held_back():
    pipe = Pipe()
    with AudioWriter(pipe, sample_rate=8000, n_channels=1) as writer:
        head = len(pipe.data)
        writer.write(noise(1, 500))
        assert len(pipe.data) == head + 1000
    source = Pipe(bytes(pipe.data))
    with AudioReader(source, block_samples=100) as reader:
        assert source.taken == head
        assert reader.read_block().shape == (1, 100)
        assert source.taken == head + 200


def test_a_range_of_a_pipe():
    pipe = Pipe()
    with AudioWriter(pipe, sample_rate=1000, n_channels=2, subtype="FLOAT") as writer:
        writer.write(noise(2, 2000))
    data = bytes(pipe.data)
    part = everything(Pipe(data), start=0.5, end=1.25, block_samples=33)
    assert np.array_equal(part, noise(2, 2000)[:, 500:1250])
    assert np.array_equal(everything(Pipe(data), start=0.5, end=3.0), noise(2, 2000)[:, 500:])
    with pytest.raises(InputError, match=r"lasts 2\.000 s, so it cannot start at 2\.500 s"):
        everything(Pipe(data), start=2.5)


@pytest.mark.parametrize(
    ("riff", "size"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000)],
    ids=["ffmpeg", "zeros", "sox", "arecord"],
)
def test_placeholder_lengths_mean_until_the_end(riff, size):
    body = np.arange(-300, 300, dtype="<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, 2, 44100, 176400, 4, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16) + fmt
    data = head + struct.pack("<4sI", b"data", size) + body
    with AudioReader(Pipe(data)) as reader:
        assert reader.n_samples is None
        audio = np.concatenate(list(reader), axis=1)
    assert np.array_equal(audio.T.ravel() * 32768, np.arange(-300, 300))


def test_a_pipe_that_breaks_off_is_noticed():
    buffer = io.BytesIO()
    sf.write(buffer, noise(2, 1000).T, 1000, subtype="PCM_16", format="WAV")
    with AudioReader(Pipe(buffer.getvalue()[:-2000])) as reader:
        assert sum(block.shape[1] for block in reader) == 500
        assert reader.notes() == ["<stream>: cut short or damaged: ends after 0.500 s of 1.000 s"]
    with pytest.raises(AudioError, match=r"ends after 0\.500 s of 1\.000 s"):
        everything(Pipe(buffer.getvalue()[:-2000]), strict=True)


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_other_formats_come_and_go_through_pipes(kind):
    pipe = Pipe()
    with AudioWriter(pipe, sample_rate=44100, n_channels=2, container=kind) as writer:
        writer.write(noise(2, 3000))
        assert not pipe.data
    with AudioReader(Pipe(bytes(pipe.data))) as reader:
        assert reader.info.container == kind.upper()
        assert sum(block.shape[1] for block in reader) == 3000


def test_compressed_wav_comes_through_a_pipe():
    buffer = io.BytesIO()
    sf.write(buffer, noise(2, 1000).T, 8000, subtype="ULAW", format="WAV")
    wanted, _ = sf.read(io.BytesIO(buffer.getvalue()), dtype="float32")
    assert np.array_equal(everything(Pipe(buffer.getvalue())), wanted.T)


def test_streams_in_memory_get_final_headers_and_keep_what_was_before():
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    with AudioWriter(buffer, sample_rate=44100, n_channels=1) as writer:
        writer.write(noise(1, 11))
    assert buffer.getvalue().startswith(b"beforeRIFF")
    whole = io.BytesIO(buffer.getvalue()[6:])
    assert sf.info(whole).frames == 11
    with pytest.raises(RuntimeError), AudioWriter(buffer, sample_rate=1, n_channels=1) as writer:
        writer.write(noise(1, 11))
        raise RuntimeError
    assert buffer.getvalue()[6:] == whole.getvalue()


def test_empty_and_senseless_streams_are_named():
    for source in (Pipe(), io.BytesIO()):
        with pytest.raises(AudioError, match=r"<stream>: is empty \(0 bytes\)"):
            AudioReader(source)
    for source in (Pipe(b"RIFF" + b"x" * 999), io.BytesIO(b"y" * 999), Pipe(b"z")):
        with pytest.raises(AudioError, match="not audio that can be decoded"):
            AudioReader(source)


def test_a_source_that_breaks_or_is_closed_is_named():
    class Broken(Pipe):
        def read(self, n: int = -1, /) -> bytes:
            if self.taken > 40:
                raise OSError(5, "Input/output error")
            return super().read(n)

    for data in (b"fLaC" + bytes(100), bytes(100)):
        with pytest.raises(AudioError, match=r"<stream>: cannot be read \(Input/output error\)"):
            AudioReader(Broken(data, step=10))
    closed = io.BytesIO(b"RIFF")
    closed.close()
    with pytest.raises(AudioError, match=r"<stream>: cannot be read \(I/O operation on closed"):
        AudioReader(closed)


def test_the_number_of_a_sound_holds_in_a_stream_too():
    buffer = io.BytesIO()
    write(buffer, noise(2, 100), 44100)
    assert AudioReader(buffer, stream=0).read_block().shape == (2, 100)
    for number in (1, -1):
        with pytest.raises(AudioError, match=f"has 1 audio streams, numbered from 0: no {number}"):
            AudioReader(buffer, stream=number)


def test_a_reader_that_goes_away_is_told_in_one_line():
    receive, send = os.pipe()
    os.close(receive)
    with os.fdopen(send, "wb") as stream:
        with pytest.raises(AudioError, match="the program that reads the pipe has ended"):
            AudioWriter(stream, sample_rate=44100, n_channels=1).write(noise(1, 100000))
        try:
            stream.close()
        except BrokenPipeError:
            pass


def test_through_real_processes(tmp_path):
    code = (
        "import sys; from isolde.audio import AudioReader, AudioWriter\n"
        "with AudioReader(sys.stdin.buffer) as r, AudioWriter(sys.stdout.buffer, sample_rate="
        "r.info.sample_rate, n_channels=r.info.n_channels, subtype=r.info.subtype) as w:\n"
        "    for block in r: w.write(-block)\n"
    )
    write(tmp_path / "in.wav", noise(2, 100000), 44100)
    given = (tmp_path / "in.wav").read_bytes()
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=given, capture_output=True, check=True)
    assert not done.stderr
    assert np.array_equal(everything(Pipe(done.stdout)), -read(tmp_path / "in.wav")[0])
    with (tmp_path / "in.wav").open("rb") as source, (tmp_path / "out.wav").open("wb") as target:
        subprocess.run(command, stdin=source, stdout=target, check=True)
    assert sf.info(tmp_path / "out.wav").frames == 100000


@pytest.mark.skipif(os.name != "posix", reason="pipes can be waited for on POSIX only")
def test_a_pipe_that_does_not_block_is_waited_for():
    buffer = io.BytesIO()
    write(buffer, noise(2, 3000), 44100)
    receive, send = os.pipe()
    os.set_blocking(receive, False)

    def trickle() -> None:
        for at in range(0, len(buffer.getvalue()), 5000):
            time.sleep(0.05)
            os.write(send, buffer.getvalue()[at : at + 5000])
        os.close(send)

    with os.fdopen(receive, "rb") as stream, ThreadPoolExecutor(1) as threads:
        threads.submit(trickle)
        assert everything(stream).shape == (2, 3000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipes_are_read_and_written_not_replaced(tmp_path):
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    audio = noise(2, 5000)
    job = threading.Thread(
        target=write, args=(fifo, audio, 44100), kwargs={"subtype": "FLOAT"}, daemon=True
    )
    job.start()
    back = everything(fifo)
    job.join(10)
    assert np.array_equal(back, audio)
    assert fifo.is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="open files can be unlinked on POSIX only")
def test_the_copy_of_a_stream_leaves_no_name_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipe = Pipe()
    with AudioWriter(pipe, sample_rate=44100, n_channels=2, container="mp3") as writer:
        writer.write(noise(2, 30000))
    with AudioReader(Pipe(bytes(pipe.data)), block_samples=1000) as reader:
        assert reader.read_block().shape == (2, 1000)
        assert list(tmp_path.iterdir()) == []
        assert sum(block.shape[1] for block in reader) == 29000
        assert reader.notes() == []


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_length_above_2_gb_is_believed_where_something_follows(subtype):
    """Else the tags behind the samples would be taken for sound."""
    n = 600_000_001 if subtype == "PCM_16" else 400_000_001
    form = {"sample_rate": 44100, "n_channels": 2, "subtype": subtype, "n_samples": n}
    followed = wav.build_header(**form, trailing_bytes=100)
    assert wav.parse_header(io.BytesIO(followed).read).n_samples == n
    assert wav.parse_header(io.BytesIO(wav.build_header(**form)).read).n_samples is None


def test_less_than_one_sample_is_no_sound():
    header = wav.build_header(sample_rate=44100, n_channels=2, subtype="PCM_16", n_samples=1)
    with pytest.raises(AudioError, match="holds no sound"):
        AudioReader(Pipe(header[:-4] + struct.pack("<I", 3) + bytes(3)))


def test_ctrl_c_on_the_way_to_the_start_leaves_no_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    buffer = io.BytesIO()
    write(buffer, noise(2, 5000), 44100, container="flac")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SoundFileDecoder, "skip_to", interrupt)
    with pytest.raises(KeyboardInterrupt):
        AudioReader(Pipe(buffer.getvalue()), start=0.05)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sockets have names on POSIX only")
def test_a_socket_is_no_pipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whose name may be too long for one
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("x.wav")
        with pytest.raises(AudioError, match=r"x\.wav: cannot be opened"):
            AudioReader("x.wav")
