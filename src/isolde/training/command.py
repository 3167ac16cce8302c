"""What `isolde train` does, step by step, as lines to show; it holds no loop and no loss."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from isolde.datasets.library import Library
from isolde.datasets.remix import Mixer
from isolde.errors import InputError
from isolde.training.loop import Run
from isolde.training.recipe import Recipe

LINES_EVERY = 50


def train_folders(
    data: Sequence[Path],
    *,
    out: Path,
    recipe_file: Path | None,
    validation: Path | None,
    validate_every: int,
    cache: Path,
    steps: int | None,
    threads: int,
) -> Iterator[str]:
    """Train, or go on training, and tell how it goes.

    Args:
        data: folders of songs.
        out: folder of the run.
        recipe_file: JSON; None: the run's own, or the default.
        validation: folder of songs to measure on; None: no measurements.
        validate_every: steps from one measurement to the next.
        cache: folder for decoded audio.
        steps: step to stop before; None: the recipe's end.
        threads: for PyTorch.

    Raises:
        InputError: when a folder or the recipe cannot be used.
    """
    for folder in [*data, *([validation] if validation else [])]:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder: give folders of songs")
    recipe = _recipe(recipe_file, out)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    library = Library(data, cache)
    yield from (f"left out: {problem}" for problem in library.failed)
    songs = Library([validation], cache).entries if validation else []
    yield f"{len(library.entries)} songs and voices to train on, {len(songs)} to measure on"
    run = Run(out, recipe, Mixer(library.entries, recipe.remix, seed=recipe.seed))
    end = min(recipe.steps, steps if steps is not None else recipe.steps)
    answers = recipe.segments * recipe.frames
    while run.step < end:
        began, first = time.perf_counter(), run.step
        goal = min(end, (run.step // LINES_EVERY + 1) * LINES_EVERY)
        loss = run.train(until=goal, save_every=LINES_EVERY)
        speed = (run.step - first) * answers / (time.perf_counter() - began)
        left = (end - run.step) * answers / speed / 60
        yield f"step {run.step} loss {loss:.4f} {speed:.0f} frames/s {left:.0f} min left"
        if songs and (run.step % validate_every == 0 or run.step == end):
            median, mean = run.measure(songs)
            yield f"step {run.step} {recipe.task.score}: median {median:.2f}, mean {mean:.2f}"


def _recipe(file: Path | None, out: Path) -> Recipe:
    """The recipe asked for, else the run's own, else the default."""
    path = file or out / "recipe.json"
    if not path.is_file():
        if file:
            raise InputError(f"{file}: no such file: give the JSON of a recipe")
        return Recipe()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error})") from None
    return Recipe.from_dict(values, where=str(path))
