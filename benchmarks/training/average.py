"""The mean of several runs' weights, as a run: `python average.py OUT RUN RUN [RUN ...]`.

Runs of one recipe that began with the same weights mostly lie in one basin of the loss; their mean
is then often better than each of them ("model soups", Wortsman et al. 2022). A run that is named
twice counts twice. OUT is a folder that `isolde train --start` and `isolde export` take: the
weights, and the first run's recipe and steps.
"""

import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path

import torch

from isolde.core.errors import InputError
from isolde.training.checkpoint import Checkpoint, Tensors
from isolde.training.loop import RECIPE, STATE


def mean(runs: list[Tensors]) -> Tensors:
    """Of each tensor; constants that are not floating point stay the first run's.

    Raises:
        InputError: when the runs do not hold the same tensors.
    """
    shapes = [{name: value.shape for name, value in run.items()} for run in runs]
    if any(other != shapes[0] for other in shapes):
        raise InputError("the runs are of different networks: average runs of one recipe")
    return {
        name: torch.stack([run[name] for run in runs]).mean(0)
        if value.is_floating_point()
        else value
        for name, value in runs[0].items()
    }


def main() -> None:
    """Read, average, write."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    out, runs = arguments.out, arguments.runs
    try:
        if out.exists():
            raise InputError(f"{out}: is there already: give another folder")
        found = [Checkpoint.load(run / STATE) for run in runs]
        weights = mean([one.averaged for one in found])
    except InputError as error:
        sys.exit(str(error))
    average = {name: weights[name] for name in found[0].average}
    out.mkdir(parents=True)
    Checkpoint(weights, average, step=found[0].step).save(out / STATE)
    shutil.copy(runs[0] / RECIPE, out / RECIPE)


if __name__ == "__main__":
    main()
