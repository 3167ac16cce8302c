"""What a run begins with: nothing begins over another run, and what goes on is the same run."""

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from isolde.core.errors import InputError

pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training import distributed
from isolde.training.beginning import (
    first_weights,
    list_runs,
    nothing_left,
    recall_songs,
    recipe_of,
    remember_songs,
)
from isolde.training.checkpoint import Checkpoint
from isolde.training.course import Options
from isolde.training.distributed import Team
from isolde.training.loop import BEST, RECIPE, STATE
from isolde.training.recipes import read_recipe
from isolde.training.train import train_songs


def write_toml(path: Path, *, steps: int = 10) -> Path:
    path.write_text(f"segments = 2\nframes = 4\nsteps = {steps}\n")
    return path


def begin(out: Path, recipe: Path) -> None:
    """Leave in a folder what a run writes first."""
    out.mkdir()
    (out / RECIPE).write_text(json.dumps(read_recipe(recipe).to_dict()))


def test_one_recipe_takes_the_folder_and_several_one_each_in_it():
    out = Path("out")
    assert list_runs(None, out) == [(None, "", out)]
    assert list_runs([], out) == [(None, "", out)]
    assert list_runs("vocals", out) == list_runs(["vocals"], out) == [("vocals", "", out)]
    assert list_runs(["a/x.toml", "y"], out) == [
        ("a/x.toml", "x", out / "x"),
        ("y", "y", out / "y"),
    ]


def test_two_recipes_of_one_name_would_share_a_folder_and_are_refused():
    with pytest.raises(InputError, match="recipe 'x' is given twice"):
        list_runs(["a/x.toml", "b/x.toml"], Path("out"))


def test_a_new_run_needs_a_recipe_and_one_that_goes_on_a_beginning(tmp_path):
    with pytest.raises(InputError, match="no recipe: give a name"):
        recipe_of(None, tmp_path / "out", resume=False)
    with pytest.raises(InputError, match="holds no run to go on with"):
        recipe_of(None, tmp_path / "out", resume=True)


def test_nothing_begins_where_a_run_has_a_state(tmp_path):
    recipe = write_toml(tmp_path / "x.toml")
    out = tmp_path / "out"
    begin(out, recipe)
    assert recipe_of(recipe, out, resume=False) == read_recipe(recipe)  # it was not under way
    (out / STATE).touch()
    with pytest.raises(InputError, match="holds a run: go on with --resume"):
        recipe_of(recipe, out, resume=False)


def test_a_run_goes_on_with_its_own_recipe_and_no_other(tmp_path):
    recipe, other = write_toml(tmp_path / "x.toml"), write_toml(tmp_path / "y.toml", steps=20)
    begin(tmp_path / "out", recipe)
    for asked in (None, recipe):
        assert recipe_of(asked, tmp_path / "out", resume=True) == read_recipe(recipe)
    with pytest.raises(InputError, match=r"another recipe \(steps 10, now 20\)"):
        recipe_of(other, tmp_path / "out", resume=True)


def test_the_best_weights_are_taken_before_the_last_ones(tmp_path):
    with pytest.raises(InputError, match="no checkpoint here"):
        first_weights(tmp_path, "")
    (tmp_path / STATE).touch()
    assert first_weights(tmp_path, "") == tmp_path / STATE
    (tmp_path / BEST).touch()
    assert first_weights(tmp_path, "") == tmp_path / BEST
    assert first_weights(tmp_path / STATE, "") == tmp_path / STATE  # a file that is named


def test_each_of_several_runs_begins_with_its_namesake_or_all_with_one(tmp_path):
    (tmp_path / BEST).touch()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / STATE).touch()
    assert first_weights(tmp_path, "x") == tmp_path / "x" / STATE
    assert first_weights(tmp_path, "y") == tmp_path / BEST


def test_songs_are_found_again_from_another_folder(tmp_path, monkeypatch):
    assert recall_songs(tmp_path) == ([], None)
    monkeypatch.chdir(tmp_path)
    remember_songs(Path("."), [Path("a"), Path("b")], Path("dev"))
    monkeypatch.chdir("/")
    assert recall_songs(tmp_path) == ([tmp_path / "a", tmp_path / "b"], tmp_path / "dev")
    remember_songs(tmp_path, [Path("/a")], None)
    assert recall_songs(tmp_path) == ([Path("/a")], None)


@pytest.mark.parametrize("validation", [None, "new"])
def test_a_run_that_goes_on_with_other_songs_keeps_what_it_is_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validation: str | None
):
    for name in ("old", "new", "dev"):
        (tmp_path / name).mkdir()
    out, recipe = tmp_path / "run", write_toml(tmp_path / "x.toml")
    begin(out, recipe)
    remember_songs(out, [tmp_path / "old"], tmp_path / "dev")
    seen: list[Options] = []

    def stopped(_: object, options: Options, **__: object) -> None:
        seen.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("isolde.training.train.Courses", stopped)
    asked = Options(cache=out / "cache", validation=validation and tmp_path / validation)
    with pytest.raises(KeyboardInterrupt):
        train_songs(None, [tmp_path / "new"], out=out, options=asked, resume=True)
    wanted = tmp_path / (validation or "dev")
    assert seen[0].validation == wanted
    assert recall_songs(out) == ([tmp_path / "new"], wanted)


@pytest.mark.parametrize("decoded", [False, True])
def test_a_start_that_is_refused_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: bool
):
    """But for songs that are decoded, which it says; a folder that was there stays."""
    (tmp_path / "songs").mkdir()
    recipes = [write_toml(tmp_path / f"{name}.toml") for name in ("x", "y")]
    out = tmp_path / "run"

    def refused(_: object, options: Options, **__: object) -> None:
        options.cache.mkdir(parents=True, exist_ok=True)
        (out / "x").mkdir(exist_ok=True)
        (out / "x" / "log.csv").touch()
        if decoded:
            (options.cache / "song.npy").touch()
        raise InputError("no")

    monkeypatch.setattr("isolde.training.train.Courses", refused)
    options, said = Options(cache=out / "cache"), list[str]()
    with pytest.raises(InputError, match="no"):
        train_songs(recipes, [tmp_path / "songs"], out=out, options=options, say=said.append)
    if decoded:
        assert [path.name for path in out.rglob("*")] == ["cache", "song.npy"]
        assert len(said) == 1 and "the decoded songs in it stay" in said[0]
    else:
        assert not out.exists() and not said
        out.mkdir()
        with pytest.raises(InputError, match="no"):
            train_songs(recipes, [tmp_path / "songs"], out=out, options=options)
        assert out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "foo"}, "device 'foo' is unknown: take cpu or cuda"),
        ({"device": "cuda:999"}, "device 'cuda:999': PyTorch sees no such device"),
        ({"device": "meta"}, "device 'meta': PyTorch sees no such device"),
        ({"precision": "foo"}, "precision 'foo' is unknown: take auto, float32, bfloat16"),
    ],
)
def test_what_no_run_trains_on_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], message: str
):
    monkeypatch.setattr("isolde.training.course.open_songs", None)
    monkeypatch.setattr("isolde.training.train.remember_songs", None)
    (tmp_path / "songs").mkdir()
    out = tmp_path / "run"
    asked = Options(cache=out / "cache", **options)
    with pytest.raises(InputError, match=message):
        train_songs("mask", [tmp_path / "songs"], out=out, options=asked)
    assert not out.exists()


@pytest.mark.parametrize(
    ("steps", "changes", "words"),
    [
        (None, {}, ""),
        (8, {}, ""),
        (7, {}, "7 steps are taken and --steps 7 asks for no more: give a larger number, to 10 at"),
        (3, {"seconds": 60.0}, "--steps 3 asks for no more: give a larger number, or none"),
        (
            20,
            {"steps": 7},
            "nothing to do: its recipe ended at step 7: export it, or begin another",
        ),
        (None, {"hours": 1e-6}, "its recipe ended at step 7"),
        (None, {"seconds": 5.0}, "its recipe ended at step 7"),
    ],
)
def test_a_run_with_nothing_left_says_so(tmp_path, steps, changes, words):
    recipe = replace(read_recipe(write_toml(tmp_path / "x.toml")), **changes)
    assert nothing_left(recipe, tmp_path, steps=steps) == ""  # it is new
    Checkpoint(network={}, average={}, step=7, seconds=5.0).save(tmp_path / STATE)
    told = nothing_left(recipe, tmp_path, steps=steps)
    assert words in told and (told.startswith(f"{tmp_path}: nothing to do: ") or not words)


def test_nothing_is_opened_for_a_run_with_nothing_left(tmp_path):
    """Neither its songs, which may be gone, nor a log."""
    recipe, lines = write_toml(tmp_path / "x.toml"), list[str]()
    begin(tmp_path / "run", recipe)
    remember_songs(tmp_path / "run", [tmp_path / "gone"], None)
    Checkpoint(network={}, average={}, step=10).save(tmp_path / "run" / STATE)
    before = sorted(tmp_path.rglob("*"))
    options = Options(cache=tmp_path / "cache", steps=12)
    train_songs(None, [], out=tmp_path / "run", options=options, resume=True, say=lines.append)
    (line,) = lines
    assert "its recipe ended at step 10" in line and sorted(tmp_path.rglob("*")) == before


def test_the_last_step_of_a_recipe(tmp_path):
    recipe = read_recipe(write_toml(tmp_path / "x.toml"))
    assert (recipe.last_step, replace(recipe, seconds=1.0).last_step) == (10, None)
    by_hours = replace(recipe, hours=0.01)
    last = by_hours.last_step
    assert last and by_hours.done(last) >= 1 > by_hours.done(last - 1)
    for steps in range(1, 200):  # hours of whole steps, which round up or down
        by_hours = replace(recipe, hours=steps * recipe.step_seconds / 3600)
        last = by_hours.last_step
        assert last and by_hours.done(last) >= 1 > by_hours.done(last - 1)


def test_a_checkpoint_lies_in_folders_of_any_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9") / STATE
    Checkpoint(network={}, average={}, step=3, precision="bfloat16").save(path)
    found = Checkpoint.load(path)
    assert (found.step, found.best, found.precision) == (3, float("-inf"), "bfloat16")


def test_segments_that_cannot_be_dealt_are_refused_before_songs_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "songs").mkdir()
    monkeypatch.setattr("isolde.training.train.Courses", None)
    three = nullcontext(Team(0, 3))
    monkeypatch.setattr("isolde.training.train.distributed.team", lambda _: three)
    options = Options(cache=tmp_path / "cache")
    with pytest.raises(InputError, match="2 segments cannot be dealt to 3 processes"):
        recipe, songs = write_toml(tmp_path / "x.toml"), [tmp_path / "songs"]
        train_songs(recipe, songs, out=tmp_path / "run", options=options)
    assert not (tmp_path / "run").exists()


def test_processes_wait_as_long_as_songs_are_decoded(monkeypatch: pytest.MonkeyPatch):
    """PyTorch's own half an hour is over before a large data set is."""
    seen = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(
        distributed.distributed, "init_process_group", lambda _, timeout: seen.append(timeout)
    )
    monkeypatch.setattr(distributed.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(distributed.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed.distributed, "destroy_process_group", lambda: None)
    with distributed.team("cpu") as team:
        assert team == Team(0, 2)
    assert seen[0].total_seconds() > 24 * 3600
    monkeypatch.setenv("LOCAL_RANK", "99")
    with pytest.raises(InputError, match="device 'cuda:99'"), distributed.team("cuda"):
        pass


def test_a_failed_start_leaves_a_run_its_own_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else --resume, which was told a wrong folder once, would look there for ever."""
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    out, recipe = tmp_path / "run", write_toml(tmp_path / "x.toml")
    begin(out, recipe)
    remember_songs(out, [tmp_path / "right"], None)

    def refused(*_: object, **__: object) -> None:
        raise InputError("no songs")

    monkeypatch.setattr("isolde.training.train.Courses", refused)
    options = Options(cache=out / "cache")
    with pytest.raises(InputError, match="no songs"):
        train_songs(None, [tmp_path / "wrong"], out=out, options=options, resume=True)
    assert recall_songs(out) == ([tmp_path / "right"], None)
