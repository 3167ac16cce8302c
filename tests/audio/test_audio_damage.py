"""No file takes the process down: what can be decoded is read, the rest is a note or one error."""

import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from helpers.fuzz import WAYS, damage
from helpers.kinds import KINDS, RATE, ffmpeg_decode
from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import AudioReader, read, write
from isolde.audio.decoding import server, worker
from isolde.core.errors import AudioError, IsoldeError


def everything(source, **options) -> tuple[np.ndarray, list[str]]:
    with AudioReader(source, **options) as reader:
        return np.concatenate(list(reader), axis=1), reader.notes()


def bare_mp3(kinds: dict[str, Path]) -> bytes:
    """Frames of layer III and nothing else."""
    data = kinds["bare.mp3"].read_bytes()
    return data[data.index(b"\xff\xfb") :]


# --- native code that dies -----------------------------------------------------------------------


def with_custom_layout(mov: bytes, labels: list[int]) -> bytes:
    """Put a 'chan' box with a label for each channel into a mov file whose index is at its end."""
    at = mov.index(b"chan") - 4
    old = struct.unpack_from(">I", mov, at)[0]
    # kAudioChannelLayoutTag_UseChannelDescriptions; label, flags and three coordinates for each
    body = struct.pack(">IIII", 0, 0, 0, len(labels))
    body += b"".join(struct.pack(">IIfff", label, 0, 0, 0, 0) for label in labels)
    box = struct.pack(">I4s", 8 + len(body), b"chan") + body
    new = bytearray(mov[:at] + box + mov[at + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"sowt"):
        place = new.index(parent) - 4
        size = struct.unpack_from(">I", new, place)[0]
        struct.pack_into(">I", new, place, size + len(box) - old)
    return bytes(new)


@pytest.mark.slow
def test_a_custom_channel_layout_is_read_in_the_order_of_the_file(tmp_path):
    audio = noise(7, 4800)
    write(tmp_path / "x.wav", audio, 48000)
    command = ["ffmpeg", "-v", "error", "-i", "x.wav", "-c:a", "pcm_s16le", "plain.mov"]
    try:
        subprocess.run(command, check=True, cwd=tmp_path)
    except FileNotFoundError:
        pytest.skip("needs the program ffmpeg")
    plain = (tmp_path / "plain.mov").read_bytes()
    labels = [1, 2, 3, 4, 10, 11, 9]  # L R C LFE, the sides, and the centre behind
    (tmp_path / "custom.mov").write_bytes(with_custom_layout(plain, labels))
    for _ in range(3):  # PyAV's frames of such a layout free memory twice
        heard, rate = read(tmp_path / "custom.mov")
        assert rate == 48000 and np.array_equal(heard, read(tmp_path / "x.wav")[0])


@pytest.fixture
def victims(kinds, monkeypatch):
    """A song whose opening kills the decoding process, as a crash of native code would."""

    def ask(self: worker.Worker, **request: object):
        if "victim" in str(request.get("path")):
            os.kill(self.pid, signal.SIGSEGV)
        return real(self, **request)

    real = worker.Worker.ask
    monkeypatch.setattr(worker.Worker, "ask", ask)
    return kinds["cbr.mp3"].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_song_that_kills_its_decoder_is_named_and_the_rest_goes_on(
    isolde: Shell, tmp_path: Path, kinds, victims: bytes, jobs: str
):
    if jobs == "2":  # other processes know nothing of the patch: a file that cannot be decoded
        victims = b"\x1a\x45\xdf\xa3" + victims
    (tmp_path / "songs").mkdir()
    for name in ("a", "victim", "z"):
        content = victims if name == "victim" else kinds["cbr.mp3"].read_bytes()
        (tmp_path / "songs" / f"{name}.mp3").write_bytes(content)
    code, out, err = isolde("separate", "songs", "-o", "out", "--model", "article", "--jobs", jobs)
    assert code == 2 and len(out) == 4
    assert len(err) == 2 and "victim.mp3: " in err[0] and "1 of 3" in err[1]
    assert jobs == "2" or "crashes FFmpeg" in err[0]


def test_a_process_that_dies_while_it_decodes_is_one_error(kinds):
    with AudioReader(kinds["cbr.mp3"], block_samples=1000) as reader:
        assert reader.read_block().shape == (2, 1000)
        os.kill(reader._decoder._worker.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        with pytest.raises(AudioError, match=r"cbr\.mp3: crashes FFmpeg") as caught:
            list(reader)
    assert "\n" not in str(caught.value)
    assert everything(kinds["cbr.mp3"])[0].shape == (2, 66150)  # with another process


def test_an_idle_process_that_died_is_replaced(kinds):
    read(kinds["cbr.mp3"])
    for idle in worker._idle:
        os.kill(idle.pid, signal.SIGKILL)
    assert read(kinds["cbr.mp3"])[0].shape == (2, 66150)


def test_a_reader_that_is_closed_while_another_thread_reads_spoils_no_process(kinds):
    """The answer to one of the two would be taken for that to the other, in the next file too."""
    reader = AudioReader(kinds["cbr.mp3"], block_samples=1000)
    pid = reader._decoder._worker.pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(reader.read_block)
        time.sleep(0.2)
        reader.close()
        with pytest.raises(AudioError):
            reading.result(timeout=10)
    assert pid not in [idle.pid for idle in worker._idle]
    assert read(kinds["cbr.mp3"])[0].shape == (2, 66150)


def test_a_working_folder_that_is_gone_stops_nothing(kinds, monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "_idle", [])
    monkeypatch.syspath_prepend("")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert read(kinds["cbr.mp3"])[0].shape == (2, 66150)


def test_a_root_without_devices_decodes_as_well(kinds, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "devnull", str(tmp_path / "no" / "null"))
    monkeypatch.setattr(worker, "_idle", [])
    assert read(kinds["cbr.mp3"])[0].shape == (2, 66150)


def test_a_file_that_never_ends_is_given_up(kinds, monkeypatch, tmp_path):
    # The process that decodes ends itself when one answer takes too long.
    code = (
        "import time; from isolde.audio.decoding import server\n"
        "server.PATIENCE = 0.3\n"
        "server.FrameDecoder = lambda *_, **__: time.sleep(60)\n"
        "server.main()\n"
    )
    (tmp_path / "sleeper.py").write_text(code)
    monkeypatch.setattr(worker, "_SERVER", "sleeper")
    monkeypatch.setattr(worker, "_idle", [])
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AudioError, match=r"cbr\.mp3: crashes FFmpeg"):
        read(kinds["cbr.mp3"])
    assert server.PATIENCE > 60


# --- what is no damage ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 70_000, 300_000])
@pytest.mark.parametrize("what", ["zeros", "junk"])
def test_zeros_and_junk_before_an_mp3_are_skipped(kinds, tmp_path, n: int, what: str):
    frames = bare_mp3(kinds)
    junk = np.random.default_rng(n).integers(0, 255, n).astype(np.uint8).tobytes()
    path = tmp_path / "x.mp3"
    path.write_bytes((bytes(n) if what == "zeros" else junk) + frames)
    audio, notes = everything(path)
    assert notes == []
    assert np.array_equal(audio, ffmpeg_decode(path, 2))
    assert np.array_equal(audio[:, -60_000:], read(kinds["bare.mp3"])[0][:, -60_000:])


def test_tags_behind_the_sound_are_no_damage(kinds, tmp_path):
    plain = kinds["cbr.mp3"].read_bytes()
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 60, 1, 0) + bytes(8)
    tails = {
        "ape": ape + b"x" * 28 + ape,
        "id3v1": b"TAG" + b"A title".ljust(125, b"\0"),
        "lyrics": b"LYRICSBEGIN" + b"la la la " * 60 + b"000551LYRICS200TAG" + bytes(125),
        "page": b"<html>not found</html>" * 400,
    }
    for name, tail in tails.items():
        (tmp_path / f"{name}.mp3").write_bytes(plain + tail)
        audio, notes = everything(tmp_path / f"{name}.mp3")
        assert notes == [] and abs(audio.shape[1] - 66150) <= 1152


def test_a_length_of_nothing_in_an_mp3_is_not_believed(kinds, tmp_path):
    data = bytearray(kinds["vbr.mp3"].read_bytes())
    at = data.index(b"Xing")
    whole = read(kinds["vbr.mp3"])[0]
    data[at + 4 : at + 16] = struct.pack(">III", 1, 0, 0)  # frames are stated: none
    path = tmp_path / "x.mp3"
    path.write_bytes(data)
    audio, notes = everything(path)
    # Without the frame that states nothing; the encoder's delay and padding are left.
    assert notes == [] and audio.shape[1] % 1152 == 0
    assert 0 < audio.shape[1] - whole.shape[1] < 3 * 1152


def test_joined_mp3_files_are_read_to_their_end(kinds, tmp_path):
    data = kinds["vbr.mp3"].read_bytes()
    (tmp_path / "x.mp3").write_bytes(data + data)
    audio, notes = everything(tmp_path / "x.mp3")
    assert notes == [] and np.array_equal(audio, ffmpeg_decode(tmp_path / "x.mp3", 2))
    assert audio.shape[1] >= 2 * 66150


def test_no_false_alarm_about_a_raw_stream(tmp_path, kinds):
    # Silence first: a length guessed from its bytes would be many times too long.
    write(tmp_path / "x.wav", np.pad(0.1 * noise(2, 20_000), ((0, 0), (400_000, 0))), RATE)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "x.wav", tmp_path / "x.aac"]
    subprocess.run(command, check=True)
    audio, notes = everything(tmp_path / "x.aac")
    assert notes == [] and abs(audio.shape[1] - 420_000) < 4096


@pytest.mark.parametrize("name", ["s16.flac", "s24.tta", "s24.wv"])
@pytest.mark.parametrize("place", [0.1, 0.5])
def test_what_is_lost_near_the_start_is_silence_there(kinds, tmp_path, name: str, place: float):
    data = bytearray(kinds[name].read_bytes())
    at = round(place * len(data))
    data[at : at + 1000] = bytes(1000)
    (tmp_path / name).write_bytes(data)
    whole, _ = read(kinds[name])
    audio, notes = everything(tmp_path / name)
    assert audio.shape == whole.shape and len(notes) == 1
    start, end = map(float, re.findall(r"(\d+\.\d+) s", notes[0])[:2])
    first, last = round(start * RATE), round(end * RATE)
    assert np.abs(audio[:, first + 50 : last - 50]).max() == 0
    assert np.array_equal(audio[:, : max(0, first - 50)], whole[:, : max(0, first - 50)])
    assert last < 66150 and np.array_equal(audio[:, last + 50 :], whole[:, last + 50 :])
    with pytest.raises(AudioError, match="damaged from"):
        everything(tmp_path / name, strict=True)


def test_flac_that_states_less_than_it_holds_is_read_to_its_end(kinds, tmp_path):
    plain = kinds["s16.flac"].read_bytes()
    data = bytearray(plain)
    number = int.from_bytes(data[21:26])
    assert number & 0xFFFFFFFFF == 66150
    data[21:26] = (number - 66150 + 30000).to_bytes(5)
    (tmp_path / "short.flac").write_bytes(data)
    whole, _ = read(kinds["s16.flac"])
    audio, notes = everything(tmp_path / "short.flac")
    assert np.array_equal(audio, whole) and notes == []
    write(tmp_path / "other.flac", noise(2, 200_000), RATE)
    (tmp_path / "two.flac").write_bytes((tmp_path / "other.flac").read_bytes() + plain)
    audio, notes = everything(tmp_path / "two.flac")
    assert notes == [] and np.array_equal(audio[:, -66150:], whole)
    assert np.array_equal(audio[:, :-66150], read(tmp_path / "other.flac")[0])


# --- wav that was never finished, and no sound at all --------------------------------------------


@pytest.mark.parametrize("riff", [0, 36, 2**32 - 1])
@pytest.mark.parametrize("piped", [False, True])
def test_a_wav_whose_length_was_never_written_is_read_to_its_end(tmp_path, riff: int, piped: bool):
    write(tmp_path / "x.wav", noise(2, 5000), RATE)
    wanted, _ = read(tmp_path / "x.wav")
    form = struct.pack("<HHIIHH", 1, 2, RATE, 4 * RATE, 4, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16) + form
    data = head + struct.pack("<4sI", b"data", 0) + (wanted.T * 32768).astype("<i2").tobytes()
    (tmp_path / "cut.wav").write_bytes(data)
    audio, notes = everything(io.BytesIO(data) if piped else tmp_path / "cut.wav")
    assert notes == [] and np.array_equal(audio, wanted)


def test_a_wav_of_no_samples_with_other_chunks_behind_has_no_sound(tmp_path):
    sf.write(tmp_path / "x.wav", np.zeros((0, 2)), RATE)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data += b"LIST" + struct.pack("<I", 4) + b"INFO"
    struct.pack_into("<I", data, 4, len(data) - 8)
    (tmp_path / "x.wav").write_bytes(data)
    for source in (tmp_path / "x.wav", io.BytesIO(data)):
        with pytest.raises(AudioError, match="holds no sound, not one sample"):
            read(source)


def test_an_ogg_of_zeros_has_no_sound(tmp_path, kinds):
    data = kinds["vorbis.ogg"].read_bytes()
    (tmp_path / "all.ogg").write_bytes(bytes(len(data)))
    (tmp_path / "most.ogg").write_bytes(data[:4200] + bytes(len(data) - 4200))
    for name in ("all.ogg", "most.ogg"):
        with pytest.raises(AudioError, match=r"not audio|no sound"):
            read(tmp_path / name)


# --- a little of everything ----------------------------------------------------------------------


def test_the_command_warns_in_one_line_and_is_strict_when_told(isolde: Shell, kinds, tmp_path):
    data = kinds["cbr.mp3"].read_bytes()
    (tmp_path / "cut.mp3").write_bytes(data[: len(data) // 2])
    command = ("separate", "cut.mp3", "--model", "article", "-o", "out")
    code, out, err = isolde(*command)
    assert code == 0 and len(out) == 2 and len(err) == 1
    warning = r"isolde: warning: cut\.mp3: cut short or damaged: ends after 0\.\d{3} s of 1\.500 s"
    assert re.fullmatch(warning, err[0])
    code, out, err = isolde(*command[:-1], "other", "--strict")
    assert code == 2 and out == [] and len(err) == 1 and "cut.mp3: cut short" in err[0]
    assert not (tmp_path / "other").exists() or not any((tmp_path / "other").iterdir())


@pytest.mark.slow
def test_nothing_but_our_lines_reaches_the_terminal(kinds, tmp_path):
    data = bytearray(kinds["cbr.mp3"].read_bytes())
    data[9000:12000] = bytes(3000)
    (tmp_path / "x.mp3").write_bytes(data)
    (tmp_path / "y.ogg").write_bytes(kinds["vorbis.ogg"].read_bytes()[:-2000])
    for name in ("x.mp3", "y.ogg"):
        command = [sys.executable, "-m", "isolde", "separate", name, "-q", "--model", "article"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        assert done.stderr == b""


@pytest.mark.parametrize("way", WAYS)
def test_damaged_files_of_all_kinds_give_sound_or_one_line(kinds, tmp_path, capfd, way: str):
    first = WAYS.index(way)
    for i, kind in enumerate(KINDS[first::4]):
        seed = first + len(WAYS) * i
        data, how = damage(kinds[kind.name].read_bytes(), seed)
        assert how == way
        path = tmp_path / f"{seed}.{kind.name}"
        path.write_bytes(data)
        try:
            audio, notes = everything(path)
        except IsoldeError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            assert "crash" not in str(error)
            continue
        assert audio.shape[1] and np.isfinite(audio).all()
        assert not any("\n" in note for note in notes)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_file_that_is_cut_while_it_is_read_says_so(tmp_path, ending):
    path = tmp_path / f"song.{ending}"
    write(path, noise(2, 4 * 22050), 22050)
    with AudioReader(path, block_samples=4096) as reader:
        n = reader.read_block().shape[1]
        os.truncate(path, path.stat().st_size // 2)
        n += sum(block.shape[1] for block in reader)
        (note,) = reader.notes()
    assert n < 3 * 22050
    assert f"cut short or damaged: ends after {n / 22050:.3f} s of 4.000 s" in note
    write(path, noise(2, 4 * 22050), 22050, overwrite=True)
    with AudioReader(path, block_samples=4096, strict=True) as reader:
        reader.read_block()
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(AudioError, match="cut short"):
            list(reader)
