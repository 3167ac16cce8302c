"""What a run begins with: nothing begins over another run, and what goes on is the same run."""

import json
from pathlib import Path

import pytest

from isolde.core.errors import InputError

pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training.beginning import (
    first_weights,
    list_runs,
    recall_songs,
    recipe_of,
    remember_songs,
)
from isolde.training.course import Options
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
