"""Songs in shares, by jobs that know nothing of each other: partition, journals, what is left."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.songs import contents, music
from isolde.audio import write
from isolde.core.errors import InputError
from isolde.core.journal import Journal
from isolde.separation import Shard, parse_shard

QUIET = np.zeros((2, 1000), np.float32)
TRACKS = [f"album {k % 7}/song {k}" for k in range(1000)]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_song_is_in_one_share_whatever_else_is_there(count: int):
    shares = [Shard(number, count) for number in range(1, count + 1)]
    homes = {track: [s.number for s in shares if s.holds(track)] for track in TRACKS}
    assert all(len(home) == 1 for home in homes.values())
    sizes = [sum(home == [s.number] for home in homes.values()) for s in shares]
    mean = len(TRACKS) / count
    assert all(abs(size - mean) < 4 * mean**0.5 for size in sizes)  # four standard deviations


def test_a_share_is_the_same_on_every_machine():
    assert [Shard(n, 5).holds("song") for n in range(1, 6)].index(True) == 4


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "3", "a/b", "1/2/3", ""])
def test_a_share_that_does_not_exist_is_one_line(text: str):
    with pytest.raises(InputError, match="shard"):
        parse_shard(text)


@pytest.mark.slow
def test_shares_make_what_one_run_makes_and_a_check_says_what_is_missing(
    isolde: Shell, tmp_path: Path
):
    songs = music(tmp_path / "music", 5)
    assert isolde("separate", "music", "-o", "whole", "--stem", "vocals")[0] == 0
    command = ("separate", "music", "-o", "out", "--stem", "vocals")
    code, out, err = isolde(*command, "--check")
    assert code == 2 and out == [f"music/{song.name}" for song in songs]
    assert "5 of 5 songs are missing" in err[-1]
    first = [song for song in songs if Shard(1, 2).holds(song.stem)]
    assert 0 < len(first) < 5
    code, out, _ = isolde(*command, "--shard", "1/2")
    assert code == 0 and len(out) == len(first)
    assert isolde(*command, "--shard", "1/2", "--check")[:2] == (0, [])
    code, out, err = isolde(*command, "--check")
    assert code == 2 and set(out) == {f"music/{s.name}" for s in songs if s not in first}
    assert all("not begun" in line for line in err[:-1])
    assert isolde(*command, "--shard", "2/2")[0] == 0
    assert isolde(*command, "--check")[:2] == (0, [])
    assert contents(Path("out")) == contents(Path("whole"))
    made = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.wav")}
    # any other shares, and none at all, go on from there
    assert all(isolde(*command, "--shard", f"{n}/3")[0] == 0 for n in (1, 2, 3))
    assert isolde(*command, "--resume")[0] == 0
    assert made == {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.wav")}
    for path in Path("out").glob("separate.*-of-*"):
        path.unlink()
    assert isolde(*command, "--check")[:2] == (0, [])  # all is in the one journal


def test_a_check_tells_why_a_song_is_missing(isolde: Shell, tmp_path: Path):
    songs = music(tmp_path / "music", 3)
    command = ("separate", "music", "-o", "out", "--stem", "vocals", "--json")
    assert isolde(*command, "--resume")[0] == 0
    Path("out/song 0/vocals.wav").unlink()
    write(songs[1], QUIET, 22050, overwrite=True)
    before = contents(Path("out"))
    code, out, _ = isolde(*command, "--check")
    states = {entry["track"]: entry["state"] for entry in map(json.loads, out)}
    assert code == 2
    assert "gone" in states["song 0"] and "another file" in states["song 1"]
    assert states["song 2"] == "done"
    assert contents(Path("out")) == before


def states(isolde: Shell, *command: object) -> dict[str, str]:
    """What a check says of each song."""
    _, out, _ = isolde(*command, "--check", "--json")
    return {entry["track"]: entry["state"] for entry in map(json.loads, out)}


def test_a_stem_that_was_cut_is_told_and_not_replaced_unasked(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 2)
    command = ("separate", "music", "-o", "out", "--stem", "vocals", "--model", "vocals")
    assert isolde(*command, "--resume")[0] == 0
    whole = contents(Path("out"))
    cut, tagged = Path("out/song 0/vocals.wav"), Path("out/song 1/vocals.wav")
    cut.write_bytes(cut.read_bytes()[:-1000])
    tagged.write_bytes(tagged.read_bytes() + b"LIST\4\0\0\0INFO")
    told = states(isolde, *command)
    assert "smaller" in told["song 0"] and told["song 1"] == "done"
    code, _, err = isolde(*command, "--resume")
    assert code == 2 and "song 0/vocals.wav: is smaller than it was written" in err[0]
    assert isolde(*command, "--resume", "--overwrite")[0] == 0
    assert set(states(isolde, *command).values()) == {"done"}
    assert cut.read_bytes() == whole["song 0/vocals.wav"]
    assert len(tagged.read_bytes()) > len(whole["song 1/vocals.wav"])


def test_a_song_that_was_never_made_is_not_said_to_be_made(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 1)
    (tmp_path / "music" / "bad.wav").write_bytes(b"this is no audio at all, whatever its name says")
    command = ("separate", "music", "gone.wav", "-o", "out", "--stem", "vocals", "--model")
    assert isolde(*command, "vocals", "--resume")[0] == 2
    told = states(isolde, *command, "vocals")
    assert told["song 0"] == "done" and "it failed" in told["bad"]
    assert "cannot be reached" in told["gone"]
    told = states(isolde, *command, "open")
    assert "other settings" in told["song 0"] and told["bad"] == "not begun"
    Path("out/song 0/vocals.wav").unlink()
    assert states(isolde, *command, "open")["song 0"] == "not begun"


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_lossy_songs_and_stems_without_a_journal_are_known(
    isolde: Shell, tmp_path: Path, kind: str
):
    write(tmp_path / f"m/song.{kind}", np.zeros((2, 44_100), np.float32), 44_100)
    command = ("separate", "m", "-o", "out", "--format", kind, "--model", "vocals")
    assert isolde(*command)[0] == 0
    assert states(isolde, *command) == {"song": "done"}
    made = contents(Path("out"))
    code, _, err = isolde(*command, "--resume")
    assert code == 0 and "without --resume" in err[0] and contents(Path("out")) == made


def test_what_is_not_ours_is_never_replaced_however_often_one_resumes(
    isolde: Shell, tmp_path: Path
):
    music(tmp_path / "music", 1)
    write(Path("out/song 0/vocals.wav"), QUIET, 22050)
    before = contents(Path("out"))
    for _ in range(2):
        code, _, err = isolde("separate", "music", "-o", "out", "--resume")
        assert code == 2 and "exists already" in err[0]
    assert contents(Path("out")) == before


def test_of_several_journals_the_newest_line_counts(tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"

    def line(stamp: str, time: float, **value: object) -> str:
        return json.dumps({"key": "song", "stamp": stamp, "time": time, **value}) + "\n"

    one.write_text(line("old", 1.0) + line("old", 2.0, value=1))
    two.write_text(line("new", 3.0) + line("new", 4.0, value=2))
    for own, other in ((one, two), (two, one)):
        journal = Journal(own, others=[other])
        assert journal.finished({"song": "new"}) == {"song": 2}
        assert journal.finished({"song": "old"}) == {}
    Journal(one, others=[two]).merge()
    assert Journal(one).finished({"song": "new"}) == {"song": 2}
    lines = one.read_text()
    Journal(one, others=[two]).merge()
    assert one.read_text() == lines
