"""The folder of a song: all its files or none, beside what is there; what is sung is given here."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from helpers.sounds import noise
from isolde.activity import Activity, Segment
from isolde.audio import info, read, write
from isolde.core.errors import AudioError, InputError
from isolde.karaoke import Note, Singing, write_song_folder
from isolde.separation import STDIN, Song

RATE = 16_000
SHARES = {"vocals": 0.5, "drums": 0.25, "bass": 0.125, "other": 0.125}


@pytest.fixture
def song(tmp_path: Path) -> Song:
    write(tmp_path / "noise.wav", noise(2, RATE, peak=0.5), RATE)
    return Song(tmp_path / "noise.wav", "noise")


@pytest.fixture
def sing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let every song have shares of it as stems, and one note, or none, or fail at its end."""

    def sing_so(*, heard: bool = True, error: BaseException | None = None) -> None:
        def find(
            path: Path, *, on_stems: Callable[[Mapping[str, object]], None], **_: object
        ) -> Singing:
            samples, _rate = read(path)
            for part in np.array_split(samples, 3, axis=1):
                on_stems({stem: np.float32(share) * part for stem, share in SHARES.items()})
            if error is not None:
                raise error
            phrase = Segment(0.25, 0.75, 1.0)
            activity = Activity(np.ones(100, np.float32), 0.01, (phrase,) if heard else (), 1.0)
            notes = (Note(0.25, 0.75, 60.0),) if heard else ()
            return Singing(activity, notes, None, ("odd", "odd"))

        monkeypatch.setattr("isolde.karaoke.song_folder.find_singing", find)

    sing_so()
    return sing_so


def test_what_is_no_voice_is_summed_and_every_warning_comes_once(song, sing, tmp_path: Path):
    made = write_song_folder(song, tmp_path / "games", container="wav")
    names = ["noise.txt", "noise.wav", "noise [VOC].wav", "noise [INSTR].wav"]
    place = tmp_path / "games" / "noise"
    assert list(made.files) == [place / name for name in names]
    assert sorted(os.listdir(place)) == sorted(names)
    whole = read(song.path)[0]
    for name, share in (("VOC", 0.5), ("INSTR", 0.5)):
        stem = read(place / f"noise [{name}].wav")[0]
        np.testing.assert_allclose(stem, share * whole, rtol=0, atol=2 / 32768)
    assert made.warnings == ("odd",)


@pytest.mark.parametrize("error", [InputError("the words do not fit"), KeyboardInterrupt()])
def test_what_fails_at_its_end_leaves_nothing(song, sing, tmp_path: Path, error: BaseException):
    sing(error=error)
    with pytest.raises(type(error)):
        write_song_folder(song, tmp_path / "games", container="flac")
    assert os.listdir(tmp_path) == ["noise.wav"]
    sing(heard=False)
    with pytest.raises(InputError, match="no singing was found"):
        write_song_folder(song, tmp_path / "games", container="flac")
    assert os.listdir(tmp_path) == ["noise.wav"]


def test_only_its_own_files_are_replaced_and_only_when_asked(song, sing, tmp_path: Path):
    place = tmp_path / "games" / "noise"
    place.mkdir(parents=True)
    (place / "video.mp4").write_bytes(b"film")
    (place / "noise.txt").write_text("mine")
    with pytest.raises(AudioError, match="exists already"):
        write_song_folder(song, tmp_path / "games", container="wav")
    assert sorted(os.listdir(place)) == ["noise.txt", "video.mp4"]
    write_song_folder(song, tmp_path / "games", container="wav", overwrite=True)
    assert (place / "video.mp4").read_bytes() == b"film"
    assert (place / "noise.txt").read_text("utf-8").endswith("\nE\n")


def test_a_song_in_its_own_folder_is_not_copied(song, sing, tmp_path: Path):
    place = tmp_path / "noise"
    place.mkdir()
    song = Song(song.path.rename(place / "noise.wav"), "noise")
    before = song.path.stat()
    write_song_folder(song, tmp_path, container="flac")
    assert (song.path.stat().st_ino, song.path.stat().st_mtime_ns) == (
        before.st_ino, before.st_mtime_ns)  # fmt: skip
    assert info(place / "noise [VOC].flac").container == "FLAC"


def test_standard_input_has_no_file_to_copy(sing, tmp_path: Path):
    with pytest.raises(InputError, match="give a file's path"):
        write_song_folder(Song(STDIN, "stdin"), tmp_path / "games", container="wav")
    assert os.listdir(tmp_path) == []
