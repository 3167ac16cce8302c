"""Find the folder, recipe, songs and first weights of a run; it opens no song."""

import json
from collections.abc import Sequence
from pathlib import Path

from isolde.core.atomic import write_text
from isolde.core.errors import InputError
from isolde.training.checkpoint import Checkpoint
from isolde.training.loop import BEST, RECIPE, STATE
from isolde.training.recipe import Recipe
from isolde.training.recipes import difference, read_recipe

SONGS = "songs.json"


def list_runs(
    recipe: str | Path | Sequence[str | Path] | None, out: Path
) -> list[tuple[str | Path | None, str, Path]]:
    """Give the recipe, the name and the folder of each run that is asked for.

    Args:
        recipe: Name or path of a recipe, several of them, or None for the run's own.
        out: Folder of the run; of several each has one of its own in it, named by the recipe.

    Raises:
        InputError: Two would share a folder.
    """
    if recipe is None or isinstance(recipe, str | Path):
        return [(recipe, "", out)]
    if len(recipe) <= 1:
        return [(recipe[0] if recipe else None, "", out)]
    names = [Path(r).stem for r in recipe]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"recipe '{name}' is given twice: each needs a name of its own")
    return [(r, name, out / name) for r, name in zip(recipe, names, strict=True)]


def recipe_of(name: str | Path | None, out: Path, *, resume: bool) -> Recipe:
    """Read the recipe that is asked for, or the run's own; a resumed run may have no other.

    Args:
        name: Name or path of a recipe; None for the run's own.
        out: Folder of the run.
        resume: Whether an existing run is resumed.

    Raises:
        InputError: There is no recipe, another one, or a run that is not to be resumed.
    """
    begun = (out / RECIPE).is_file()
    if begun and not resume and (out / STATE).is_file():
        raise InputError(f"{out}: holds a run: go on with --resume, or take another folder")
    if name is None:
        if not begun and resume:
            raise InputError(f"{out}: holds no run to go on with: leave out --resume to begin one")
        if not begun:
            raise InputError("no recipe: give a name, `vocals` for example, or a .toml file")
        return read_recipe(out / RECIPE)
    recipe = read_recipe(name)
    if begun and resume and (changed := difference(read_recipe(out / RECIPE), recipe)):
        raise InputError(
            f"{out}: was begun with another recipe ({changed}): leave the recipe out to go on"
        )
    return recipe


def nothing_left(recipe: Recipe, out: Path, *, steps: int | None) -> str:
    """Say why a resumed run has nothing left to do; empty if it has, or is new.

    Args:
        recipe: Its recipe.
        out: Folder of the run.
        steps: Step to stop before; None: the recipe's end.

    Raises:
        InputError: Its checkpoint cannot be read.
    """
    if not (out / STATE).is_file():
        return ""
    found = Checkpoint.load(out / STATE)
    if recipe.done(found.step, found.seconds) >= 1:
        return (
            f"{out}: nothing to do: its recipe ended at step {found.step}: export it, or begin "
            f"another run with its weights, --start {out}"
        )
    if steps is not None and found.step >= steps:
        more = "" if recipe.last_step is None else f", to {recipe.last_step} at most"
        return (
            f"{out}: nothing to do: {found.step} steps are taken and --steps {steps} asks for no "
            f"more: give a larger number{more}, or none"
        )
    return ""


def first_weights(start: Path, name: str) -> Path:
    """Find the first weights: a file, or the best, or else the last, of a run's folder.

    Args:
        start: A checkpoint, a run's folder, or a folder of runs.
        name: Name of the run among several; empty for one alone.

    Raises:
        InputError: There is no checkpoint.
    """
    folders = [start / name, start] if name else [start]
    places = [start, *(folder / file for folder in folders for file in (BEST, STATE))]
    found = [p for p in places if p.is_file()]
    if not found:
        raise InputError(f"{start}: no checkpoint here: give a run's folder, or its {BEST}")
    return found[0]


def remember_songs(out: Path, data: Sequence[Path], validation: Path | None) -> None:
    """Write down where a run's songs are, for resuming."""
    told = {
        "data": [str(path.absolute()) for path in data],
        "validation": None if validation is None else str(validation.absolute()),
    }
    write_text(out / SONGS, json.dumps(told, indent=1) + "\n")


def recall_songs(out: Path) -> tuple[list[Path], Path | None]:
    """Read where the songs of a run are, data and validation; none if it is new."""
    if not (out / SONGS).is_file():
        return [], None
    told = json.loads((out / SONGS).read_text("utf-8"))
    validation = told["validation"]
    return [Path(path) for path in told["data"]], None if validation is None else Path(validation)
