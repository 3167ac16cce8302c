"""From a training run to a model that `isolde separate --model` takes: a graph and its card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from isolde.catalogue import Card, Model, save
from isolde.errors import InputError
from isolde.networks.article import WindowNetwork
from isolde.networks.export import stateful_graph
from isolde.training.recipe import Recipe


def trained(run: Path) -> tuple[WindowNetwork, Recipe, int]:
    """The averaged network of a run, its recipe, and the steps it has had.

    Raises:
        InputError: when the folder holds no run.
    """
    state, recipe_file = run / "state.safetensors", run / "recipe.json"
    if not state.is_file() or not recipe_file.is_file():
        raise InputError(f"{run}: holds no training run: give the folder that `isolde train` wrote")
    recipe = Recipe.from_dict(json.loads(recipe_file.read_text(encoding="utf-8")))
    tensors = load_file(state)
    network = WindowNetwork(recipe.shape)
    values = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    values |= {
        k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")
    }
    network.load_state_dict(values)
    return network.eval(), recipe, int(tensors["step"].item())


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
) -> Model:
    """Write the model of a run.

    Args:
        run: folder of the run.
        folder: for the model's two files.
        name: of the model.
        summary: one line.
        licence: of the weights: what the training data allow.
        data: what it was trained on, with licences.
        metrics: what was measured.
        limits: what it is known not to do.

    Raises:
        InputError: when the folder holds no run.
    """
    network, recipe, step = trained(run)
    card = Card(
        name=name,
        summary=summary,
        stems=("vocals",),
        residual="accompaniment",
        look_ahead=recipe.look_ahead,
        past=recipe.shape.n_frames - 1 - recipe.look_ahead,
        features=recipe.features,
        sha256="",
        licence=licence,
        data=tuple(data),
        metrics=dict(metrics or {}),
        limits=limits,
        recipe={**recipe.to_dict(), "steps_done": step},
    )
    return save(folder, card, stateful_graph(network))
