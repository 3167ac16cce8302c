"""The manifest as a file, what a check finds in songs spoilt on purpose, and the verbs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import demo_song as songs
from helpers.shell import invoke
from isolde.audio import write
from isolde.core.errors import AudioError, InputError, MissingExtraError
from isolde.core.stage import Float32
from isolde.datasets import scan
from isolde.datasets.check.alignment import lag_of, residual_db
from isolde.datasets.check.song import clipped_samples
from isolde.datasets.check.songs import CheckReport, check
from isolde.datasets.manifest import (
    COLUMNS,
    Row,
    merge,
    read_manifest,
    split_of,
    write_manifest,
)
from isolde.datasets.mixing.library import Library

RATE = 22050


@pytest.fixture(scope="module")
def song() -> dict[str, Float32]:
    return songs.make_song(4, seconds=3.0, sample_rate=RATE)


def put(folder: Path, parts: dict[str, Float32], *, rate: int = RATE) -> Path:
    for name, audio in parts.items():
        write(folder / f"{name}.wav", audio, rate, subtype="FLOAT")
    return folder


def with_mixture(song: dict[str, Float32]) -> dict[str, Float32]:
    return {**song, "mixture": np.sum(list(song.values()), axis=0)}


def checked(root: Path) -> CheckReport:
    return check(scan([root]).rows)


def kinds(report: CheckReport) -> list[tuple[str, str]]:
    return [(f.kind, f.file.name if f.file else f.track) for f in report.faults]


# --- the manifest ------------------------------------------------------------------------------

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x00/\\"), min_size=1
).filter(lambda word: word.strip() == word and word not in (".", ".."))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@settings(max_examples=20)
@given(track=WORDS, artist=WORDS, licence=WORDS, name=WORDS)
def test_a_manifest_comes_back_as_it_was(tmp_path_factory, ending, track, artist, licence, name):
    """Commas, quotes, any script; paths below the manifest are stored relative to it."""
    folder = tmp_path_factory.mktemp("m")
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    rows = [
        Row(track, artist, "train", "vocals", folder / name / "v.wav", 12.345, 44100, licence),
        Row(track, artist, "", "mixture", folder.parent / "x#1.mp4#3", 0.0, 0, "unknown", "me"),
    ]
    path = folder / f"m.{ending}"
    write_manifest(rows, path)
    assert read_manifest(path) == rows
    assert read_manifest(path)[1].stream == 3
    if ending == "csv":
        text = path.read_text("utf-8")
        assert text.splitlines()[0] == ",".join(COLUMNS)
        assert str(folder) not in text.replace(str(folder.parent / "x#1.mp4"), "")


def test_a_manifest_moves_with_its_songs(tmp_path: Path, song):
    put(tmp_path / "here" / "A - B", {"vocals": song["vocals"]})
    write_manifest(scan([tmp_path / "here"]).rows, tmp_path / "here" / "m.csv")
    (tmp_path / "here").rename(tmp_path / "there")
    (entry,) = Library.from_manifest(tmp_path / "there" / "m.csv", tmp_path / "c").entries
    assert entry.track == "A - B"


def test_what_a_spreadsheet_makes_of_it(tmp_path: Path):
    """Semicolons, a byte order mark, decimal commas, further columns, empty lines."""
    (tmp_path / "m.csv").write_text(
        "\ufefftrack;artist;stem;path;seconds;rate;note\n"
        "S;Ä;vocals;a/v.wav;12,5;44100;loud\n;;;;;;\nS;Ä;bass;a/b.wav;;;\n",
        "utf-8",
    )
    one, two = read_manifest(tmp_path / "m.csv")
    assert (one.artist, one.seconds, one.rate, one.split) == ("Ä", 12.5, 44100, "")
    assert two.path == tmp_path / "a" / "b.wav" and two.seconds == 0.0


def test_files_that_are_no_manifest(tmp_path: Path, monkeypatch):
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        write_manifest([], tmp_path / "m.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioError, match="a part of its folder is a file"):
        write_manifest([], tmp_path / "file" / "m.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(MissingExtraError, match=r"isolde\[parquet\]"):
        write_manifest([], tmp_path / "m.parquet")


def test_a_parquet_file_that_is_none(tmp_path: Path):
    pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    (tmp_path / "m.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="no Parquet"):
        read_manifest(tmp_path / "m.parquet")


# --- the split ---------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=50)
@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_only_adds_artists_to_validation(artist, one, two):
    small, large = sorted((one, two))
    if split_of(artist, validation=small) == "validation":
        assert split_of(artist, validation=large) == "validation"
    assert split_of(f" {artist.upper()} ".lower()) == split_of(artist.upper().lower().strip())


def test_the_share_is_kept_and_the_split_never_changes():
    """10 % of 5,000 names within three standard deviations; two names fixed for ever."""
    share = np.mean([split_of(f"artist {i}") == "validation" for i in range(5000)])
    assert abs(share - 0.1) < 3 * np.sqrt(0.1 * 0.9 / 5000)
    assert split_of("Café") == split_of("CAFE\u0301 ")
    fixed = {name: split_of(name, validation=0.5) for name in ("Jonathan Coulton", "Brad Senne")}
    assert fixed == {"Jonathan Coulton": "train", "Brad Senne": "validation"}
    with pytest.raises(InputError, match="0 to 1"):
        split_of("x", validation=2)


def test_the_library_takes_one_side(tmp_path: Path, song):
    for name in ("A - 1", "A - 2", "B - 1"):
        put(tmp_path / "in" / name, {"vocals": song["vocals"]})
    rows = [
        replace(row, split="validation" if row.artist == "B" else "train")
        for row in scan([tmp_path / "in"]).rows
    ]
    path, cache = tmp_path / "m.csv", tmp_path / "c"
    write_manifest(rows, path)
    assert [e.track for e in Library.from_manifest(path, cache, "train").entries] == [
        "A - 1", "A - 2",
    ]  # fmt: skip
    (entry,) = Library.from_manifest(path, cache, split="validation").entries
    assert (entry.track, entry.split) == ("B - 1", "validation")
    assert len(Library.from_manifest(path, cache).entries) == 3
    with pytest.raises(InputError, match="no rows of split 'test'"):
        Library.from_manifest(path, cache, "test")
    with pytest.raises(InputError, match="choose from train"):
        Library.from_manifest(path, cache, "dev")


def test_a_second_scan_keeps_what_was_edited(tmp_path: Path):
    def row(track: str, folder: str, **more: str) -> Row:
        return Row(track, "A", "train", "vocals", tmp_path / folder / "vocals.wav", **more)  # type: ignore[arg-type]

    edited = [row("renamed", "one", licence="CC0")]
    new = [row("S", "one"), row("T", "two"), row("renamed", "three")]
    rows = merge(edited, new)
    assert [(r.track, r.path.parent.name, r.licence) for r in rows] == [
        ("renamed", "one", "CC0"),
        ("T", "two", "unknown"),
        ("renamed (2)", "three", "unknown"),
    ]


# --- what a check finds ------------------------------------------------------------------------


def test_good_songs_have_no_fault(tmp_path: Path, song):
    put(tmp_path / "A - 1", with_mixture(song))
    other = songs.make_song(5, seconds=3.0, sample_rate=RATE)
    put(tmp_path / "B - 2", {"vocals": other["vocals"], "accompaniment": other["bass"]})
    report = checked(tmp_path)
    assert report.faults == [] and (report.n_songs, report.n_files) == (2, 7)
    assert report.seconds == pytest.approx(6.0, abs=0.01)
    assert [f.kind for f in report.findings] == ["licence"]


def test_faults_of_files_are_named(tmp_path: Path, song):
    tone = song["other"]
    loud = tone / np.abs(tone).max()
    nan = tone.copy()
    nan[0, 100:103] = np.nan
    spoilt = {
        "clipped": np.clip(4 * loud, -1, 1),
        "silent": np.zeros_like(tone),
        "short": tone[:, :2000],
        "nan": nan,
    }
    for kind, audio in spoilt.items():
        path = put(tmp_path / f"X{kind} - {kind}", {"vocals": audio}) / "vocals.wav"
        if kind == "nan":  # our own writer would not write it
            soundfile.write(path, audio.T, RATE, subtype="FLOAT")
    low = songs.make_song(1, seconds=3, sample_rate=8000)["bass"]
    put(tmp_path / "Xrate - rate", {"vocals": low}, rate=8000)
    rows = scan([tmp_path]).rows
    bad = tmp_path / "Xunreadable - unreadable" / "vocals.wav"
    bad.parent.mkdir()
    bad.write_bytes(b"RIFF of a kind")
    rows += [
        Row("unreadable", "U", "train", "vocals", bad),
        Row("unreadable two", "U", "train", "vocals", tmp_path / "gone.wav"),
    ]
    report = check(rows)
    assert sorted({(f.kind, f.track.split(" - ")[-1].split()[0]) for f in report.faults}) == sorted(
        {(kind, kind) for kind in (*spoilt, "rate", "unreadable")}
    )
    assert len(report.bad_tracks) == 7
    for fault in report.faults:
        assert fault.file is not None and str(fault.file) in str(fault)


def test_a_clipped_mixture_is_only_noted(tmp_path: Path, song):
    """Masters are; its stems are fine."""
    parts = {stem: 1.5 * audio for stem, audio in song.items()}
    mixture = np.clip(with_mixture(parts)["mixture"], -1, 1)
    parts = {stem: np.clip(audio, -0.99, 0.99) for stem, audio in parts.items()}
    put(tmp_path / "A - 1", {**parts, "mixture": mixture})
    report = checked(tmp_path)
    assert report.faults == []
    assert [f.file.name for f in report.findings if f.kind == "clipped" and f.file] == [
        "mixture.wav"
    ]


def test_one_peak_is_no_clipping():
    audio = np.zeros((2, 100), np.float32)
    audio[0, 10], audio[1, 50:52] = 1.0, -1.0
    assert clipped_samples(audio) == 0
    audio[0, 70:74], audio[1, 97:] = 1.2, -1.0
    assert clipped_samples(audio) == 4 + 3


def test_a_manifest_that_says_otherwise(tmp_path: Path, song):
    put(tmp_path / "A - 1", {"vocals": song["vocals"]})
    (row,) = scan([tmp_path]).rows
    assert kinds(check([replace(row, rate=44100)])) == [("manifest", "vocals.wav")]
    assert kinds(check([replace(row, seconds=30.0)])) == [("manifest", "vocals.wav")]
    assert kinds(check([replace(row, seconds=0, rate=0)])) == []
    other = replace(row, stem="mixture", artist="Z", path=row.path)
    assert kinds(check([row, other])) == [("manifest", "vocals.wav"), ("manifest", "A - 1")]


@pytest.mark.parametrize("seconds", [0.01, -0.25])
def test_a_stem_beside_its_mixture(tmp_path: Path, song, seconds):
    parts = with_mixture(song)
    shift = round(seconds * RATE)
    parts["drums"] = np.roll(parts["drums"], shift, axis=1)
    put(tmp_path / "A - 1", parts)
    (fault,) = checked(tmp_path).faults
    assert fault.kind == "misaligned"
    late = "late" if shift > 0 else "early"
    assert f"drums {abs(shift) / RATE * 1000:.1f} ms {late}" in fault.text


def test_an_inverted_stem(tmp_path: Path, song):
    parts = with_mixture(song)
    parts["vocals"] = -parts["vocals"]
    put(tmp_path / "A - 1", parts)
    assert [(f.kind, f.text.split()[0]) for f in checked(tmp_path).faults] == [
        ("inverted", "vocals")
    ]


def test_stems_that_do_not_sum(tmp_path: Path, song):
    parts = with_mixture(song)
    put(tmp_path / "A - missing", {**parts, "drums": 0.05 * parts["drums"]})
    put(tmp_path / "B - gain", {**with_mixture(songs.make_song(5, seconds=3, sample_rate=RATE))})
    half = 0.5 * with_mixture(songs.make_song(5, seconds=3, sample_rate=RATE))["mixture"]
    write(tmp_path / "B - gain" / "mixture.wav", half, RATE, subtype="FLOAT", overwrite=True)
    one, two = checked(tmp_path).faults
    assert (one.track, one.kind) == ("A - missing", "sum") and "something is missing" in one.text
    assert (two.track, two.kind) == ("B - gain", "sum") and "gain of -6.0 dB" in two.text


def test_files_of_a_song_that_do_not_fit(tmp_path: Path, song):
    cut = song["drums"][:, : RATE * 2 + 4000]
    assert np.abs(cut[:, -RATE // 20 :]).max() > 0.02  # it sounds where it breaks off
    put(tmp_path / "A - cut", {"vocals": song["vocals"], "drums": cut})
    faded = np.concatenate([song["bass"][:, :RATE], np.zeros((2, 4000), np.float32)], axis=1)
    put(tmp_path / "B - faded", {"vocals": 0.9 * song["vocals"], "bass": faded})
    put(tmp_path / "C - twice", {"drums": 0.8 * song["drums"], "bass": 0.8 * song["drums"]})
    put(tmp_path / "D - rates", {"vocals": 0.7 * song["vocals"]})
    other = songs.make_song(6, seconds=3, sample_rate=44100)
    put(tmp_path / "D - rates", {"drums": other["drums"]}, rate=44100)
    report = checked(tmp_path)
    assert kinds(report) == [
        ("length", "drums.wav"),
        ("twice", "drums.wav"),
        ("rate", "D - rates"),
    ]
    notes = [f for f in report.findings if f.kind == "note"]
    assert [(n.track, n.file and n.file.name) for n in notes] == [("B - faded", "bass.wav")]


def test_stems_in_opus_are_at_the_rate_that_opus_has(tmp_path: Path, song):
    """Labels in Opus of a song at another rate are no fault; a wav at another one is."""
    folder = put(tmp_path / "E - opus", with_mixture(song))
    for name in song:
        (folder / f"{name}.wav").unlink()
        write(folder / f"{name}.opus", song[name], RATE)
    assert "rate" not in [kind for kind, _ in kinds(checked(tmp_path))]
    (folder / "bass.opus").unlink()
    write(folder / "bass.wav", song["bass"], 32000)
    assert ("rate", "E - opus") in kinds(checked(tmp_path))


def test_a_folder_that_is_given_twice_or_lies_in_another_has_each_song_once(tmp_path: Path, song):
    put(tmp_path / "A - one", {"vocals": song["vocals"]})
    put(tmp_path / "more" / "B - two", {"vocals": song["bass"], "drums": song["drums"]})
    once = scan([tmp_path]).rows
    assert len(once) == 3
    assert scan([tmp_path, tmp_path, tmp_path / "more"]).rows == once


def test_one_artist_and_one_recording_on_two_sides(tmp_path: Path, song):
    put(tmp_path / "train" / "A - 1", {"vocals": song["vocals"]})
    put(tmp_path / "test" / "A - 2", {"vocals": song["bass"]})
    put(tmp_path / "test" / "B - again", {"vocals": song["vocals"]})
    found = sorted(kinds(check(scan([tmp_path]).rows)))
    assert [kind for kind, _ in found] == ["artist", "recording"]


def test_a_backing_without_a_voice_is_only_noted(tmp_path: Path, song):
    hum = (0.001 * song["bass"]).astype(np.float32)
    put(tmp_path / "A - 1", {"vocals": hum, "accompaniment": song["drums"]})
    report = checked(tmp_path)
    assert report.faults == []
    assert "voice" in [f.kind for f in report.findings]


@settings(max_examples=15)
@given(st.integers(-9000, 9000), st.booleans())
def test_lags_are_found_under_a_louder_rest(shift, invert):
    """A stem 12 dB below the rest, at any delay up to 0.4 s, to half a sample at 22,050 Hz."""
    rng = np.random.default_rng(abs(shift))
    stem = rng.standard_normal((2, 3 * RATE)).astype(np.float32)
    rest = 4 * rng.standard_normal((2, 3 * RATE)).astype(np.float32)
    mixture = rest + (-1 if invert else 1) * np.roll(stem, shift, axis=1)
    lag = lag_of(stem, mixture, RATE)
    assert lag is not None and lag.inverted == invert
    assert lag.seconds * RATE == pytest.approx(shift, abs=0.5)
    assert lag_of(stem, rest, RATE) is None


def test_residuals():
    noise = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    assert residual_db(noise, noise) == pytest.approx(120.0)
    assert residual_db(noise, 0.9 * noise) == pytest.approx(20.0, abs=0.01)
    assert residual_db(noise, 0 * noise) == pytest.approx(0.0)


# --- the verbs ---------------------------------------------------------------------------------


def run(*words: object) -> tuple[int, str]:
    return invoke("data", *words)


def test_scan_and_check_from_the_command_line(tmp_path: Path, song):
    put(tmp_path / "Ä - é☃", with_mixture(song))
    out = tmp_path / "m.csv"
    code, text = run("scan", tmp_path, "-o", out, "--licence", "CC0")
    assert code == 0 and "1 song by 1 artist, 5 files" in text
    assert {row.licence for row in read_manifest(out)} == {"CC0"}
    code, text = run("check", out)
    assert code == 0 and "0 faults in 0 songs" in text
    (tmp_path / "Ä - é☃" / "bass.wav").write_bytes(b"")
    code, text = run("check", out)
    assert code == 1 and "bass.wav" in text and "empty" in text


def test_exit_codes(tmp_path: Path, song):
    out = tmp_path / "m.csv"
    put(tmp_path / "in" / "A - 1", {"vocals": song["vocals"]})
    put(tmp_path / "in", {"Band - Hit": song["bass"]})
    assert run("scan", tmp_path / "in", "-o", out)[0] == 1  # Band - Hit is left out
    assert len(read_manifest(out)) == 1
    adding = ("scan", tmp_path / "in", "-o", out, "--loose", "mixture", "--add")
    for new in (1, 0):
        code, text = run(*adding)
        assert code == 0 and f"{out}: 2 songs by 2 artists, 2 files, 0.00 h; {new} new" in text
    assert [row.stem for row in read_manifest(out)] == ["vocals", "mixture"]
    (tmp_path / "empty").mkdir()
    code, text = run("scan", tmp_path / "empty", "-o", tmp_path / "n.csv")
    assert code == -1 and "n.csv is not written" in text and "0 songs" not in text
    assert not (tmp_path / "n.csv").exists()
    assert run("check", tmp_path / "none.csv")[0] == -1


def test_an_error_is_one_line(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "isolde", "data", "check", str(tmp_path / "none.csv")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "no such manifest" in done.stderr
