"""What a journal tells of a separated song is what was written, or is refused in one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from isolde.activity import Phrase
from isolde.core.errors import InputError
from isolde.separation import Separated, Song

HERE = Separated(
    Song(Path("/songs/a.mp3"), "a"),
    {"vocals": Path("/out/a/phrases"), "accompaniment": Path("/out/a/accompaniment.flac")},
    180.25,
    9.5,
    ["a: 3 samples clipped"],
    [Phrase(Path("/out/a/phrases/001.flac"), 1.5, 4.0)],
)
FAR = Separated(
    Song(Path("/bucket/a.mp3"), "x/a", url="s3://bucket/a.mp3"),
    {"vocals": Path("x/a/vocals.flac")},
    60.0,
    0.0,
    remote="s3://bucket/out/",
    sizes={Path("x/a/vocals.flac"): 4711},
)


@pytest.mark.parametrize("separated", [HERE, FAR])
def test_a_song_comes_back_from_json_as_it_was(separated: Separated):
    told = json.loads(json.dumps(separated.to_dict()))
    assert Separated.from_dict(told) == separated


def test_the_files_of_a_song_have_the_paths_of_another_folder():
    sizes = {path: n for n, path in enumerate(HERE.files)}
    song, folder = Song(Path("a.mp3"), "a"), Path("../out/a/phrases")
    paths = {"vocals": folder, "accompaniment": Path("../out/a/accompaniment.flac")}
    found = replace(HERE, sizes=sizes).with_paths(song, paths)
    assert found.files == [folder / "001.flac", paths["accompaniment"]]
    assert (found.song, found.paths) == (song, paths)
    assert list(found.sizes) == found.files and [*found.sizes.values()] == [0, 1]


def test_files_are_told_where_people_find_them():
    assert FAR.to_dict()["paths"] == {"vocals": "s3://bucket/out/x/a/vocals.flac"}
    assert FAR.to_dict()["bytes"] == {"s3://bucket/out/x/a/vocals.flac": 4711}
    assert HERE.files == [Path("/out/a/phrases/001.flac"), Path("/out/a/accompaniment.flac")]
    assert (HERE.to_dict()["real_time_factor"], FAR.real_time_factor) == (18.97, 0.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"paths": ["vocals.wav"]}, "'paths' is"),
        ({"seconds": "long"}, "'seconds' is 'long': give a number"),
        ({"phrases": [{"path": "1.wav", "start": 0.0}]}, "'end' is missing"),
        ({"pitch": 440.0}, "'pitch' is unknown"),
    ],
)
def test_what_is_no_separated_song_is_refused_in_one_line(change, said: str):
    with pytest.raises(InputError, match=said) as refused:
        Separated.from_dict({**HERE.to_dict(), **change})
    assert str(refused.value).startswith("a song in the journal")
    assert "\n" not in str(refused.value)
