"""What `isolde pairs` may write over, takes for songs, and says of files that it cannot use."""

import csv
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.sounds import PAIR_RATE as RATE
from helpers.sounds import band, voice
from isolde import audio
from isolde.core import parallel
from isolde.core.errors import InputError, IsoldeWarning
from isolde.pairs import build_folder, build_pair, match
from isolde.pairs.match import audio_files, find_mix, two_sides
from isolde.pairs.timing.align import prepare

SONG = voice(12, 18), band(12, 19)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A mix `a`, its vocals `v`, and `w`, which belongs to none."""
    audio.write(tmp_path / "a.wav", SONG[0] + SONG[1], RATE)
    audio.write(tmp_path / "v.wav", SONG[0], RATE)
    audio.write(tmp_path / "w.wav", voice(12, 20), RATE)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("partner", ["v.wav", "w.wav"])
def test_a_folder_of_other_make_is_refused_and_left_as_it_is(pair: Path, partner: str):
    mine = pair / "out" / "a"
    mine.mkdir(parents=True)
    (mine / "vocals.wav").write_bytes(b"my own")
    (mine / "report.json").write_text('{"track": "other"}')
    before = contents(mine)
    with pytest.raises(InputError, match=r"out/a: exists already: .*--overwrite"):
        build_pair(pair / "a.wav", pair / partner, pair / "out")
    assert contents(mine) == before and [p.name for p in (pair / "out").iterdir()] == ["a"]
    (pair / "out" / "b").write_text("a file")
    with pytest.raises(InputError, match="out/b: is a file"):
        build_pair(pair / "a.wav", pair / partner, pair / "out", track="b", overwrite=True)


@pytest.mark.slow
def test_overwrite_replaces_what_is_written_and_deletes_nothing(pair: Path):
    mine = pair / "out" / "a"
    (mine / "takes").mkdir(parents=True)
    (mine / "takes" / "1.wav").write_bytes(b"my own")
    (mine / "vocals.wav").write_bytes(b"my own")
    before = contents(mine / "takes")
    build = partial(build_pair, pair / "a.wav", output=pair / "out", overwrite=True)
    assert not build(partner_path=pair / "w.wav").accepted  # rejected: the folder is not its own
    assert (mine / "vocals.wav").read_bytes() == b"my own"
    assert build(partner_path=pair / "v.wav").accepted
    assert audio.info(mine / "vocals.wav").sample_rate == RATE
    assert contents(mine / "takes") == before
    assert sorted(p.name for p in mine.iterdir()) == [
        "accompaniment.wav", "activity.txt", "mixture.wav", "report.json", "takes", "vocals.wav",
    ]  # fmt: skip
    assert not (pair / "out" / "a.rejected.json").exists()
    # now it is its own: what it wrote goes when the pair is rejected, and nothing else
    assert not build_pair(pair / "a.wav", pair / "w.wav", pair / "out").accepted
    assert [p.name for p in mine.iterdir()] == ["takes"]


def test_a_table_of_other_make_is_refused(pair: Path):
    (pair / "out").mkdir()
    (pair / "out" / "pairs.csv").write_text("mine\n")
    with pytest.raises(InputError, match=r"pairs\.csv: exists already"):
        build_folder(pair, pair / "out")
    assert (pair / "out" / "pairs.csv").read_text() == "mine\n"


@pytest.mark.parametrize("wrong", [{"kind": "choir"}, {"keep": "some"}])
def test_settings_are_looked_at_before_any_file(
    pair: Path, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(match, "prepare", None)
    with pytest.raises(InputError, match="|".join(wrong.values())):
        build_folder(pair, pair / "out", workers=1, **wrong)
    assert not (pair / "out").exists()


def test_results_are_no_songs(tmp_path: Path):
    for name in (
        "mixes/1.wav",
        "aca/2.wav",
        "out/odd.wav",
        "old/S/mixture.wav",
        "old/S/vocals.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    report = {"track": "S", "mix": "m", "partner": "p", "accepted": True}
    (tmp_path / "old" / "S" / "report.json").write_text(json.dumps(report))
    one, other = two_sides(tmp_path, output=tmp_path / "out")
    assert [p.name for p in (*one, *other)] == ["2.wav", "1.wav"]
    assert [p.name for p in audio_files(tmp_path / "out", output=tmp_path)] == ["odd.wav"]


# --- files that cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros((2, 3 * RATE), np.float32), "is silent"),
        (voice(1, 1)[:, : RATE // 2], "is shorter than one second"),
        (np.zeros((1, 0), np.float32), "is shorter than one second"),
        (np.full((1, 2 * RATE), np.nan, np.float32), "holds NaN"),
    ],
)
def test_what_holds_too_little_is_one_line(sound: np.ndarray, reason: str):
    with pytest.raises(InputError, match=f"the recording {reason}"):
        prepare(sound, RATE)


def bad_files(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "b.wav").write_bytes(b"not audio")
    audio.write(folder / "c.wav", np.zeros((2, 3 * RATE), np.float32), RATE)
    audio.write(folder / "d.wav", voice(1, 1)[:, : RATE // 2], RATE)


def test_a_bad_mix_costs_no_partner(pair: Path):
    bad_files(pair / "bad")
    bad = [str(pair / "bad" / f"{name}.wav") for name in "bcd"]
    mix = str((pair / "a.wav").rename(pair / "z.wav"))
    found = find_mix(str(pair / "v.wav"), candidates=[*bad, mix])
    assert found["match"]["mix"] == mix
    assert [*found["faults"]] == bad
    assert "silent: leave it out" in found["faults"][bad[1]]
    alone = find_mix(str(pair / "v.wav"), candidates=bad)
    assert alone["match"] is None and alone["faults"] == found["faults"]


def test_damage_is_not_told_while_partners_are_searched(pair: Path):
    data = (pair / "v.wav").read_bytes()
    (pair / "v.wav").write_bytes(data[: len(data) // 4 * 3])
    with pytest.warns(IsoldeWarning):
        audio.read(pair / "v.wav")
    with warnings.catch_warnings(action="error"):
        assert find_mix(str(pair / "v.wav"), candidates=[str(pair / "a.wav")])["match"]


@pytest.mark.slow
def test_every_fault_is_told_once_and_where(isolde: Shell, pair: Path, tmp_path: Path):
    bad_files(tmp_path / "mixes")
    for name, side in (("a", "mixes"), ("v", "aca"), ("w", "aca")):
        (tmp_path / side).mkdir(exist_ok=True)
        (pair / f"{name}.wav").rename(tmp_path / side / f"{name}.wav")
    (tmp_path / "aca" / "x.wav").write_bytes(b"not audio")
    code, out, err = isolde("pairs", "mixes", "aca", "--no-pictures", "--workers", 1)
    assert code == 2
    assert "1 of 1 pairs accepted, in pairs; 4 errors" in out
    assert "aca/v.wav: belongs to mixes/a.wav" in out
    code, out, _ = isolde("pairs", "aca", "mixes", "-o", "o", "--no-pictures", "--workers", 1)
    assert "mixes/a.wav: holds aca/v.wav" in out
    code, out, err = isolde("pairs", "mixes", "aca", "--no-pictures", "--workers", 1)
    for name in ("mixes/b.wav", "mixes/c.wav", "mixes/d.wav", "aca/x.wav"):
        lines = [line for line in [*out, *err] if name in line]
        assert len(lines) == 1 and lines[0].startswith(f"isolde: {name}: ")
        assert lines[0].count(name) == 1


@pytest.mark.parametrize("several", [False, True])
def test_a_file_as_output_is_refused_before_any_work(isolde: Shell, tmp_path: Path, several: bool):
    (tmp_path / "out").touch()
    (tmp_path / "mixes").mkdir()
    (tmp_path / "mixes" / "a.wav").write_bytes(b"not audio")
    mix = tmp_path / "mixes" if several else tmp_path / "mixes" / "a.wav"
    code, _, err = isolde("pairs", mix, mix, "-o", tmp_path / "out")
    assert code == 2 and err == [f"isolde: {tmp_path / 'out'}: is a file: choose a folder with -o"]


@pytest.mark.slow
def test_a_mix_of_no_pair_is_named(pair: Path):
    lines: list[str] = []
    for side, names in (("mixes", ("a", "z")), ("aca", ("v",))):
        (pair / side).mkdir()
        for name in names:
            if name != "z":
                (pair / f"{name}.wav").rename(pair / side / f"{name}.wav")
    audio.write(pair / "mixes" / "z.wav", band(8, 77), RATE)
    mixes, partners = pair / "mixes", pair / "aca"
    done = build_folder(mixes, pair / "o", partners=partners, workers=1, report=lines.append)
    assert done.unmatched == (str(mixes / "z.wav"),)
    assert f"{mixes / 'z.wav'}: no other belongs to it" in lines


def test_partners_below_the_mixes_are_found_by_any_path(
    pair: Path, monkeypatch: pytest.MonkeyPatch
):
    """By another path, a partner among the mixes was taken for its own mix."""
    (pair / "aca").mkdir()
    (pair / "v.wav").rename(pair / "aca" / "v.wav")
    (pair / "w.wav").unlink()
    monkeypatch.chdir(pair)
    done = build_folder(".", "out", partners=pair / "aca", workers=1)
    assert [(r.mix, Path(r.partner).name) for r in done.pairs] == [("a.wav", "v.wav")]
    assert done.unmatched == ()


@pytest.mark.slow
def test_songs_of_earlier_runs_that_are_no_pair_now_are_named(pair: Path):
    lines: list[str] = []
    root, out = pair / "in", pair / "out"
    root.mkdir()
    for name in "av":
        (pair / f"{name}.wav").rename(root / f"{name}.wav")
    build = partial(build_folder, root, out, workers=1, notify=lines.append)
    assert build().accepted == 1 and lines == []
    (root / "a.wav").rename(root / "z.wav")
    for _ in range(2):
        build()
        assert lines == [
            f"{out / 'a'}: is of an earlier run, of no pair now: delete it, or leave it"
        ]
        lines.clear()
    shutil.rmtree(out / "a")
    build()
    assert lines == []


# --- the command -----------------------------------------------------------------------------


def test_a_pair_is_made_without_matplotlib(isolde: Shell, pair: Path, monkeypatch):
    """Its page is missing; the song was lost when all else was done."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = isolde("pairs", pair / "a.wav", pair / "v.wav", "-o", pair / "out")
    assert code == 0 and err[0].startswith("isolde: no pages: ") and "isolde[figures]" in err[0]
    assert (pair / "out" / "a" / "vocals.wav").is_file()


def test_two_files_or_two_folders(isolde: Shell, pair: Path):
    (pair / "aca").mkdir()
    for words in (("a.wav", "aca"), ("aca", "a.wav")):
        code, _, err = isolde("pairs", *words)
        assert (code, err) == (
            2,
            [f"isolde: {words[0]} and {words[1]}: give two files, or two folders"],
        )
    for option in (("--workers", 2), ("--scheduler", "tcp://127.0.0.1:1")):
        code, _, err = isolde("pairs", "a.wav", "v.wav", *option)
        assert code == 2 and "are for folders" in err[0]


# --- other machines --------------------------------------------------------------------------


def as_on_a_worker(
    job: Callable[..., Any], items: dict[str, Any], **options: Any
) -> list[parallel.Outcome]:
    """A worker has another current folder: what is named must hold there."""
    assert options["scheduler"] == "there"
    for item in items.values():
        for path in [item] if isinstance(item, str) else item[:2]:
            assert Path(path).is_absolute()
    keywords = getattr(job, "keywords", {})
    assert all(Path(path).is_absolute() for path in keywords.get("candidates", ()))
    assert Path(keywords.get("output", "/")).is_absolute()
    return HERE(job, items, **options | {"scheduler": None})


HERE = parallel.run


def test_workers_are_told_paths_that_hold_there(pair: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(pair)
    monkeypatch.setattr(parallel, "run", as_on_a_worker)
    done = build_folder(".", "out", workers=1, scheduler="there")
    assert done.accepted == 1 and (pair / "out" / "a" / "vocals.wav").is_file()
    with (pair / "out" / "pairs.csv").open() as file:
        assert all(Path(row["mix"]).is_absolute() for row in csv.DictReader(file))


def test_a_song_that_is_not_seen_here_is_no_success(pair: Path, monkeypatch: pytest.MonkeyPatch):
    def elsewhere(job: Any, items: Any, **options: Any) -> list[parallel.Outcome]:
        outcomes = HERE(job, items, **options)
        for outcome in outcomes:
            if outcome.value and outcome.value.get("folder"):
                shutil.rmtree(outcome.value["folder"])
        return outcomes

    monkeypatch.setattr(parallel, "run", elsewhere)
    done = build_folder(pair, pair / "out", workers=1)
    assert done.accepted == 0 and "is not seen here" in done.errors["a"]
