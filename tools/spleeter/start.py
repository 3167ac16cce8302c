"""The checkpoint that a training of U-Nets begins with: a model's, smaller where the recipe's are.

    python tools/spleeter/start.py vocals-large --recipe vocals --data SONGS --start FILE
    isolde train vocals --data SONGS --start FILE --out RUN

Some music of the training says which channels the others make up for; see
`isolde.networks.pruning`. A recipe of one network gets the model's for the vocals.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isolde.core.signal.level import LEVEL_DB
from isolde.core.signal.spectrum import analyse
from isolde.core.stage import Float32
from isolde.datasets.mixing.library import Entry
from isolde.networks.pruning import prune
from isolde.networks.unet import UNet, UNetMasker, UNetPair, UNetShape, UNetShared
from isolde.networks.unet_stream import UNetStream
from isolde.training.checkpoint import Checkpoint
from isolde.training.recipe import Recipe
from isolde.training.recipes import read_recipe
from isolde.training.sources import open_songs
from isolde.training.tasks.unet import UNetTask, unets_of
from isolde.training.tasks.validation import sounds_of

EXCERPTS, FRAMES = 48, 256


def excerpts(songs: list[Entry], task: UNetTask, *, seed: int) -> Iterator[Float32]:
    """Magnitudes (2, FRAMES, n_bins) of stretches of songs, at the level that models hear."""
    rng = np.random.default_rng(seed)
    for i in rng.integers(len(songs), size=EXCERPTS):
        mixture = sounds_of(songs[i])[1]
        n = FRAMES * task.grid.hop
        first = rng.integers(max(1, mixture.shape[1] - n))
        piece = mixture[:, first : first + n]
        piece = piece * 10 ** (LEVEL_DB / 20) / max(1e-3, float(np.sqrt(np.mean(piece**2))))
        spectra = analyse(piece.astype(np.float32), task.grid)[:, :FRAMES, : task.shape.n_bins]
        yield np.pad(np.abs(spectra), ((0, 0), (0, FRAMES - spectra.shape[1]), (0, 0)))


def fill(small: UNet, large: UNet, shape: UNetShape, heard: Callable[[], list[Tensor]]) -> None:
    """Give a network another's weights: all of them if they fit, else pruned ones.

    Residual blocks that only `small` has stay as they are, and change nothing.
    """
    given, own = large.state_dict(), small.state_dict()
    if not all(key in own and own[key].shape == value.shape for key, value in given.items()):
        given = prune(large, replace(shape, residual=False), heard()).state_dict()
    small.load_state_dict({**own, **given})


def main() -> None:
    """Read the arguments, prune, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", help="name or path of a model of U-Nets")
    parser.add_argument("--recipe", required=True, help="recipe of the training")
    parser.add_argument("--data", type=Path, action="append", required=True, help="songs")
    parser.add_argument(
        "--cache", type=Path, help="folder for decoded songs [cache beside the checkpoint]"
    )
    parser.add_argument("--start", type=Path, required=True, help="file for the checkpoint")
    asked = parser.parse_args()
    recipe = read_recipe(asked.recipe)
    task = recipe.task
    if not isinstance(task, UNetTask):
        raise SystemExit(f"recipe '{asked.recipe}' has no U-Nets: take another")
    large = unets_of(asked.model)
    folder = asked.cache or asked.start.parent / "cache"

    @cache
    def heard() -> list[Tensor]:
        found = open_songs(asked.data, Recipe(task=UNetTask(), frames=FRAMES), cache=folder)
        songs = [s for s in found.train if s.vocals is not None and s.accompaniment is not None]
        pieces = excerpts(songs, task, seed=recipe.seed)
        return [UNetMasker.scale(torch.from_numpy(piece)[None]) for piece in pieces]

    torch.manual_seed(recipe.seed)
    small = task.build()
    if isinstance(small, UNetShared | UNetStream):
        vocals = large.vocals if isinstance(large, UNetPair) else large.net
        fill(small.net, vocals, task.shape, heard)
    elif isinstance(large, UNetPair):
        fill(small.vocals, large.vocals, task.shape, heard)
        fill(small.accompaniment, large.accompaniment, task.shape, heard)
    else:
        raise SystemExit(f"model '{asked.model}' has one network, the recipe two: take another")
    state = small.state_dict()
    average = {key: state[key] for key, _ in small.named_parameters()}
    Checkpoint(network=state, average=average).save(asked.start)
    print(f"{asked.start}: {sum(p.numel() for p in small.parameters()):,} parameters")


if __name__ == "__main__":
    main()
