"""Options of `isolde` that cannot be: values out of range, and two that exclude one another."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import read, write


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    write(path, noise(2, 5000), 22050)
    return path


@pytest.mark.parametrize(
    ("verb", "option", "value"),
    [
        ("separate", "--strength", "abc"),
        ("separate", "--jobs", "-1"),
        ("separate", "--bitrate", "1e9"),
        ("separate", "--threads", "-1"),
        ("separate", "--clip", "never"),
        ("look", "--dpi", "10"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_option(
    isolde: Shell, song: Path, verb: str, option: str, value: str
):
    code, out, err = isolde(verb, song, "-o", "out", option, value)
    assert (code, out, len(err)) == (2, [], 1)
    assert option in err[0] and value in err[0]
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--strength inf", "strength inf is out of range"),
        ("--threshold 0.3", "threshold 0.3 needs a binary mask"),
        ("--mask binary --strength 2", "strength 2 needs a soft mask"),
        ("--overwrite --skip-existing", "--overwrite replaces what --skip-existing leaves"),
        ("--model open --quality best", "--model open and --quality best name a model"),
        ("--model vocals-large --quality best", "--model vocals-large and --quality best"),
        ("--format mp3 --bitrate 99999999", "a bit rate of 99999999 kbit/s"),
    ],
)
def test_options_without_an_effect_or_against_each_other_are_refused(
    isolde: Shell, song: Path, options: str, message: str
):
    code, out, err = isolde("separate", song, "-o", "out", *options.split())
    assert (code, out, len(err)) == (2, [], 1) and message in err[0]
    assert not Path("out").exists()


def test_a_quality_of_the_format_goes_with_a_model(isolde: Shell, song: Path):
    words = ("--model", "article", "--quality", "3", "--format", "mp3", "-o", "out")
    assert isolde("separate", song, *words, "--stem", "vocals")[:2] == (0, ["out/song/vocals.mp3"])


@pytest.mark.parametrize("verb", ["separate", "karaoke", "activity", "look", "pairs", "data scan"])
def test_an_empty_argument_is_no_folder(isolde: Shell, song: Path, verb: str):
    for words, told in (
        ([""], "a path is empty"),
        ([song, "-o", ""], "what follows -o is empty"),
        ([song, "--output="], "--output is empty"),
    ):
        code, out, err = isolde(*verb.split(), *words)
        assert (code, out, len(err)) == (2, [], 1) and told in err[0]


# --- a stem on standard output -----------------------------------------------------------------


@pytest.mark.slow
def test_a_stem_of_a_file_goes_to_standard_output(song: Path):
    words = [sys.executable, "-m", "isolde", "song.wav", "--model", "article", "--stem", "vocals"]
    piped = subprocess.run([*words, "-o", "-"], cwd=song.parent, capture_output=True, check=True)
    assert piped.stderr == b""
    subprocess.run([*words, "-o", "out"], cwd=song.parent, capture_output=True, check=True)
    samples, rate = read(io.BytesIO(piped.stdout))
    assert rate == 22050
    np.testing.assert_array_equal(samples, read(song.parent / "out/song/vocals.wav")[0])
    assert sorted(path.name for path in song.parent.iterdir()) == ["out", "song.wav"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("song.wav", "--stem", "vocals", "--stem", "accompaniment"), "one stream holds one stem"),
        (("song.wav", "other.wav"), "standard output is one stem: give one song"),
        (("song.wav", "--resume"), "--resume"),
        (("song.wav", "--timeout", "9"), "and --timeout"),
        (("song.wav", "--json"), "--json and the sound"),
        (("song.wav", "--preview"), "previews"),
        (("https://localhost/song.wav",), "give a folder with -o"),
    ],
)
def test_what_does_not_fit_into_a_stream_is_refused(
    isolde: Shell, song: Path, words: tuple[str, ...], message: str, monkeypatch
):
    monkeypatch.setattr("isolde.separation.remote.files_below", lambda url: None)
    code, out, err = isolde("separate", *words, "-o", "-")
    assert (code, out, len(err)) == (2, [], 1) and message in err[0]
    assert not Path("-").exists()


def test_without_arguments_the_help_is_shown(isolde: Shell):
    code, out, err = isolde()
    assert (code, err) == (2, []) and any("Commands" in line for line in out)
