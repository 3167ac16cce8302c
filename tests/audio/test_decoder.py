"""Packets that fail: how much is missing is known to the sample, and junk is told from sound."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from helpers.sounds import noise
from isolde.audio.decoding.decoder import PacketDecoder
from isolde.audio.decoding.frames import FrameDecoder
from isolde.audio.decoding.packets import PacketSource

RATE = 44100
FLAC_BLOCK = 4096  # of libsndfile's encoder
MP3_FRAME = 1152


def decode(path: Path) -> tuple[list[int], PacketDecoder]:
    """The sizes of the frames, and the decoder with what it noted."""
    source = PacketSource(path, None)
    decoder = PacketDecoder(source)
    sizes = [frame.samples for frame in decoder.frames()]
    source.close()
    return sizes, decoder


@pytest.fixture(scope="module")
def flac(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("flac") / "x.flac"
    sf.write(path, noise(2, RATE).T, RATE)
    return path.read_bytes()


@pytest.fixture(scope="module")
def mp3(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("mp3") / "x.mp3"
    sf.write(path, noise(2, RATE).T, RATE)
    return path.read_bytes()


def frames_of(mp3: bytes) -> list[int]:
    """Where the frames begin: each does with the first two bytes of the file."""
    places = [0]
    while (place := mp3.find(mp3[:2], places[-1] + 100)) >= 0:
        places.append(place)
    return places


def test_every_sample_of_a_whole_file_comes_and_nothing_is_noted(flac, mp3, tmp_path):
    for name, data in (("x.flac", flac), ("x.mp3", mp3)):
        (tmp_path / name).write_bytes(data)
        sizes, decoder = decode(tmp_path / name)
        assert sum(sizes) == RATE
        assert (decoder.failed, decoder.first_failed, decoder.broken) == (0.0, None, False)


def test_a_damaged_frame_of_flac_is_lost_whole_and_its_length_is_known(flac, tmp_path):
    for place, lost, first in ((200, FLAC_BLOCK, 0.0), (-50, RATE % FLAC_BLOCK, None)):
        data = bytearray(flac)
        data[place] ^= 0xFF  # its checksum does not fit
        (tmp_path / "x.flac").write_bytes(data)
        sizes, decoder = decode(tmp_path / "x.flac")
        assert sum(sizes) == RATE - lost
        assert decoder.failed == pytest.approx(lost / RATE)
        assert (decoder.first_failed, decoder.broken, decoder.junk) == (first, True, False)
        decoder.clear_failures()
        assert (decoder.failed, decoder.broken, decoder.junk) == (0.0, False, True)


def test_a_damaged_frame_of_mp3_counts_as_sound_that_is_missing(mp3, tmp_path):
    places = frames_of(mp3)
    begin, end = places[20], places[21]
    data = bytearray(mp3)
    data[begin + 4 : end] = b"\xff" * (end - begin - 4)
    (tmp_path / "x.mp3").write_bytes(data)
    sizes, decoder = decode(tmp_path / "x.mp3")
    assert sum(sizes) == RATE - MP3_FRAME
    assert decoder.failed == pytest.approx(MP3_FRAME / RATE)
    assert decoder.broken and not decoder.junk


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + bytes(56), bytes(400)])
def test_a_tag_between_frames_is_no_sound_that_is_missing(mp3, tmp_path, tag: bytes):
    place = frames_of(mp3)[20]
    (tmp_path / "x.mp3").write_bytes(mp3[:place] + tag + mp3[place:])
    _, decoder = decode(tmp_path / "x.mp3")
    assert (decoder.failed, decoder.broken) == (0.0, False)


def test_a_first_frame_that_states_no_length_is_not_taken_for_sound(mp3, tmp_path):
    head = max(mp3.find(b"Info"), mp3.find(b"Xing"))
    assert 0 < head < 40
    data = bytearray(mp3)
    data[head + 4 : head + 8] = bytes(4)  # no field is there: neither length nor padding
    (tmp_path / "x.mp3").write_bytes(data)
    sizes, _ = decode(tmp_path / "x.mp3")
    (tmp_path / "bare.mp3").write_bytes(mp3[frames_of(mp3)[1] :])
    assert sizes == decode(tmp_path / "bare.mp3")[0]
    assert np.unique(sizes).tolist() == [MP3_FRAME]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted by Linux")
@pytest.mark.parametrize("n_bytes", [4, 100])
def test_a_file_without_a_sample_is_let_go_of_at_once(tmp_path, flac, n_bytes):
    """The process that decodes serves many files, and its memory may not be swept for long."""
    path = tmp_path / "x.flac"
    path.write_bytes(flac[:n_bytes])
    fault: BaseException | None = None
    try:
        FrameDecoder(path)
    except (EOFError, OSError, ValueError) as error:
        fault = error  # and with it all that was on the stack
    assert fault is not None
    files = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert path not in [file.resolve() for file in files if file.exists()]
