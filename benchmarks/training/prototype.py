"""A run of the prototype trainer carried over: `python prototype.py FILES OUT`.

The prototype (train.py of the first trials of dual-path networks) left NAME.checkpoint, a pickle
of PyTorch's. FILES is its path; OUT becomes a run that `isolde train --resume --out OUT` goes on
with: weights, their average, the optimiser's state, the steps taken, the schedule. Its examples are
others from there on: the prototype drew them from one stream of random numbers.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from isolde.networks.dual_path import DualPathNetwork, DualPathShape
from isolde.training.checkpoint import Checkpoint
from isolde.training.loop import RECIPE, STATE
from isolde.training.mixing.settings import MixSettings
from isolde.training.recipe import Recipe
from isolde.training.tasks.dual_path import DualPathTask

NAMES = {
    ".norm.": ".time_norm.",
    ".memory.": ".time.",
    ".norm2.": ".bands_norm.",
    ".across.": ".bands.",
}
MIX = {"same": "same_song"}


def recipe_of(run: dict) -> Recipe:
    """The recipe of a prototype's run, whose dictionary names what differs from its defaults."""
    net = dict(run["net"])
    shape = DualPathShape(
        cut=net["widths"],
        features=net["features"],
        across=net["across"],
        hidden=net["hidden"],
        delays=tuple(net["delays"]),
        masks=1 if run["kind"] == "vocals" else 4,
        stack=net.get("stack", 1),
    )
    task = DualPathTask(
        shape,
        n_fft=run["n_fft"],
        synthesis=run["synthesis"],
        cross_entropy=run["bce"],
        presence=run["vad"],
    )
    return Recipe(
        task=task,
        mix=replace(MixSettings(), **{MIX[k]: v for k, v in run["mix"].items()}),
        segments=run["batch"],
        frames=run["frames"],
        hours=float(run["hours"]),
        seconds=0.0 if run["hours"] else float(run["seconds"]),
        learning_rate=run["lr"],
        warm_up=run["warm"],
        decay=1 - run["flat"],
        weight_decay=run["wd"],
        inertia=0.99,
        clip=1.0,
        average=run["ema"],
        seed=run["seed"],
    )


def renamed(name: str) -> str:
    """The name of a tensor in today's network."""
    if name.startswith("blocks."):
        for old, new in NAMES.items():
            name = name.replace(old, new)
    return name


def main() -> None:
    """Carry one run over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    found = torch.load(asked.checkpoint, map_location="cpu", weights_only=True)
    recipe = recipe_of(found["run"])
    assert isinstance(recipe.task, DualPathTask)
    state = {renamed(name): value for name, value in found["net"].items()}
    network = DualPathNetwork(recipe.task.shape)
    network.load_state_dict(state)
    names = [name for name, _ in network.named_parameters()]
    asked.out.mkdir(parents=True)
    (asked.out / RECIPE).write_text(json.dumps(recipe.to_dict(), indent=1) + "\n", encoding="utf-8")
    Checkpoint(
        network=state,
        average=dict(zip(names, found["average"], strict=True)),
        optimiser=found["optimizer"]["state"],
        step=found["step"],
        seconds=found["spent"],
    ).save(asked.out / STATE)
    hours = found["step"] * recipe.step_seconds / 3600
    print(
        f"{asked.out}: step {found['step']}, {hours:.2f} h heard, there {found['audio'] / 3600:.2f}"
    )


if __name__ == "__main__":
    main()
