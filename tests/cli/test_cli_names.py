"""Names: of songs without a verb, of stems in other programs' layouts, and of files that clash."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import info, read, write
from isolde.cli.shared.habits import translate
from isolde.core.errors import InputError
from isolde.separation import FileSettings, Song, songs_in
from isolde.separation.songs import paths_of

RATE = 22050
BOTH = ("vocals", "accompaniment")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    write(path, noise(2, 5000), RATE)
    return path


def tracks(*sources: str, output: str | None = None) -> dict[str, str]:
    """The track name of every song that is found."""
    settings = FileSettings(output=Path(output) if output else None)
    return {str(s.path): s.track for s in songs_in(map(Path, sources), settings)}


def silent(*paths: str) -> None:
    """Files that are found, and not read."""
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# --- the command line of other separators ------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("song.mp3", "separate song.mp3"),
        ("-o out song.mp3", "separate -o out song.mp3"),
        ("- -o out", "separate - -o out"),
        ("live song.mp3", "live song.mp3"),
        ("seperate song.mp3", "seperate song.mp3"),
        ("--version", "--version"),
        ("a.mp3 --two-stems vocals -j 4", "separate a.mp3 --stem vocals --stem accompaniment "
         "--jobs 4"),
        ("a.mp3 -j4 -nopen", "separate a.mp3 --jobs 4 --model open"),
        ("a.mp3 -j=4", "separate a.mp3 --jobs 4"),
        ("separate -i a.mp3 -o out", "separate a.mp3 -o out"),
        ("a.mp3 -c mp3 -b 128k", "separate a.mp3 --format mp3 --bitrate 128"),
        ("a.mp3 --bitrate=192k", "separate a.mp3 --bitrate 192"),
        ("a.mp3 --two-stems=vocals", "separate a.mp3 --stem vocals --stem accompaniment"),
        ("a.mp3 --single-stem Vocals", "separate a.mp3 --stem vocals"),
        ("a.mp3 --output_format=FLAC", "separate a.mp3 --format flac"),
        ("a.mp3 -n open --mp3", "separate a.mp3 --model open --format mp3"),
        ("separate -- -d.wav", "separate -- -d.wav"),
        ("live -d", "live -d"),
    ],
)  # fmt: skip
def test_what_people_type_from_habit(typed: str, meant: str):
    assert " ".join(translate(typed.split(), verbs=["separate", "live"])) == meant


@pytest.mark.parametrize(
    ("typed", "option"),
    [("-d", "-d"), ("-dcuda", "-d"), ("--shifts=2", "--shifts"), ("--segment", "--segment")],
)
def test_what_has_no_meaning_here_is_one_line(typed: str, option: str):
    with pytest.raises(InputError, match=f"isolde has no {option}: .*leave it out"):
        translate(["song.mp3", typed, "cuda"], verbs=["separate"])


def test_a_file_whose_name_begins_like_an_option_is_a_song(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("-dance.wav").touch()
    assert translate(["-dance.wav", "-o", "a"], verbs=["karaoke"]) == [
        "separate", "./-dance.wav", "-o", "a"
    ]  # fmt: skip
    assert translate(["karaoke", "--", "-dance.wav"], verbs=["karaoke"])[-1] == "-dance.wav"


def test_a_song_without_a_verb_is_separated(isolde: Shell, song: Path):
    code, out, _ = isolde("song.wav", "-o", "out", "--two-stems", "vocals")
    assert code == 0 and out == ["out/song/vocals.wav", "out/song/accompaniment.wav"]
    code, _, err = isolde("seperate", "song.wav")
    assert code == 2 and "seperate" in err[0] and len(err) == 1
    code, _, err = isolde("song.wav", "--remux")  # without its value
    assert code == 2 and err[0].endswith("requires an argument: see isolde separate --help")


def test_a_range_in_minutes_and_an_end_at_the_end(isolde: Shell, tmp_path: Path):
    write(tmp_path / "long.wav", noise(1, 70 * 8000), 8000)
    stem = ("--stem", "vocals", "--name", "{stem}.{ext}", "--overwrite")
    assert isolde("long.wav", "--start", "1:05", "--end", "1:06.5", *stem)[0] == 0
    assert info("vocals.wav").n_samples == 12000


# --- names of stems ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "vocals", "accompaniment"),
    [
        ("spleeter", "a/song/vocals.flac", "a/song/accompaniment.flac"),
        ("demucs", "vocals-large/a/song/vocals.flac", "vocals-large/a/song/no_vocals.flac"),
        ("uvr", "a/song_(Vocals).flac", "a/song_(Instrumental).flac"),
        ("flat", "a/song (vocals).flac", "a/song (accompaniment).flac"),
    ],
)
def test_layouts_of_other_programs(layout: str, vocals: str, accompaniment: str):
    settings = FileSettings(output=Path("out"), layout=layout, container="flac")
    paths = paths_of(Song(Path("x/a/song.mp3"), "a/song"), settings, BOTH)
    assert list(map(str, paths.values())) == [f"out/{vocals}", f"out/{accompaniment}"]


@pytest.mark.parametrize(
    ("name", "phrases", "path"),
    [
        ("{stem} of {track}", False, "vocals of Mr. Smith.wav"),
        ("{stem} of {track}", True, "vocals of Mr. Smith"),
        ("{track}/{stem}.{ext}", True, "Mr. Smith/vocals"),
        ("{folder}/{track}_{stem}_{model}.{ext}", False, "x/Mr. Smith_vocals_open.wav"),
        ("{track}/{stem}.wav", False, "Mr. Smith/vocals.wav"),
    ],
)
def test_dots_in_names_are_no_endings(name: str, phrases: bool, path: str):
    from isolde.separation import SeparationSettings

    settings = FileSettings(
        name=name, phrases=phrases, separation=SeparationSettings("models/open.onnx")
    )
    song = Song(Path("/music/x/Mr. Smith.wav"), "Mr. Smith")
    assert str(paths_of(song, settings, ["vocals"])["vocals"]) == path


@pytest.mark.parametrize("name", ["...wav", "..wav", ". .wav"])
def test_no_name_leads_out_of_the_output_folder(isolde: Shell, song: Path, name: str):
    song.rename(name)
    code, out, _ = isolde("separate", f"./{name}", "-o", "a/b")
    assert code == 0
    base = Path("a/b").resolve()
    assert len(out) == 2
    for path in map(Path, out):
        assert path.resolve().is_relative_to(base) and len(path.parts) == 4


@pytest.mark.slow
def test_a_name_that_is_not_utf_8_is_a_name(tmp_path: Path):
    folder = os.fsencode(tmp_path / "music")
    os.mkdir(folder)
    write(tmp_path / "plain.wav", noise(1, 3000), RATE)
    try:
        os.rename(tmp_path / "plain.wav", folder + b"/caf\xe9.wav")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    for extra in ([], ["--json"], ["--jobs", "2"]):
        command = [sys.executable, "-m", "isolde", "music", "-o", "out", "--overwrite", *extra]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        if extra == ["--json"]:
            path = json.loads(done.stdout)["paths"]["vocals"]
            assert (tmp_path / path).is_file()
        else:
            assert b"out/caf\xe9/vocals.wav" in done.stdout
    (tmp_path / "music" / "no audio \udce9.wav").write_bytes(b"this is no audio at all, is it now?")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 2 and b"no audio \\udce9.wav" in done.stderr
    assert b"Traceback" not in done.stderr


# --- names of songs ----------------------------------------------------------------------------


def test_songs_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    silent("x.mp3", "x.wav", "A/01.mp3", "B/01.mp3", "A/02.mp3", "a/02.wav", "music/y.wav")
    assert tracks("x.mp3", "x.wav") == {"x.mp3": "x (mp3)", "x.wav": "x (wav)"}
    assert tracks("A/01.mp3", "B/01.mp3") == {"A/01.mp3": "A/01", "B/01.mp3": "B/01"}
    assert tracks("A", "B")["B/01.mp3"] == "B/01"
    assert tracks("x.mp3", "./x.mp3", "music", "music/y.wav") == {
        "x.mp3": "x",
        "music/y.wav": "y",
    }
    silent("p/c/1.wav", "q/c/1.wav", "q/c/1.mp3")
    found = tracks("p/c/1.wav", "q/c/1.wav", "q/c/1.mp3")
    assert len({name.casefold() for name in found.values()}) == 3


def test_a_scan_finds_what_is_audio_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    silent("m/a.WV", "m/b.mp2", "m/c.m4b", "m/d.aifc", "m/e.tta", "m/f.ape", "m/g.mka")
    silent("m/h.3gp", "m/i.ac3", "m/.hidden/j.wav", "m/.k.wav", "m/notes.txt", "m/album.flac/1.wav")
    assert sorted(tracks("m").values()) == ["a", "album.flac/1", *"bcdefghi"]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["spleeter", "uvr", "flat"])
@pytest.mark.parametrize("output", ["music", "music/stems", None])
def test_a_second_run_finds_no_stems(
    isolde: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, output: str | None
):
    write(tmp_path / "music" / "one.wav", noise(1, 3000), RATE)
    if output is None:
        monkeypatch.chdir("music")
    where = [*(("-o", output) if output else ()), "--layout", layout, "--overwrite"]
    folder = "music" if output else "."
    first = isolde("separate", folder, *where)
    assert first[0] == 0 and len(first[1]) == 2
    assert isolde("separate", folder, *where) == first


# --- standard input ----------------------------------------------------------------------------


def piped(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "isolde", "separate", "-", *arguments]
    return subprocess.run(command, input=data, capture_output=True)


@pytest.mark.slow
def test_every_option_works_from_a_pipe(song: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(song.parent)
    data = song.read_bytes()
    done = piped(data, "-o", "out", "--format", "flac", "--json", "--layout", "flat")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["paths"]["vocals"] == "out/stdin (vocals).flac"
    assert info("out/stdin (vocals).flac").n_samples == 5000
    done = piped(data, "--format", "flac", "--stem", "vocals")
    assert done.returncode == 0 and done.stdout[:4] == b"fLaC"
    streamed, _ = read(io.BytesIO(done.stdout))
    assert np.array_equal(streamed, read("out/stdin (vocals).flac")[0])
    again = piped(data, "-o", "out", "--format", "flac", "--layout", "flat")
    assert again.returncode == 2 and b"exists already" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--json",), "--json"),
        (("--resume", "-o", "out"), "--resume"),
        (("--stem", "vocals", "--stem", "accompaniment"), "one stem"),
        (("--only-vocal-parts",), "-o"),
    ],
)
def test_what_a_pipe_cannot_do_is_refused(song: Path, options: tuple[str, ...], message: str):
    done = piped(song.read_bytes(), *options)
    assert done.returncode == 2 and message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1 and not done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_one_line(song: Path):
    for arguments in (["separate", song, "--json"], ["doctor"], ["--version"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "isolde", *map(str, arguments)],
                stdout=full, stderr=subprocess.PIPE, text=True, cwd=song.parent,
            )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("isolde: standard output: the disk is full")
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr
