"""What is read: pipes, links that lead nowhere, closed streams; and that it is never replaced."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from helpers.shell import Shell
from helpers.songs import music
from helpers.sounds import noise
from isolde.audio import info, write

RATE = 22050


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    write(path, noise(2, 2 * RATE), RATE)
    return path


@pytest.fixture
def pipe(song: Path, tmp_path: Path) -> Path:
    """A named pipe through which a song comes, once."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(song.read_bytes()), daemon=True).start()
    return path


def test_a_named_pipe_is_read_whole(isolde: Shell, pipe: Path):
    code, out, err = isolde("separate", pipe, "--model", "article", "-o", "out")
    assert (code, err) == (0, [])
    assert [info(path).n_samples for path in out] == [2 * RATE, 2 * RATE]


@pytest.mark.parametrize("command", [
    ["separate", "--preview"], ["separate", "--loudness", "-14"], ["look"],
    ["karaoke", "--ultrastar"],
])  # fmt: skip
def test_what_reads_a_song_twice_refuses_a_pipe(isolde: Shell, pipe: Path, command: list[str]):
    code, _, err = isolde(*command, pipe)
    assert code == 2
    assert len([line for line in err if "file" in line and ("pipe" in line)]) == 1


def test_a_film_from_a_pipe_is_refused_too(isolde: Shell, pipe: Path):
    film = pipe.rename("film.mkv")
    code, _, err = isolde("separate", film, "--remux", "replace", "--model", "article")
    assert code == 2
    assert err == ["isolde: film.mkv: a film needs a file, which is read twice: not a pipe"]


@pytest.mark.parametrize("verb", ["separate", "karaoke", "activity"])
def test_a_link_to_itself_is_one_line(isolde: Shell, tmp_path: Path, verb: str):
    try:
        (tmp_path / "loop.wav").symlink_to("loop.wav")
    except OSError:
        pytest.skip("this user may make no links")
    code, _, err = isolde(verb, "loop.wav")
    assert code in (1, 2)
    assert "loop.wav: cannot be opened" in err[0]


def test_activity_never_replaces_what_it_reads(isolde: Shell, song: Path):
    was = song.read_bytes()
    code, _, err = isolde("activity", song, "-o", song, "--format", "csv", "--overwrite")
    assert code == 2
    assert err == [f"isolde: {song}: is read here and would be lost: choose another name or folder"]
    Path("words.txt").write_text("la la\n")
    to_words = ("-o", "words.txt", "--format", "audacity", "--overwrite")
    code, _, err = isolde("activity", song, "--words", "words.txt", *to_words)
    assert code == 2
    assert "words.txt: is read here" in err[0]
    assert Path("words.txt").read_text() == "la la\n"
    assert song.read_bytes() == was


def test_a_song_of_a_batch_is_named_whatever_is_wrong_with_it(isolde: Shell, song: Path):
    write("slow.wav", noise(1, 1000), 300)
    code, out, err = isolde("separate", "slow.wav", song, "--model", "article", "-o", "out")
    assert code == 2
    assert len(out) == 2
    assert err[0].startswith("isolde: slow.wav: a sample rate of 300 Hz is too low")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closes streams by the shell")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{isolde} separate song.wav -o out --model article >&-", 0),
        ("{isolde} separate - -o out --model article <&-", 2),
        ("{isolde} separate - --stem vocals --model article < song.wav >&-", 0),
        ("{isolde} activity song.wav --model article 2>&-", 0),
    ],
)
def test_closed_streams_are_no_traceback(song: Path, line: str, code: int):
    command = line.format(isolde=f"{sys.executable} -m isolde")
    done = subprocess.run(
        ["sh", "-c", command], cwd=song.parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal can be closed here")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_closed_terminal_leaves_nothing_behind(tmp_path: Path, jobs: str):
    """It tells all processes of the terminal, those that separate too."""
    music(tmp_path / "music", 2, n_samples=120 * RATE)
    command = [sys.executable, "-m", "isolde", "separate", "music", "-o", "out", "--jobs", jobs]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    while running.poll() is None and not list(tmp_path.glob("out/*/.*.part")):
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGHUP)
    assert running.wait(60) == 128 + signal.SIGHUP
    deadline = time.monotonic() + 10
    while (left := list(tmp_path.glob("out/*/.*"))) and time.monotonic() < deadline:
        time.sleep(0.1)  # the workers end a moment later
    assert not left


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "nope"), "'nope' is not known"),
        (("--format", "midi", "-o", "out", "--separator", "nope"), "'nope' is not known"),
    ],
)
def test_a_model_that_is_not_there_is_said_once_before_any_song(
    isolde: Shell, tmp_path: Path, words: tuple[str, ...], message: str
):
    music(tmp_path / "music", 3)
    code, out, err = isolde("activity", "music", *words)
    assert (code, out, len(err)) == (2, [], 1) and message in err[0]


def test_a_name_that_is_too_long_costs_its_own_song_only(isolde: Shell, tmp_path: Path):
    for name in (251 * "a", "b"):  # .json has a letter more than .wav
        write(tmp_path / f"{name}.wav", noise(1, 4000), 22050)
    (tmp_path / "out").mkdir()
    songs = sorted(tmp_path.glob("*.wav"))
    command = ("activity", *songs, "--model", "vocals", "--format", "json", "-o", "out")
    code, out, err = isolde(*command)
    assert (code, out, len(err)) == (2, ["out/b.json"], 1) and "name is too long" in err[0]
