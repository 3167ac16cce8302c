"""Turn a training run into a model, a graph and its card; it trains nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from isolde.core.errors import InputError, ModelError
from isolde.models.card import Card
from isolde.models.catalogue import Model, save
from isolde.models.sources import check_target
from isolde.networks.onnx.packing import packed
from isolde.networks.weights import read_network
from isolde.training.checkpoint import Checkpoint
from isolde.training.loop import BEST, RECIPE, STATE
from isolde.training.recipe import Recipe
from isolde.training.recipes import read_recipe
from isolde.training.tasks.base import Task
from isolde.training.tasks.dual_path import DualPathTask


def read_run(run: Path, *, best: bool = False) -> tuple[nn.Module, Recipe, int]:
    """Read the averaged network of a run, its recipe, and the number of its steps.

    Args:
        run: Folder of the run.
        best: Whether the checkpoint with the highest validation score is taken, not the last one.

    Raises:
        InputError: The folder holds no run, or no best checkpoint; or its recipe cannot be read, or
            is another network's.
        ModelError: Its weights hold NaN or infinity.
    """
    state, recipe_file = run / (BEST if best else STATE), run / RECIPE
    if not state.is_file() or not recipe_file.is_file():
        missing = "best checkpoint" if best and recipe_file.is_file() else "training run"
        raise InputError(f"{run}: holds no {missing}: give the folder that `isolde train` wrote")
    recipe = read_recipe(recipe_file)
    found = Checkpoint.load(state)
    network = recipe.task.build()
    try:
        network.load_state_dict(found.averaged)
    except RuntimeError:
        raise InputError(
            f"{state}: is of another network than {recipe_file}: take a run whose files are its own"
        ) from None
    if not all(values.isfinite().all() for values in network.state_dict().values()):
        raise ModelError(f"{state}: its weights hold NaN or infinity: train anew")
    return network.eval(), recipe, found.step


def publish(
    run: Path,
    folder: Path,
    *,
    name: str,
    summary: str,
    licence: str,
    data: Sequence[str] = (),
    metrics: Mapping[str, Any] | None = None,
    limits: str = "",
    best: bool = False,
    bits: int = 32,
    overwrite: bool = False,
) -> Model:
    """Write the model of a run, or of a network's file.

    Args:
        run: Folder of the run, or a network's file (see `networks.weights`).
        folder: Folder for the model's two files.
        name: Name of the model.
        summary: One line for its card.
        licence: Licence of the weights: what the training data allow.
        data: Data that it was trained on, with licences.
        metrics: Metrics that were measured.
        limits: Limits: what it is known not to do.
        best: Whether the checkpoint with the highest validation score is taken, not the last one.
        bits: Bits of the stored weights, see `onnx.packing`; the graph computes as before.
        overwrite: Whether a model of that name is replaced.

    Raises:
        InputError: The name cannot be one, or a model has it already; or the folder holds
            no run, or one of a kind that no separator can use; or a file has no best.
    """
    check_target(folder, name, overwrite=overwrite)
    if run.is_file():
        if best:
            raise InputError(f"{run}: is one network, with no best beside it: leave out --best")
        network, task, recipe = _read_file(run)
    else:
        network, known, step = read_run(run, best=best)
        task, recipe = known.task, {**known.to_dict(), "steps_done": step}
    card = Card(
        name=name,
        summary=summary,
        stems=task.stems,
        residual=task.residual,
        look_ahead=task.look_ahead,
        past=task.past,
        features=task.features,
        sha256="",
        licence=licence,
        data=tuple(data),
        metrics=dict(metrics or {}),
        limits=limits,
        recipe=recipe,
        **{"grid": task.grid, **task.serving},
    )
    graph = task.graph(network)
    return save(folder, card, packed(graph, bits=bits))


def _read_file(path: Path) -> tuple[nn.Module, Task, dict[str, Any]]:
    """Read the network of a file, its task, and the file's metadata."""
    file = read_network(path)
    task = DualPathTask(
        file.network.shape,
        n_fft=file.grid.n_fft,
        synthesis=file.synthesis,
        presence=float(file.presence),
    )
    return file.network, task, {key: _plain(text) for key, text in file.about.items()}


def _plain(text: str) -> Any:
    """What a text of a file's metadata holds: JSON, or itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
