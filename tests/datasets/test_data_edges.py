"""What data sets must survive: links, one artist written in two ways, caches that are half old."""

import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import invoke
from isolde.audio import write
from isolde.cli.shared import terminal
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32
from isolde.core.unfinished import hidden_name
from isolde.datasets import Hints, Row, find, frames, read_manifest, scan, split_of, write_manifest
from isolde.datasets.check.songs import check
from isolde.datasets.label import label as labels
from isolde.datasets.label.confidence import confidence_of
from isolde.datasets.label.label import label_songs, songs_to_label
from isolde.datasets.label.results import LabelManifest, LabelResult
from isolde.datasets.mixing.library import Library
from isolde.datasets.voicing import voice_frames

RATE = 22050
QUARTET = ("vocals", "drums", "bass", "other")


def tone(hertz: float, *, level: float = 0.2, channels: int = 2) -> Float32:
    sound = level * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    return np.tile(sound.astype(np.float32), (channels, 1))


def put(folder: Path, **stems: float) -> Path:
    for name, hertz in stems.items():
        write(folder / f"{name}.wav", tone(hertz), RATE, subtype="FLOAT")
    return folder


def test_songs_that_are_linked_into_a_test_folder_are_of_the_test(tmp_path: Path):
    put(tmp_path / "pool" / "A - S", vocals=300, drums=100)
    (tmp_path / "set" / "test").mkdir(parents=True)
    (tmp_path / "set" / "test" / "A - S").symlink_to(tmp_path / "pool" / "A - S")
    loose = tmp_path / "set" / "test" / "B - T.wav"
    loose.symlink_to(tmp_path / "pool" / "A - S" / "vocals.wav")
    rows = find([tmp_path / "set"], how=Hints(otherwise="vocals")).rows
    assert {(row.track, row.split) for row in rows} == {("A - S", "test"), ("B - T", "test")}


def test_a_root_that_is_linked_is_called_as_what_it_is(tmp_path: Path):
    put(tmp_path / "test" / "A - S", vocals=300, drums=100)
    (tmp_path / "songs").symlink_to(tmp_path / "test")
    assert {row.split for row in find([tmp_path / "songs"]).rows} == {"test"}


def test_tags_without_a_song_are_named(tmp_path: Path):
    write(tmp_path / "x.wav", tone(300), RATE)
    (tmp_path / "tags.csv").write_text("artist,song\nNina\n", "utf-8")
    found = find([tmp_path], how=Hints(loose="vocals"))
    assert len(found.rows) == 1
    (problem,) = found.problems
    assert "tags.csv, line 2: has no song" in problem


def test_an_artist_in_two_spellings_is_on_two_sides(tmp_path: Path):
    """Composed and decomposed accents are one name, for splits and for the check of them."""
    rows = []
    for artist, split, hertz in (("Zo\u00e9", "train", 300), ("Zoe\u0301 ", "test", 400)):
        put(tmp_path / split, vocals=hertz, drums=hertz + 50)
        found = scan([tmp_path / split]).rows
        rows += [replace(r, track=split, artist=artist, split=split) for r in found]
    assert split_of("Zo\u00e9", validation=0.5) == split_of("Zoe\u0301 ", validation=0.5)
    assert [f.kind for f in check(rows).faults] == ["artist"]


@pytest.mark.parametrize("seconds", [1, -3600])
def test_stems_of_a_changed_song_are_decoded_anew_also_those_nobody_asks_for(
    tmp_path: Path, seconds: int
):
    """Also of one that is older, as a copy from elsewhere may be.

    They lie in the cache from before, and whoever asks next gets them."""
    song = put(tmp_path / "in" / "song", vocals=300, drums=100, bass=50, other=700)
    cache = tmp_path / "cache"

    def loudest() -> float:
        (entry,) = Library([tmp_path / "in"], cache, stems=QUARTET).entries
        assert entry.drums is not None
        return float(np.abs(entry.drums).max()) / 32767

    assert loudest() == pytest.approx(0.2, abs=0.01)
    spare = tmp_path / "drums.wav"
    write(spare, tone(100, level=0.6), RATE, subtype="FLOAT")
    with (song / "drums.wav").open("r+b") as file:  # in place: the folder stays as it was
        file.write(spare.read_bytes())
    changed = (song / "drums.wav").stat().st_mtime_ns + seconds * 10**9
    os.utime(song / "drums.wav", ns=(changed, changed))
    Library([tmp_path / "in"], cache)
    assert loudest() == pytest.approx(0.6, abs=0.01)


def test_folders_whose_names_are_not_utf8(tmp_path: Path):
    """They can be learnt from; a manifest, which is UTF-8, names them only from inside."""
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    put(root / "A - S", vocals=300, drums=100)
    assert len(Library([root], tmp_path / "cache").entries) == 1
    rows = scan([root]).rows
    with pytest.raises(InputError, match="is not UTF-8, as"):
        write_manifest(rows, tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()
    write_manifest(rows, root / "m.csv")
    assert len(read_manifest(root / "m.csv")) == 2


def test_a_folder_whose_name_begins_with_a_blank_is_found_again(tmp_path: Path):
    """Blanks around a value are left out when a manifest is read."""
    put(tmp_path / " A - S", vocals=300)
    write_manifest(scan([tmp_path]).rows, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv")[0].file.is_file()


def test_what_a_cache_has_lost_is_decoded_anew(tmp_path: Path):
    """As where a temporary folder is tidied up file by file."""
    put(tmp_path / "in" / "A - S", vocals=300, drums=100)
    for name in ("vocals", "accompaniment", "activity"):
        Library([tmp_path / "in"], tmp_path / "cache")
        (lost,) = (tmp_path / "cache").glob(f"*.{name}.npy")
        lost.unlink()
        (entry,) = Library([tmp_path / "in"], tmp_path / "cache").entries
        assert entry.vocals is not None and entry.accompaniment is not None
        assert entry.activity.any()


def test_songs_that_cannot_be_decoded_are_no_missing_songs(tmp_path: Path):
    write_manifest([Row("S", "A", "train", "vocals", tmp_path / "gone.wav")], tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"none of the songs can be used: .*gone\.wav"):
        Library.from_manifest(tmp_path / "m.csv", tmp_path / "cache")


def test_the_activity_of_hours_needs_no_memory_of_hours(monkeypatch: pytest.MonkeyPatch):
    """Whatever is transformed at once, the frames are the same."""
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 5 * RATE)).astype(np.float32)
    whole = frames.frame_power(sound, slice(5, 372))
    monkeypatch.setattr(frames, "BLOCK", 1000)
    np.testing.assert_allclose(frames.frame_power(sound, slice(5, 372)), whole, rtol=1e-5)
    assert len(whole) == GRID_22.n_frames(5 * RATE)


def test_nobody_sings_in_no_samples():
    assert voice_frames(np.zeros((2, 0), np.float32)).size == 0


# --- labels ------------------------------------------------------------------------------------


class Halves:
    """A teacher that halves what it is given."""

    name, command = "halves", ("halves",)
    heard: list[int]
    places: list[str]

    def __init__(self) -> None:
        self.heard, self.places = [], []

    def run(self, song: Path, folder: Path) -> None:
        from isolde.audio import read

        audio, rate = read(song)
        self.heard.append(len(audio))
        self.places.append(folder.parent.name)
        write(folder / "vocals.wav", audio / 2, rate, subtype="FLOAT")

    def close(self) -> None:
        pass


def test_a_teacher_hears_what_its_stems_are_compared_with(tmp_path: Path):
    """Of six channels the first two are labelled: all six would be mixed to their mean."""
    noise = np.random.default_rng(0).normal(0, 0.1, (6, RATE)).astype(np.float32)
    write(tmp_path / "in" / "song.wav", noise, RATE, subtype="FLOAT")
    songs, _ = songs_to_label(tmp_path / "in")
    teacher = Halves()
    (result,) = label_songs(songs, tmp_path / "out", teacher, container="wav")
    assert result.error == "" and teacher.heard == [2]
    assert result.confidence is not None
    np.testing.assert_allclose(result.confidence.vocals_db, 20 * np.log10(0.5), atol=0.01)


def test_a_folder_that_no_labelling_made_is_not_replaced(tmp_path: Path):
    """The song's own, for example, where the labels are to lie in the folder of the songs."""
    write(tmp_path / "in" / "A - B" / "mixture.wav", tone(300), RATE)
    songs, _ = songs_to_label(tmp_path / "in", how=Hints(without=(tmp_path / "in",)))
    (result,) = label_songs(songs, tmp_path / "in", Halves())
    assert "would be replaced: choose another folder" in result.error
    assert [path.name for path in (tmp_path / "in" / "A - B").iterdir()] == ["mixture.wav"]


def test_what_a_killed_labelling_left_goes_with_the_next_song(tmp_path: Path):
    """Songs are worked on in hidden folders, whose names tell the process that does."""
    write(tmp_path / "in" / "song.wav", tone(300), RATE)
    songs, _ = songs_to_label(tmp_path / "in")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / "out" / hidden_name().replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    left.mkdir(parents=True)
    teacher = Halves()
    label_songs(songs, tmp_path / "out", teacher)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]
    assert teacher.places[0].startswith(".isolde-") and f"-{os.getpid()}-" in teacher.places[0]


def test_labels_of_another_teacher_are_the_other_teachers(tmp_path: Path):
    """The files have the same names, so only what is said of them tells; edits of it stay."""
    sound = tone(300)
    row = Row("T", "A", "train", "vocals", tmp_path / "T" / "vocals.wav", 1.0, RATE, origin="one")
    told = confidence_of(sound, {"vocals": sound, "accompaniment": 0 * sound}, RATE)
    fresh = LabelResult("T", [row], confidence=told)
    manifest = tmp_path / "m.csv"
    LabelManifest(manifest).add(fresh)
    write_manifest([replace(r, artist="Nina") for r in read_manifest(manifest)], manifest)
    LabelManifest(manifest).add(LabelResult("T", [replace(row, origin="one")]))  # done before
    LabelManifest(manifest).add(replace(fresh, rows=[replace(row, origin="two", seconds=2.0)]))
    (found,) = read_manifest(manifest)
    assert (found.origin, found.seconds, found.artist) == ("two", 2.0, "Nina")
    write_manifest([replace(found, origin="mine")], manifest)
    LabelManifest(manifest).add(LabelResult("T", [replace(row, origin="two")]))
    assert read_manifest(manifest)[0].origin == "mine"


def test_a_model_has_the_name_that_it_is_given(tmp_path: Path, monkeypatch):
    write(tmp_path / "in" / "song.wav", tone(300), RATE)
    seen = []

    def seen_only(songs: object, output: Path, teacher: object, **_: object) -> list[LabelResult]:
        seen.append(teacher)
        return [LabelResult("song")]

    monkeypatch.setattr(labels, "label_songs", seen_only)
    words = ("data", "label", tmp_path / "in", "--model", "vocals", "-o", tmp_path / "out")
    for name, wanted in (("mine", "mine"), ("", "vocals")):
        assert invoke(*words, *(("--name", name) if name else ()))[0] == 0
        assert seen[-1].name == wanted


def test_a_page_is_not_refused_for_other_files_of_its_name(tmp_path: Path, monkeypatch):
    """A page is one file; pictures are several, whatever marks are in their name."""
    from isolde.figures import dataset
    from isolde.figures.gallery import Drawn

    monkeypatch.setattr(dataset, "draw_dataset", lambda *_, **__: Drawn())
    bars = []
    monkeypatch.setattr(terminal, "counting_bar", lambda n: bars.append(n) or nullcontext(print))
    for name in ("m-old.html", "p[1]-songs-2.png"):
        (tmp_path / name).touch()
    row = Row("S", "A", "train", "vocals", tmp_path / "v.wav")
    write_manifest([row, replace(row, track="T")], tmp_path / "m.csv")
    assert invoke("data", "show", tmp_path / "m.csv", "-o", tmp_path / "m.html")[0] == 0
    assert invoke("data", "show", tmp_path / "m.csv", "-o", tmp_path / "p[1].png")[0] != 0
    assert invoke("data", "show", tmp_path / "m.csv", "-o", tmp_path / "p1.png")[0] == 0
    assert bars == [2, 2]  # of so many songs, not of the most that would be drawn


def test_a_scan_adds_or_replaces(tmp_path: Path):
    put(tmp_path / "in" / "A - S", vocals=300, drums=100)
    words = ("data", "scan", tmp_path / "in", "-o", tmp_path / "m.csv")
    assert invoke(*words)[0] == 0
    code, said = invoke(*words, "--add", "--overwrite")
    assert code != 0 and "give one of them" in said
    assert invoke(*words, "--add")[0] == invoke(*words, "--overwrite")[0] == 0
