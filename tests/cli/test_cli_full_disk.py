"""On a disk that is full every verb says so in one line and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from helpers.shell import Shell
from helpers.songs import demo_song
from isolde.audio.demo import read_demo
from isolde.core.errors import AudioError
from isolde.separation.stems import Stems

pytestmark = pytest.mark.slow

RATE = 44100
FULL = "the disk is full: make room, or choose another folder"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 200 kB."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a disk")
    disk = tmp_path_factory.mktemp("small")
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def disk(small: Path) -> Iterator[Path]:
    """The same, empty."""
    yield small
    for path in small.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Four seconds, whose stems have 700 kB each as wav."""
    return demo_song(tmp_path / "song.wav", 4)


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    with (disk / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return disk / "fill"


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_separate_leaves_no_stem_and_no_folder(isolde: Shell, disk: Path, song: Path, kind: str):
    quality = ["--quality", "10"] if kind in ("ogg", "mp3") else []
    code, out, err = isolde(
        "separate", song, "-o", disk / "out", "--model", "article", "--format", kind, *quality
    )
    assert code != 0 and out == [] and len(err) == 1 and err[0].endswith(FULL)
    assert list(disk.iterdir()) == []


def test_a_stem_that_was_done_goes_with_one_that_could_not_be(disk: Path):
    zeros, loud = np.zeros((1, 20_000), np.float32), np.zeros((1, 90_000), np.float32)
    stems = Stems({"vocals": zeros, "accompaniment": loud}, sample_rate=RATE)
    with pytest.raises(AudioError, match=FULL):
        stems.write(disk / "out")
    assert list(disk.iterdir()) == []


def test_separate_from_a_pipe_and_a_recording_leave_nothing(disk: Path, song: Path):
    for words in (
        ["separate", "-", "-o", disk / "out", "--model", "article"],
        ["live", "-", "--record", disk / "out", "--model", "article"],
    ):
        command = [sys.executable, "-m", "isolde", *map(str, words)]
        with song.open("rb") as source:
            done = subprocess.run(command, stdin=source, capture_output=True, check=False)
        assert done.returncode != 0
        assert done.stderr.decode().count("\n") == 1 and FULL in done.stderr.decode()
        assert list(disk.iterdir()) == []


def test_look_leaves_no_picture(isolde: Shell, disk: Path, song: Path):
    filler = fill(disk)
    code, out, err = isolde("look", song, "-o", disk / "new" / "x.png", "--model", "article")
    assert code != 0 and out == [] and len(err) == 1 and err[0].endswith(FULL)
    assert list(disk.iterdir()) == [filler]


@pytest.mark.parametrize("name", ["song.csv", "song.srt", "folder"])
def test_activity_leaves_no_file(isolde: Shell, disk: Path, song: Path, name: str):
    filler = fill(disk)
    code, out, err = isolde("activity", song, "-o", disk / "new" / name)
    assert code != 0 and out == [] and len(err) == 1 and err[0].endswith(FULL)
    assert list(disk.iterdir()) == [filler]


def test_data_leaves_no_manifest_and_no_page(isolde: Shell, disk: Path, tmp_path: Path):
    stems, rate = read_demo()
    for artist in ("One", "Two"):
        folder = tmp_path / "songs" / f"{artist} - Song"
        folder.mkdir(parents=True)
        for i, stem in enumerate(("vocals", "accompaniment")):
            sf.write(folder / f"{stem}.wav", list(stems.values())[i][:, :rate].T, rate)
    manifest = tmp_path / "songs.csv"
    assert isolde("data", "scan", tmp_path / "songs", "-o", manifest)[0] == 0
    filler = fill(disk)
    for words in (
        ("scan", tmp_path / "songs", "-o", disk / "new" / "songs.csv"),
        ("show", manifest, "-o", disk / "new" / "songs.html"),
        ("show", manifest, "-o", disk / "new" / "songs.png"),
    ):
        code, out, err = isolde("data", *words)
        assert code != 0 and out == [] and err[-1].endswith(FULL)
        assert list(disk.iterdir()) == [filler]
