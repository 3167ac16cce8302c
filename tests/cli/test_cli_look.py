"""`isolde look` from outside: files appear where they were asked for, errors are one line."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

from helpers.shell import Shell
from isolde.audio import write
from isolde.cli import app, main
from isolde.models.catalogue import names

pytest.importorskip("matplotlib")
PNG = b"\x89PNG\r\n\x1a\n"
needs_model = pytest.mark.skipif("vocals" not in names(), reason="no model is shipped")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two seconds of a chord; its name is not plain."""
    t = np.arange(2 * 22_050) / 22_050
    audio = 0.1 * sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330))
    path = tmp_path / "süße Töne.wav"
    write(path, np.stack([audio, audio]).astype(np.float32), 22_050)
    return path


@needs_model
def test_one_picture_goes_exactly_where_it_was_asked_for(song: Path, tmp_path: Path):
    out = tmp_path / "pictures" / "a.png"
    arguments = ["look", str(song), "-o", str(out), "--figure", "activity", "--dpi", "40"]
    done = CliRunner().invoke(app, [*arguments, "--range", "0.5", "1.5"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out)
    assert out.read_bytes().startswith(PNG)


@pytest.mark.slow
@needs_model
def test_the_ending_of_the_output_decides_what_is_drawn(isolde: Shell, song: Path, tmp_path: Path):
    low = ("--dpi", "30")
    code, out, _ = isolde("look", song, "-o", "song.png", *low)
    assert (code, out) == (0, ["song.png"])
    drawn = Path("song.png").read_bytes()
    code, out, err = isolde("look", song, "-o", "song.png", *low)
    assert (code, out) == (2, []) and "song.png: exists already" in err[0]
    assert isolde("look", song, "-o", "song.png", *low, "--overwrite")[0] == 0
    assert Path("song.png").read_bytes() == drawn
    code, out, err = isolde("look", song, "-o", "all.png", "--figure", "all")
    assert code == 2 and "one file for 4 pictures" in err[0]
    code, out, _ = isolde("look", song, "-o", "folder", "--figure", "activity", *low)
    assert (code, out) == (0, [f"folder/{song.stem}-activity.png"])


def test_a_song_is_not_drawn_over_and_its_faults_are_told(isolde: Shell, tmp_path: Path):
    song = tmp_path / "p.png"
    audio = np.zeros((2, 22_050), np.float32)
    audio[:, 100:200] = np.nan
    with song.open("wb") as file:
        sf.write(file, audio.T, 22_050, format="WAV", subtype="FLOAT")
    before = song.read_bytes()
    more = ("--figure", "spectrogram", "--dpi", "30")
    code, _, err = isolde("look", song, "-o", song, "--overwrite", *more)
    assert code == 2 and "p.png: is read here and would be lost" in err[0]
    assert song.read_bytes() == before
    told = f"isolde: {tmp_path / 'p.png'}: 200 samples are NaN"
    code, _, err = isolde("look", song, "-o", "q.png", *more)
    assert code == 0 and err[0].startswith(told)
    code, out, err = isolde("activity", song)
    assert code == 0 and len(out) == 1 and err[0].startswith(told)


@pytest.mark.slow
@needs_model
def test_a_report_holds_pictures_and_three_players(song: Path, tmp_path: Path):
    out = tmp_path / "a.html"
    arguments = ["look", str(song), "-o", str(out), "--figure", "separation", "--dpi", "40"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    page = out.read_text("utf-8")
    assert page.count("<audio") == 3
    assert page.count("<img") == 1
    assert "süße Töne.wav" in page


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-o", "a.jpg"], ".png, .svg or .html"),
        (["--figure", "dragons"], "spectrogram, separation"),
        (["--range", "5", "4"], "after the start"),
        (["--range", "50", "60"], "50"),
        (["--figure", "network", "--at", "99"], "at 99 s: choose an earlier --at"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    song: Path,
    tmp_path: Path,
    arguments: list[str],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["isolde", "look", str(song), *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert word in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [song]
