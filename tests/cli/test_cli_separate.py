"""`isolde separate` as a user meets it: files that come out, lines that are said, exit codes."""

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
from isolde.core.errors import ModelError
from isolde.models import catalogue


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "Über uns é.wav"
    write(path, noise(2, 30000), 44100)
    return path


def test_two_stems_that_sum_to_the_song(isolde: Shell, song: Path, tmp_path: Path):
    code, out, err = isolde("separate", song, "-o", "stems")
    assert (code, err) == (0, [])
    folder = Path("stems") / song.stem
    assert out == [str(folder / "vocals.wav"), str(folder / "accompaniment.wav")]
    stems = [read(path)[0] for path in out]
    mixture, rate = read(song)
    assert info(out[0]).sample_rate == rate == 44100
    # each stem is rounded to 16 bit: half a step each
    assert np.abs(sum(stems) - mixture).max() <= 1.01 / 32768
    assert sorted(p.name for p in folder.iterdir()) == ["accompaniment.wav", "vocals.wav"]


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("n_channels", [1, 6])
def test_rate_channels_length_and_depth_are_kept(
    isolde: Shell, tmp_path: Path, rate: int, n_channels: int
):
    write(tmp_path / "song.wav", noise(n_channels, 7001), rate, subtype="PCM_24")
    assert isolde("separate", "song.wav", "-o", "out")[0] == 0
    found = info("out/song/vocals.wav")
    assert (found.sample_rate, found.n_channels, found.n_samples) == (rate, n_channels, 7001)
    assert found.subtype == "PCM_24"


def test_stem_format_depth_range_and_name(isolde: Shell, song: Path):
    code, out, _ = isolde(
        *("separate", song, "--stem", "vocals", "--format", "flac", "--bit-depth", "24"),
        *("--start", "0.1", "--end", "0.4", "--name", "{stem} of {track}.{ext}"),
    )
    assert code == 0
    assert out == [f"vocals of {song.stem}.flac"]
    found = info(out[0])
    assert (found.subtype, found.n_samples) == ("PCM_24", 13230)


def test_tags_come_along(isolde: Shell, tmp_path: Path):
    tags = {"title": "Mild und leise", "artist": "Isolde"}
    write(tmp_path / "song.flac", noise(2, 9000), 44100, tags=tags)
    assert isolde("separate", "song.flac", "-o", "out", "--format", "mp3")[0] == 0
    assert tags.items() <= info("out/song/vocals.mp3").tags.items()


def test_folders_keep_their_structure(isolde: Shell, tmp_path: Path):
    for name in ("a/song.wav", "b/song.flac", "b/c/other.mp3"):
        write(tmp_path / "music" / name, noise(2, 5000), 44100)
    (tmp_path / "music" / "cover.jpg").write_bytes(b"x")
    code, out, _ = isolde("separate", "music", "-o", "out", "--stem", "vocals")
    assert code == 0
    assert sorted(out) == [f"out/{t}/vocals.wav" for t in ("a/song", "b/c/other", "b/song")]


def test_one_line_of_json_for_each_song(isolde: Shell, song: Path):
    code, out, _ = isolde("separate", song, "missing.wav", "-o", "out", "--json")
    assert code == 2
    good, bad = (json.loads(line) for line in out)
    assert good["track"] == song.stem and good["seconds"] == pytest.approx(30000 / 44100)
    assert Path(good["paths"]["vocals"]).is_file() and good["real_time_factor"] > 0
    assert bad["source"] == "missing.wav" and "no such file" in bad["error"]


def test_a_bad_song_does_not_stop_the_batch(isolde: Shell, song: Path, tmp_path: Path):
    (tmp_path / "noise.wav").write_bytes(b"this is no audio, but long enough to look like a file")
    (tmp_path / "empty.mp3").write_bytes(b"")
    code, out, err = isolde("separate", "noise.wav", "empty.mp3", song, "-o", "out")
    assert code == 2
    assert len(out) == 2 and song.stem in out[0]
    assert len(err) == 3
    assert "noise.wav" in err[0] and "empty.mp3" in err[1] and "2 of 3 songs failed" in err[2]
    assert not Path("out/noise").exists() and not Path("out/empty").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.wav"], "nothing.wav: no such file"),
        (["song.wav", "--stem", "choir"], "choir"),
        (["song.wav", "--format", "midi"], "midi"),
        (["song.wav", "--format", "flac", "--bit-depth", "32f"], "32f"),
        (["song.wav", "--model", "nonesuch"], "nonesuch"),
        (["song.wav", "--mask", "hard"], "hard"),
        (["song.wav", "--strength", "0"], "strength 0"),
        (["song.wav", "--start", "3", "--end", "2"], "3"),
        (["song.wav", "--start", "99"], "99"),
        (["song.wav", "--name", "{track}.wav"], "stem"),
        (["song.wav", "--name", "{artist}/{stem}.wav"], "artist"),
        (["song.wav", "--name", "{"], "template"),
        (["folder"], "no audio file"),
        (["song.wav", "x/song.wav", "--name", "{stem}.{ext}"], "both write"),
        (["song.wav", "--layout", "ours"], "spleeter, demucs, uvr, flat"),
        (["song.wav", "--start", "1:99"], "'1:99' is no time"),
        (["-", "song.wav"], "standard input is one song"),
        (["song.wav", "--nonesuch"], "--nonesuch"),
        (["song.wav", "-d", "cuda"], "isolde has no -d"),
        (["song.wav", "--two-stems", "drums"], "--stem drums --model stems"),
        (["song.wav", "-f", "{instrument}"], "isolde has no -f: names are given by --name"),
    ],
)
def test_bad_input_is_one_clear_line_and_code_2(
    isolde: Shell, tmp_path: Path, arguments: list[str], message: str
):
    write(tmp_path / "song.wav", noise(1, 3000), 22050)
    write(tmp_path / "x" / "song.wav", noise(1, 3000), 22050)
    (tmp_path / "folder").mkdir()
    code, out, err = isolde("separate", *arguments, "-o", "out")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("isolde: ") and message in err[0]
    assert not Path("out").exists()


def test_nothing_is_overwritten_unasked(isolde: Shell, song: Path):
    assert isolde("separate", song, "-o", "out")[0] == 0
    path = Path("out") / song.stem / "vocals.wav"
    path.write_bytes(b"mine")
    code, _, err = isolde("separate", song, "-o", "out")
    assert code == 2 and "exists" in err[0] and path.read_bytes() == b"mine"
    assert isolde("separate", song, "-o", "out", "--overwrite")[0] == 0
    assert info(path).n_samples == 30000


def test_the_song_itself_is_never_overwritten(isolde: Shell, tmp_path: Path):
    write(tmp_path / "vocals.wav", noise(1, 3000), 22050)
    before = (tmp_path / "vocals.wav").read_bytes()
    code, _, err = isolde("separate", "vocals.wav", "--overwrite", "--name", "{stem}.{ext}")
    assert code == 2 and "is read here and would be lost" in err[0]
    assert (tmp_path / "vocals.wav").read_bytes() == before


def test_clipping_and_nan_are_said(isolde: Shell, tmp_path: Path):
    audio = noise(2, 9000)
    audio[0, 100] = np.nan
    audio[:, 500:600] = 1.5
    write(tmp_path / "loud.wav", np.nan_to_num(audio), 44100, subtype="FLOAT")
    import soundfile

    soundfile.write(tmp_path / "loud.wav", audio.T, 44100, subtype="FLOAT")
    code, _, err = isolde("separate", "loud.wav", "-o", "out", "--bit-depth", "16")
    assert code == 0
    assert any("NaN" in line and "1" in line for line in err)
    assert any("accompaniment" in line and "peak" in line for line in err)
    code, _, err = isolde(
        "separate", "loud.wav", "-o", "strict", "--bit-depth", "16", "--clip", "error"
    )
    assert code == 2 and not list(Path("strict").rglob("*.wav"))


def test_quiet_says_nothing(isolde: Shell, song: Path):
    assert isolde("separate", song, "-o", "out", "--quiet") == (0, [], [])


def test_a_file_with_no_samples_is_no_song(isolde: Shell, tmp_path: Path):
    write(tmp_path / "short.wav", np.zeros((2, 0), np.float32), 44100)
    code, _, err = isolde("separate", "short.wav", "-o", "out")
    assert code == 2 and "short.wav: holds no sound" in err[0]
    assert not (tmp_path / "out").exists()


def test_a_read_only_folder_is_refused_before_the_work(isolde: Shell, song: Path, tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    code, _, err = isolde("separate", song, "-o", locked)
    assert code == 2 and "cannot be written" in err[0]


def test_a_file_where_the_folder_should_be(isolde: Shell, song: Path, tmp_path: Path):
    (tmp_path / "out").write_text("I am a file")
    code, _, err = isolde("separate", song, "-o", "out")
    assert code == 2 and "cannot be written" in err[0]


def test_ctrl_c_leaves_nothing_that_looks_whole(isolde: Shell, song: Path, monkeypatch):
    from isolde.separation.stages import separator

    feed = separator.Separator.feed
    fed = []

    def interrupted(self, block):
        if fed:
            raise KeyboardInterrupt
        fed.append(block)
        return feed(self, block)

    monkeypatch.setattr(separator.Separator, "feed", interrupted)
    monkeypatch.setattr("isolde.separation.files.BLOCK_SAMPLES", 4096)
    code, _, err = isolde("separate", song, "-o", "out")
    assert (code, err[-1]) == (130, "isolde: interrupted")
    assert not list(Path().rglob("out/**/*.*"))


def test_help_is_quick_and_version_is_said():
    heavy = "import sys, isolde.cli; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    done = subprocess.run(
        [sys.executable, "-m", "isolde", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("isolde ")


def test_a_quality_names_its_model_and_says_which(isolde: Shell, song: Path, monkeypatch):
    code, out, err = isolde("separate", song, "--quality", "good", "-o", "stems")
    assert (code, err, len(out)) == (0, ["isolde: quality good: model 'vocals'"], 2)
    assert catalogue.chosen_model("best") == "vocals-large"
    assert catalogue.find("good").card.name == "vocals"
    assert catalogue.chosen_model("fast") in catalogue.QUALITIES["fast"]
    monkeypatch.setattr(catalogue, "names", lambda: ["vocals"])
    assert catalogue.chosen_model("best") == "vocals"  # of those that are installed
    monkeypatch.setattr(catalogue, "names", lambda: [])
    with pytest.raises(ModelError, match="no model of the quality 'best' is installed"):
        catalogue.chosen_model("best")
    assert catalogue.chosen_model("open") == "open"


def test_a_quality_of_both_kinds_and_one_of_neither(isolde: Shell, song: Path):
    code, _, err = isolde(
        "separate", song, "--quality", "fast", "--quality", "2", "--format", "mp3", "-o", "small"
    )
    assert (code, err) == (0, ["isolde: quality fast: model 'vocals'"])
    isolde("separate", song, "--quality", "9", "--format", "mp3", "-o", "large")
    sizes = [next(Path(name).rglob("vocals.mp3")).stat().st_size for name in ("small", "large")]
    assert sizes[0] < 0.7 * sizes[1]
    for value in ("superb", "11", "nan"):
        code, _, err = isolde("separate", song, "--quality", value)
        assert code == 2 and f"'{value}' is no quality" in err[-1]
