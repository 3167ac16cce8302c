"""What reaches a terminal: one line an error, no character that it would obey, and no traceback."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import write
from isolde.cli.shared.terminal import json_line, one_line, printable

NAME = "a\nb\x1b[31mc.wav"
SHOWN = r"a b\x1b[31mc.wav"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (NAME, SHOWN),
        ("two  blanks\u3000and\xa0more", "two  blanks\u3000and\xa0more"),
        ("one\r\n\ttwo\u2028three\n", "one two three"),
        ("\x07\x7f\x9b2J", r"\x07\x7f\x9b2J"),
    ],
)
def test_a_text_is_one_line_without_controls(text: str, line: str):
    assert one_line(text) == printable(text) == line
    assert "\x1b" not in json_line({"track": text}) and "\x9b" not in json_line({"track": text})


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["separate", "karaoke", "activity", "look"])
def test_an_error_names_a_song_in_one_line(isolde: Shell, verb: str, tmp_path: Path):
    try:
        (tmp_path / NAME).write_bytes(b"this is no audio, but long enough to look like a file")
    except OSError:
        pytest.skip("this file system takes no such name")
    code, _, err = isolde(verb, NAME)
    assert code == 2 and len(err) == 1
    assert err[0].startswith(f"isolde: {SHOWN}: not audio") and "\x1b" not in err[0]


def test_a_result_names_songs_in_one_line(isolde: Shell, tmp_path: Path):
    song, sound = NAME.removesuffix(".wav"), noise(1, 3000)
    try:
        for stem in ("vocals", "accompaniment"):
            write(tmp_path / f"songs/{song}/{stem}.wav", sound, 22050)
    except OSError:
        pytest.skip("this file system takes no such name")
    shown = SHOWN.removesuffix(".wav")
    assert isolde("data", "scan", "songs", "-o", f"{song}.csv")[1][0].startswith(f"{shown}.csv: 1")
    told = isolde("data", "check", f"{song}.csv")[1]
    assert told[:-1] and all(shown in line and "\x1b" not in line for line in told[:-1])


def test_a_path_is_itself_in_a_pipe_and_one_line_on_a_terminal(
    isolde: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    try:
        write(tmp_path / NAME, noise(1, 3000), 22050)
    except OSError:
        pytest.skip("this file system takes no such name")
    words = ("separate", NAME, "--model", "article", "--stem", "vocals", "-o", "out", "--overwrite")
    assert "\n".join(isolde(*words)[1]) == f"out/{NAME.removesuffix('.wav')}/vocals.wav"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert isolde(*words)[1] == [rf"out/{SHOWN.removesuffix('.wav')}/vocals.wav"]


@pytest.mark.skipif(os.name != "posix", reason="a process sends itself Ctrl-C by a signal")
@pytest.mark.parametrize("start", ["-m isolde", "-c 'from isolde.__main__ import main; main()'"])
def test_ctrl_c_while_the_command_is_loaded_says_nothing(tmp_path: Path, start: str):
    lines = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"
    (tmp_path / "typer.py").write_text(lines)
    where = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' {start} --version"],
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # else it may be ignored
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
