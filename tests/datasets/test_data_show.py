"""A data set's totals and strips, by numbers that are known, and the page that shows them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from helpers.shell import invoke
from isolde.audio import write
from isolde.core.errors import InputError
from isolde.datasets import Hints, scan
from isolde.datasets.manifest import Row, read_manifest, write_manifest
from isolde.datasets.summary import COLUMNS, strips_of, totals_of

RATE = 22050


def tone(seconds: float, amplitude: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.tile(amplitude * np.sin(2 * np.pi * 440 * t), (2, 1)).astype(np.float32)


@pytest.fixture
def half_sung(tmp_path: Path) -> Path:
    """Two seconds of voice alone, two of a band alone that is 6 dB softer, each a tone."""
    silence = tone(2.0, 0.0)
    folder = tmp_path / "in" / "A <b> $x$ - Lied"
    write(folder / "vocals.wav", np.concatenate([tone(2.0, 0.5), silence], 1), RATE)
    write(folder / "accompaniment.wav", np.concatenate([silence, tone(2.0, 0.25)], 1), RATE)
    return tmp_path / "in"


def test_totals_count_a_song_once(tmp_path: Path):
    """An hour with four stems and a mixture is an hour."""
    row = Row("S", "A", "train", "vocals", tmp_path / "v.wav", 3600.0, 44100, "CC0")
    rows = [
        row,
        replace(row, stem="drums", path=tmp_path / "d.wav", seconds=3500.0),
        replace(row, stem="drums", path=tmp_path / "d2.wav"),
        replace(row, track="T", artist="B", split="", licence="GPL", seconds=1800.0, origin="x"),
    ]
    totals = totals_of(rows)
    assert (totals.n_songs, totals.n_artists) == (2, 2)
    assert totals.hours == pytest.approx(1.5)
    assert totals.by_stem == {"vocals": 1.5, "drums": 1.0}
    assert totals.by_split == {"train": 1.0, "": 0.5}
    assert totals.by_licence == {"CC0": 1.0, "GPL": 0.5}
    assert totals.by_origin == {"": 1.0, "x": 0.5}


def test_a_strip_is_level_and_share(half_sung: Path, tmp_path: Path):
    (strip,), notes = strips_of(scan([half_sung]).rows, tmp_path / "c", songs=5)
    assert notes == [] and strip.seconds == pytest.approx(4.0)
    middle = COLUMNS // 2
    assert np.all(strip.voice[: middle - 1] > 0.999) and np.all(strip.voice[middle + 1 :] < 1e-3)
    # the RMS of a sine of amplitude 1/2 and 1/4, to 0.2 dB: a column holds 5 periods, not whole
    level = strip.level_db
    np.testing.assert_allclose(level[: middle - 1], 20 * np.log10(0.5 / np.sqrt(2)), atol=0.2)
    np.testing.assert_allclose(level[middle + 1 :], 20 * np.log10(0.25 / np.sqrt(2)), atol=0.2)
    assert strip.voiced == pytest.approx(0.5, abs=0.02)


def test_strips_are_evenly_chosen_and_bad_songs_named(half_sung: Path, tmp_path: Path):
    rows = scan([half_sung]).rows
    many = [replace(row, track=f"{i:02d}") for i in range(10) for row in rows]
    strips, _ = strips_of(many, tmp_path / "c", songs=3)
    assert [strip.track for strip in strips] == ["00", "03", "06"]
    gone = [replace(row, track="gone", path=row.path.with_name("no.wav")) for row in rows]
    strips, notes = strips_of([*gone, *rows], tmp_path / "c", songs=9)
    assert [strip.track for strip in strips] == [rows[0].track]
    assert len(notes) == 1 and "gone" in notes[0] and "none of the songs" not in notes[0]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        strips_of(rows, tmp_path / "file" / "cache", songs=1)


def run(*words: object) -> "tuple[int, str]":
    return invoke("data", "show", *words)


@pytest.mark.slow
def test_the_page_needs_no_other_file(half_sung: Path, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs the extra 'figures'")
    manifest, page = tmp_path / "m.csv", tmp_path / "page.html"
    write_manifest(scan([half_sung], how=Hints(licence="CC0")).rows, manifest)
    before = sorted(p.name for p in half_sung.rglob("*"))
    code, text = run(manifest, "-o", page)
    assert code == 0 and str(page) in text.replace("\n", "")
    html = page.read_text("utf-8")
    assert html.count("data:image/png;base64,") == 2
    assert 'src="http' not in html and "href" not in html
    assert "1 songs by 1 artists" in html
    assert re.search("Somebody sings in (49|50|51)% of the time", html)
    assert sorted(p.name for p in half_sung.rglob("*")) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "m.csv", "page.html"]


@pytest.mark.slow
def test_pictures_and_exit_codes(half_sung: Path, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs the extra 'figures'")
    voice = songs.make_song(1, seconds=3.0, sample_rate=RATE)["vocals"]
    write(half_sung / "vocals ☃ 歌.wav", voice, RATE)
    manifest = tmp_path / "m.csv"
    write_manifest(scan([half_sung]).rows, manifest)
    code, _ = run(manifest, "-o", tmp_path / "p.svg", "--cache", tmp_path / "c")
    assert code == 0
    assert (tmp_path / "p-songs.svg").read_text("utf-8").count("<image") == 1
    assert (tmp_path / "p-totals.svg").exists() and list((tmp_path / "c").glob("*.npy"))
    (half_sung / "vocals ☃ 歌.wav").unlink()
    code, text = run(manifest, "-o", tmp_path / "p.png")
    assert code == 1 and "歌" in text
    assert len(read_manifest(manifest)) == 3
    assert run(manifest, "-o", "p.gif")[0] != 0
