"""Every layout in which songs come, made on the spot; what they become as rows and as arrays."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from isolde.audio import write
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32
from isolde.datasets import Hints, find, scan
from isolde.datasets.manifest import by_track
from isolde.datasets.mixing.library import Library
from isolde.datasets.naming import artist_by_name, clean_artist
from isolde.datasets.sources import open_row

RATE = 22050
ROUNDING = 2 / 32767  # int16 in the file and int16 in the cache


@pytest.fixture(scope="module")
def song() -> dict[str, Float32]:
    return songs.make_song(4, seconds=3.0, sample_rate=RATE)


def put(folder: Path, parts: dict[str, Float32], *, suffix: str = ".wav") -> Path:
    for name, audio in parts.items():
        write(folder / f"{name}{suffix}", audio, RATE)
    return folder


def stems_of(folder: Path, **how: object) -> dict[str, dict[str, str]]:
    """Track -> file name -> stem."""
    rows = find([folder], how=Hints(**how)).rows  # type: ignore[arg-type]
    return {
        track: {row.path.name: row.stem for row in rows} for track, rows in by_track(rows).items()
    }


def near(a: np.ndarray | None, b: Float32) -> None:
    assert a is not None
    np.testing.assert_allclose(a / 32767, np.clip(b, -1, 1), atol=4 * ROUNDING)


# --- layouts -----------------------------------------------------------------------------------


def test_musdb_wav_folders_keep_their_split(tmp_path: Path, song):
    for split in ("train", "test"):
        put(tmp_path / split / f"Band {split} - Títle ☃", {**song, "mixture": sum(song.values())})
    rows = find([tmp_path], how=Hints(validation=0.0)).rows
    assert {(row.track, row.artist, row.split) for row in rows} == {
        ("Band train - Títle ☃", "Band train", "train"),
        ("Band test - Títle ☃", "Band test", "test"),
    }
    assert sorted(row.stem for row in rows) == sorted([*song, "mixture"] * 2)
    near(Library([tmp_path], tmp_path / "c").entries[0].vocals, song["vocals"])


@pytest.mark.slow
def test_musdb_stem_mp4(tmp_path: Path, song):
    av = pytest.importorskip("av", reason="needs the extra 'av'")
    path = tmp_path / "train" / "Some Band - A Song.stem.mp4"
    path.parent.mkdir()
    mixture = sum(song.values())
    order = [mixture, song["drums"], song["bass"], song["other"], song["vocals"]]
    with av.open(str(path), "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=44100) for _ in order]
        for stream, audio in zip(streams, order, strict=True):
            stream.bit_rate = 256_000
            samples = np.repeat(audio, 2, axis=1)  # the content does not matter, its place does
            for start in range(0, samples.shape[1], 1024):
                piece = np.ascontiguousarray(samples[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = 44100, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    found = scan([tmp_path])
    assert not found.problems
    assert {row.stem: row.stream for row in found.rows} == {
        "mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4,
    }  # fmt: skip
    assert {(row.track, row.artist) for row in found.rows} == {("Some Band - A Song", "Some Band")}
    # two frames of AAC: a container may or may not count the coder's padding
    assert all(abs(row.seconds - 3.0) < 2048 / 44100 and row.rate == 44100 for row in found.rows)
    entry = Library([tmp_path], tmp_path / "c", stems=("bass",)).entries[0]
    for got, name in ((entry.vocals, "vocals"), (entry.bass, "bass")):
        assert got is not None
        n = min(got.shape[1], song[name].shape[1])
        want = song[name][0, :n]
        assert np.corrcoef(got[0, :n], want)[0, 1] > 0.9, name
    missing = next(row for row in found.rows if row.stem == "bass")
    with pytest.raises(AudioError, match="5 audio streams"):
        open_row(replace(missing, path=Path(f"{path}#7")))


@pytest.mark.parametrize(
    ("names", "voice", "backing"),
    [
        (["vocals", "drums", "bass", "other"], True, ["drums", "bass", "other"]),
        (["vocals", "accompaniment"], True, ["drums", "bass", "other"]),
        (["vocals", "mixture"], True, ["drums", "bass", "other"]),
        (["mixture", "accompaniment"], True, ["drums", "bass", "other"]),
        (["vocals", "drums", "mixture"], True, ["drums", "bass", "other"]),
        (["vocals", "drums", "bass", "other", "accompaniment"], True, ["drums", "bass", "other"]),
        (["vocals", "drums"], True, ["drums"]),
        (["drums", "bass", "other", "mixture"], False, ["drums", "bass", "other"]),
        (["vocals"], True, []),
        (["bass"], False, ["bass"]),
    ],
)
def test_any_subset_of_stems(tmp_path: Path, song, names, voice, backing):
    """Whatever is there: the voice, and the sum of what is not the voice."""
    rest = song["drums"] + song["bass"] + song["other"]
    every = {**song, "accompaniment": rest, "mixture": rest + song["vocals"]}
    put(tmp_path / "in" / "Song", {name: every[name] for name in names}, suffix=".flac")
    (entry,) = Library([tmp_path / "in"], tmp_path / "c").entries
    if voice:
        near(entry.vocals, song["vocals"])
        assert entry.activity.any()
    else:
        assert entry.vocals is None and not entry.activity.any()
    if backing:
        near(entry.accompaniment, np.sum([song[name] for name in backing], axis=0))
    else:
        assert entry.accompaniment is None


def test_rock_band_songs(tmp_path: Path, song):
    """Parts of one stem are summed; rhythm is the bass; the audience is nobody's."""
    folder = tmp_path / "in" / "some folder"
    half = song["drums"] / 2
    put(
        folder,
        {
            "vocals": song["vocals"], "drums_1": half, "drums_2": half,
            "rhythm": song["bass"], "guitar": song["other"] / 2, "song": song["other"] / 2,
            "crowd": song["drums"],
        },
    )  # fmt: skip
    (folder / "song.ini").write_text(
        "[Song]\nname = <b>100% Título</b>\nartist=AC - Überband\nname=again\n", "latin-1"
    )
    assert stems_of(tmp_path / "in") == {
        "AC - Überband - 100% Título": {
            "vocals.wav": "vocals", "drums_1.wav": "drums", "drums_2.wav": "drums",
            "rhythm.wav": "bass", "guitar.wav": "other", "song.wav": "other",
        }
    }  # fmt: skip
    stems = ("drums", "bass", "other")
    (entry,) = Library([tmp_path / "in"], tmp_path / "c", stems=stems).entries
    assert entry.artist == "AC - Überband"
    for stem in song:
        near(getattr(entry, stem), song[stem])
    near(entry.accompaniment, song["drums"] + song["bass"] + song["other"])


def test_frets_on_fire_songs_may_hold_a_voice(tmp_path: Path, song):
    """Guitar and the rest: the rest is not taken for voiceless unless somebody says so."""
    folder = put(tmp_path / "in" / "x", {"guitar": song["other"], "song": song["drums"]})
    (folder / "song.ini").write_bytes("[song]\nname = A\nartist = B\n".encode("utf-16"))
    found = find([tmp_path / "in"])
    assert [(row.track, row.path.name, row.stem) for row in found.rows] == [
        ("B - A", "guitar.wav", "other"),
        ("B - A", "song.wav", "unsorted"),
    ]
    assert len(found.problems) == 1 and "--instrumental" in found.problems[0]
    (entry,) = Library([tmp_path / "in"], tmp_path / "c", stems=("other",)).entries
    near(entry.accompaniment, song["other"])
    assert entry.vocals is None and entry.other is None  # other instruments may be in song.wav
    sure = find([tmp_path / "in"], how=Hints(instrumental=True))
    assert not sure.problems
    (entry,) = Library.from_rows(sure.rows, tmp_path / "c").entries
    near(entry.accompaniment, song["other"] + song["drums"])


def test_loose_files(tmp_path: Path, song):
    put(tmp_path / "solo voices", {"anna_1": song["vocals"]})
    put(tmp_path / "instrumentals", {"tune": song["drums"]}, suffix=".ogg")
    put(tmp_path / "radio", {"Band - Hit": sum(song.values())}, suffix=".mp3")
    assert stems_of(tmp_path) == {
        "anna_1": {"anna_1.wav": "vocals"},
        "tune": {"tune.ogg": "accompaniment"},
    }
    (problem,) = find([tmp_path]).problems
    assert "Band - Hit.mp3" in problem and "--loose" in problem
    radio = tmp_path / "radio"
    assert stems_of(radio, loose="mixture") == {"Band - Hit": {"Band - Hit.mp3": "mixture"}}
    assert stems_of(radio, instrumental=True)["Band - Hit"]["Band - Hit.mp3"] == "accompaniment"
    library = Library([tmp_path], tmp_path / "c")
    assert {e.track: e.vocals is None for e in library.entries} == {
        "anna_1": False, "Band - Hit": False, "tune": True,
    }  # fmt: skip
    with pytest.raises(InputError, match="choose from vocals"):
        Hints(loose="noise")


def test_a_whole_song_alone_teaches_nothing_and_says_so(tmp_path: Path, song):
    put(tmp_path / "in" / "A - B", {"mixture": sum(song.values())})
    put(tmp_path / "in" / "A - C", {"vocals": song["vocals"]})
    library = Library([tmp_path / "in"], tmp_path / "c")
    assert [e.track for e in library.entries] == ["A - C"]
    assert "A - B" in library.failed[0] and "isolde data label" in library.failed[0]


def test_pairs_that_isolde_wrote(tmp_path: Path, song):
    rest = song["drums"] + song["bass"] + song["other"]
    parts = {"mixture": rest + song["vocals"], "vocals": song["vocals"], "accompaniment": rest}
    folder = put(tmp_path / "pairs" / "A - B", parts)
    (folder / "report.json").write_text("{}")
    (tmp_path / "pairs" / "Bad.rejected.json").write_text("{}")
    (tmp_path / "pairs" / "pairs.csv").write_text("track\n")
    found = find([tmp_path / "pairs"])
    assert not found.problems
    assert {row.stem for row in found.rows} == set(parts)
    (entry,) = Library([tmp_path / "pairs"], tmp_path / "c").entries
    near(entry.accompaniment, rest)


def test_artists_of_games():
    assert clean_artist("Muldjord - www.muldjord.com") == "Muldjord"
    assert clean_artist("Composed and performed by Sectoid") == "Sectoid"
    assert clean_artist("Played by Ear") == "Ear"
    for name in ("AC/DC", "Run - DMC", "Stand by Me", "Ängie, B"):
        assert clean_artist(name) == name


# --- what lies about ---------------------------------------------------------------------------


def test_names_of_stems_are_taken_in_any_case_and_none_twice(tmp_path: Path, song):
    folder = put(tmp_path / "S", {"Vocals": song["vocals"], "no_vocals": song["drums"]})
    write(folder / "vocals.mp3", song["vocals"], RATE)
    write(folder / "cover.wav", song["bass"], RATE)
    (folder / "._vocals.wav").write_bytes(b"what a Mac leaves behind")
    (folder / "notes.txt").write_text("no audio")
    found = find([tmp_path])
    assert {row.path.name: row.stem for row in found.rows} == {
        "Vocals.wav": "vocals", "no_vocals.wav": "accompaniment",
    }  # fmt: skip
    assert len(found.problems) == 2
    assert any("vocals.mp3" in p and "same stem" in p for p in found.problems)
    assert any("cover.wav" in p for p in found.problems)


def test_one_name_in_two_folders_stays_two_songs(tmp_path: Path, song):
    for above in ("one", "two"):
        put(tmp_path / above / "A - B", {"vocals": song["vocals"]})
    put(tmp_path / "three vocals", {"A - B": song["vocals"]})
    found = find([tmp_path / "one", tmp_path / "two", tmp_path / "three vocals"])
    assert [row.track for row in found.rows] == ["A - B", "two/A - B", "three vocals/A - B"]
    assert {row.artist for row in found.rows} == {"A"}


def test_tags_have_the_first_word(tmp_path: Path, song):
    for name in ("pop-1", "pop-2"):
        put(tmp_path / name, {"vocals": song["vocals"]})
    (tmp_path / "tags.csv").write_text(
        "song,artist,split,licence\npop-1,Ä B,test,CC0\npop-2,C,,\n", "utf-8"
    )
    one, two = find([tmp_path]).rows
    assert (one.artist, one.split, one.licence) == ("Ä B", "test", "CC0")
    assert (two.artist, two.licence) == ("C", "unknown")
    said = find([tmp_path], how=Hints(artist="Z", licence="CC BY")).rows
    assert {(row.artist, row.licence) for row in said} == {("Z", "CC BY")}


def test_tags_in_files_go_before_names(tmp_path: Path, song):
    """A guess from a name is given up for a tag; what somebody said is not."""
    tags = {"artist": "Véra", "license": "CC BY 4.0"}
    for path in ("songs/01 - One.flac", "songs/test/Band - Two.flac", "songs/Other - Three.ogg"):
        write(tmp_path / path, song["bass"], RATE, tags=tags if "Three" not in path else None)
    how = Hints(loose="mixture", validation=1.0)
    names = {row.track: row.artist for row in find([tmp_path], how=how).rows}
    assert names == {"01 - One": "songs", "Band - Two": "Band", "Other - Three": "Other"}
    rows = scan([tmp_path], how=how).rows
    assert {(r.track, r.artist, r.split, r.licence) for r in rows} == {
        ("01 - One", "Véra", "validation", "CC BY 4.0"),
        ("Band - Two", "Véra", "test", "CC BY 4.0"),
        ("Other - Three", "Other", "validation", "unknown"),
    }
    said = scan([tmp_path], how=replace(how, artist="I", licence="GPL")).rows
    assert {(row.artist, row.licence) for row in said} == {("I", "GPL")}


def test_a_file_that_is_no_audio_is_no_loose_song(tmp_path: Path):
    """A manifest that is scanned by mistake, for example."""
    (tmp_path / "songs.csv").write_text("track,stem,path\n")
    found = find([tmp_path / "songs.csv"], how=Hints(loose="mixture"))
    assert not found.rows
    assert found.problems == [
        f"{tmp_path / 'songs.csv'}: is no audio file by its name: give folders of songs"
    ]


def test_artists_in_names():
    assert artist_by_name("03 - Band - Song - Live") == "Band"
    assert artist_by_name("07. - Song", album="Band") == "Band"
    assert artist_by_name("311 - Down") == "311"
    assert artist_by_name("1.Hydrogen") == "1.Hydrogen"
    assert artist_by_name("_x") == "_x"


def test_a_songs_own_folder_and_a_link_in_a_circle(tmp_path: Path, song):
    folder = put(tmp_path / "sets" / "A - B", {"vocals": song["vocals"]})
    assert [row.track for row in find([folder]).rows] == ["A - B"]
    (tmp_path / "sets" / "again").symlink_to(tmp_path / "sets")
    assert [row.track for row in find([tmp_path]).rows] == ["A - B"]


def test_bad_files_cost_their_song_only(tmp_path: Path, song):
    root = tmp_path / "in"
    put(root / "Good - One", {"vocals": song["vocals"]})
    for name, data in (("empty", b""), ("text", b"no audio"), ("RIFF", b"RIFF\x00\x00")):
        (root / f"Bad - {name}").mkdir()
        (root / f"Bad - {name}" / "vocals.wav").write_bytes(data)
    (root / "nothing").mkdir()
    whole = put(root / "Bad - short", {"vocals": song["vocals"]}, suffix=".flac") / "vocals.flac"
    whole.write_bytes(whole.read_bytes()[:30_000])
    found = scan([root])
    assert {row.track for row in found.rows} == {"Good - One", "Bad - short"}
    for name in ("empty", "text", "RIFF", "nothing"):
        assert sum(name in problem for problem in found.problems) == 1, name
    library = Library([root], tmp_path / "c")
    assert [e.track for e in library.entries] == ["Good - One"]
    assert len(library.failed) == 5
    assert sum("Bad - short" in problem for problem in library.failed) == 1


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, song, monkeypatch):
    put(tmp_path / "Good", {"vocals": song["vocals"]})
    (tmp_path / "closed").mkdir()
    listed = Path.iterdir

    def iterdir(folder: Path):
        if folder.name == "closed":  # as the system says it to those who are not root
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = find([tmp_path])
    assert len(found.rows) == 1
    assert found.problems == [f"{tmp_path / 'closed'}: cannot be read (Permission denied)"]


def test_nothing_is_written_beside_the_songs(tmp_path: Path, song):
    """A read-only disk will do."""
    put(tmp_path / "in" / "A - B", song)
    put(tmp_path / "in", {"alone": song["vocals"]})
    folders = [tmp_path / "in" / "A - B", tmp_path / "in"]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "in").rglob("*")}
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert len(scan([tmp_path / "in"]).rows) == 4  # alone.wav: nobody knows what it is
        library = Library([tmp_path / "in"], tmp_path / "c", stems=("drums",))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert len(library.entries) == 2
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "in").rglob("*")} == before


def test_a_folder_that_may_be_listed_and_not_entered_is_named(tmp_path: Path, song, monkeypatch):
    put(tmp_path / "Good", {"vocals": song["vocals"]})
    put(tmp_path / "closed", {"vocals": song["vocals"]})
    is_file = Path.is_file

    def refuse(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    found = find([tmp_path])
    assert len(found.rows) == 1
    assert found.problems == [f"{tmp_path / 'closed'}: cannot be read (Permission denied)"]


def test_songs_inside_a_songs_folder_are_named(tmp_path: Path, song):
    """A stray stem above them would hide all of them; pictures beside stems are none."""
    put(tmp_path, {"bass": song["bass"]})
    put(tmp_path / "A - B", {"vocals": song["vocals"]})
    (tmp_path / "covers").mkdir()
    (tmp_path / "covers" / "front.png").touch()
    found = find([tmp_path])
    assert [row.stem for row in found.rows] == ["bass"]
    (problem,) = found.problems
    assert "A - B: left out: lies in the folder of a song" in problem


def test_extras_inside_a_songs_folder_are_no_fault(tmp_path: Path, song):
    """Slakh's numbered stems beside a mix, other takes, a game's backup: all scan without one."""
    put(tmp_path / "Slakh", {"mix": song["vocals"]})
    put(tmp_path / "Slakh" / "stems", {"S00": song["bass"], "S01": song["drums"]})
    put(tmp_path / "A - B", {"vocals": song["vocals"], "bass": song["bass"]})
    put(tmp_path / "A - B" / "dry", {"vocals": song["vocals"]})
    put(tmp_path / "A - B" / "rehearsal", {"take 1": song["vocals"]})
    put(tmp_path / "Game", {"vocals": song["vocals"], "drums": song["drums"]})
    put(tmp_path / "Game" / "backup", {"drums": song["drums"]})
    (tmp_path / "Game" / "song.ini").write_text("[song]\nname=G\nartist=C\n")
    found = find([tmp_path])
    assert found.problems == [] and len(by_track(found.rows)) == 3
    put(tmp_path / "A - B" / "C - D", {"vocals": song["vocals"]})
    assert ["dry" in p or "C - D" in p for p in find([tmp_path]).problems] == [True, True]


def test_a_missing_folder_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="no such folder"):
        find([tmp_path / "nowhere"])


# --- the cache ---------------------------------------------------------------------------------


def test_stems_are_decoded_when_somebody_asks(tmp_path: Path, song):
    put(tmp_path / "in" / "S", song)
    cache = tmp_path / "c"
    (entry,) = Library([tmp_path / "in"], cache).entries
    assert entry.drums is None and not list(cache.glob("*.drums.npy"))
    (entry,) = Library([tmp_path / "in"], cache, stems=("vocals", "drums", "other")).entries
    near(entry.drums, song["drums"])
    near(entry.other, song["other"])
    assert entry.bass is None and not list(cache.glob("*.bass.npy"))
    assert entry.vocals is not None and entry.drums is not None
    assert entry.drums.shape == entry.vocals.shape
    shutil.rmtree(tmp_path / "in" / "S")
    put(tmp_path / "in" / "S", song)  # same files, another time of change: decoded anew
    assert len(Library([tmp_path / "in"], cache).entries) == 1
    assert len(list(cache.glob("*.json"))) == 2
    with pytest.raises(InputError, match="choose from"):
        Library([tmp_path / "in"], cache, stems=("piano",))


def test_keys_of_the_first_form_are_kept(tmp_path: Path, song):
    """A warm cache stays warm: path and time of the song's folder, or of the loose file."""
    import hashlib

    put(tmp_path / "in" / "S", song)
    put(tmp_path / "in", {"alone": song["vocals"]})
    Library([tmp_path / "in"], tmp_path / "c")
    for item in (tmp_path / "in" / "S", tmp_path / "in" / "alone.wav"):
        stamp = f"{item.resolve()}|{item.stat().st_mtime_ns}"
        key = hashlib.sha1(stamp.encode()).hexdigest()[:16]
        assert (tmp_path / "c" / f"{key}.json").is_file()


def test_another_word_for_a_file_is_another_key(tmp_path: Path, song):
    put(tmp_path / "in" / "S", song)
    rows = find([tmp_path / "in"]).rows
    without = [row for row in rows if row.stem != "drums"]
    swapped = [
        replace(r, stem={"drums": "vocals", "vocals": "drums"}.get(r.stem, r.stem)) for r in rows
    ]
    for some, backing in ((without, ("bass", "other")), (swapped, ("vocals", "bass", "other"))):
        Library.from_rows(rows, tmp_path / "c")
        (entry,) = Library.from_rows(some, tmp_path / "c").entries
        near(entry.accompaniment, np.sum([song[name] for name in backing], axis=0))
    near(entry.vocals, song["drums"])


def test_a_changed_file_is_decoded_again(tmp_path: Path, song):
    folder = put(tmp_path / "in" / "S", {"vocals": song["vocals"]})
    Library([tmp_path / "in"], tmp_path / "c")
    stamp = folder.stat()
    with (folder / "vocals.wav").open("r+b") as file:  # the folder's own time does not change
        data = song["drums"]
        write(tmp_path / "new.wav", data, RATE)
        file.write((tmp_path / "new.wav").read_bytes())
    later = max(p.stat().st_mtime_ns for p in (tmp_path / "c").iterdir()) + 10**9
    os.utime(folder / "vocals.wav", ns=(later, later))
    os.utime(folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (entry,) = Library([tmp_path / "in"], tmp_path / "c").entries
    near(entry.vocals, song["drums"])


def test_a_stem_that_ends_early_is_silent_to_the_end(tmp_path: Path, song):
    n = song["drums"].shape[1]
    short = song["vocals"][:, : n // 2]
    put(tmp_path / "in" / "S", {"vocals": short, "drums": song["drums"][:, :-5]})
    (entry,) = Library([tmp_path / "in"], tmp_path / "c").entries
    assert entry.vocals is not None and entry.vocals.shape == (2, n - 5)
    near(entry.vocals[:, : n // 2], short)
    assert not np.any(entry.vocals[:, n // 2 :])
