"""The examples run as their first lines say, and give what they promise."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers import shell
from helpers.songs import demo_song

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def run(*words: str | Path, path: str = "") -> str:
    """What a command prints; it must succeed."""
    environment = {**ENVIRONMENT, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return shell.run(*words, env=environment).stdout


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the demo song."""
    return demo_song(tmp_path_factory.mktemp("song") / "song.wav", 4, subtype="FLOAT")


def test_a_file_becomes_stems_that_sum_to_it(song: Path, tmp_path: Path):
    lines = run(sys.executable, EXAMPLES / "separate_file.py", song, tmp_path).split("\n")
    stems = [soundfile.read(line, dtype="float32")[0] for line in lines if line]
    mixture = soundfile.read(song, dtype="float32")[0]
    assert len(stems) == 2
    assert np.abs(sum(stems) - mixture).max() < 1e-4


def test_an_array_becomes_stems_that_sum_to_it():
    printed = run(sys.executable, EXAMPLES / "separate_array.py")
    assert "vocals, accompaniment" in printed
    assert float(printed.rsplit(" ", 1)[1]) < 1e-5


def test_a_stream_is_separated_second_by_second(song: Path):
    printed = run(sys.executable, EXAMPLES / "separate_stream.py", song).splitlines()
    assert printed[0].startswith("latency ")
    assert [line.split()[0] for line in printed[1:]] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("separate_file.py", []),
        ("separate_file.py", ["song.wav"]),
        ("separate_stream.py", []),
        ("onnx_reader.py", []),
    ],
)
def test_an_example_without_what_it_needs_says_what_that_is(name: str, words: list[str]):
    command = [sys.executable, str(EXAMPLES / name), *words]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python ") and done.stderr.count("\n") == 1


def test_the_notebook_writes_a_karaoke_version_and_labels(song: Path, tmp_path: Path):
    run(sys.executable, EXAMPLES / "karaoke_and_labels.py", song, tmp_path)
    karaoke = soundfile.info(tmp_path / "song (karaoke).wav")
    assert karaoke.frames == soundfile.info(song).frames
    for line in (tmp_path / "song.labels.txt").read_text().splitlines():
        start, end = (float(word) for word in line.split("\t")[:2])
        assert 0 <= start < end <= 4.1


@pytest.mark.slow
def test_a_folder_is_separated_and_then_left_alone(song: Path, tmp_path: Path):
    command = tmp_path / "bin" / "isolde"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isolde "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    for _ in range(2):
        run(
            "sh",
            EXAMPLES / "separate_folder.sh",
            song.parent,
            tmp_path / "stems",
            path=str(command.parent),
        )
        stems = sorted((tmp_path / "stems").rglob("*.flac"))
        assert [stem.name for stem in stems] == ["accompaniment.flac", "vocals.flac"]
