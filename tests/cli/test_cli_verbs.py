"""Verbs as a user meets them: what they replace, what they take, what they say; small inputs."""

import io
import os
import sys
from pathlib import Path

import pytest
import soundfile as sf

from helpers.shell import Shell
from helpers.songs import demo_song
from isolde.audio.demo import read_demo
from isolde.live.io import devices


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A second of the demo song, mixed."""
    return demo_song(tmp_path / "song.wav", 1)


def songs(root: Path, *artists: str) -> Path:
    """A folder with a song by each artist."""
    stems, rate = read_demo()
    for artist in artists:
        folder = root / "songs" / f"{artist} - Song"
        folder.mkdir(parents=True)
        for stem, audio in zip(("vocals", "accompaniment"), stems.values(), strict=False):
            sf.write(folder / f"{stem}.wav", audio[:, :rate].T, rate)
    return root / "songs"


@pytest.mark.slow
def test_data_replaces_nothing_unasked(isolde: Shell, tmp_path: Path):
    folder = songs(tmp_path, "One", "Two")
    manifest, page = tmp_path / "songs.csv", tmp_path / "songs.html"
    commands = {
        manifest: ("data", "scan", folder, "-o", manifest),
        page: ("data", "show", manifest, "-o", page),
    }
    for target, words in commands.items():
        assert isolde(*words)[0] == 0
        made = target.read_bytes()
        target.write_bytes(made + b"\n")
        code, out, err = isolde(*words)
        assert code != 0 and out == []
        assert len(err) == 1 and f"{target}: exists already" in err[0] and "--overwrite" in err[0]
        assert target.read_bytes() == made + b"\n"
        assert isolde(*words, "--overwrite")[0] == 0
        assert target.read_bytes() != made + b"\n"


def test_data_scan_says_that_nothing_is_kept_for_validation(isolde: Shell, tmp_path: Path):
    folder = songs(tmp_path, "One", "Two")
    code, _, err = isolde("data", "scan", folder, "-o", tmp_path / "few.csv")
    assert code == 0
    assert len(err) == 1 and "no song is kept for validation" in err[0]
    assert "10% of the artists, and none of these 2" in err[0] and "--validation" in err[0]
    words = ("data", "scan", folder, "-o", tmp_path / "all.csv", "--validation", "1")
    assert isolde(*words)[2] == []
    assert (tmp_path / "all.csv").read_text().count(",validation,") == 4


def test_activity_takes_songs_folders_and_a_pipe(
    isolde: Shell, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "more").mkdir()
    os.link(song, tmp_path / "more" / "other.wav")
    both = (song, tmp_path / "more")
    code, out, _ = isolde("activity", *both, "-o", tmp_path / "times")
    assert code == 0
    assert [Path(line).name for line in out] == ["song.csv", "other.csv"]
    tables = [Path(line).read_text() for line in out]
    assert all(table.startswith("track,start,end,probability") for table in tables)
    code, out, err = isolde("activity", *both, "-o", tmp_path / "times.srt")
    assert code != 0 and out == [] and len(err) == 1 and "give a folder" in err[0]
    assert not (tmp_path / "times.srt").exists()
    piped = io.TextIOWrapper(io.BytesIO(song.read_bytes()))
    monkeypatch.setattr(sys, "stdin", piped)
    code, out, err = isolde("activity", "-")
    assert (code, err) == (0, []) and out[0] == "track,start,end,probability"
    assert len(out) == len(tables[0].splitlines())


def test_a_model_that_is_not_known_is_answered_with_those_that_separate(
    isolde: Shell, song: Path, tmp_path: Path
):
    code, out, err = isolde("separate", song, "-o", tmp_path / "out", "--model", "nope")
    assert code != 0 and out == [] and len(err) == 1
    assert err[0].startswith("isolde: model 'nope' is not known: ")
    names = set(err[0].replace(",", " ").split())
    assert {"vocals", "stems", "rules"} <= names and "activity" not in names
    assert not (tmp_path / "out").exists()


def test_live_says_that_there_are_no_devices(isolde: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "list_devices", lambda: [])
    code, out, err = isolde("live", "--devices")
    assert (code, err) == (0, []) and len(out) == 1 and out[0].startswith("no devices: ")
