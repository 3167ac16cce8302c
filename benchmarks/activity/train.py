"""Train the activity network: `python train.py DATA CACHE RUN`; run again to go on."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from data import split

from isolde.datasets.remix import Mixer, Remix
from isolde.networks.article import VAD
from isolde.training.loop import Run
from isolde.training.recipe import Recipe
from isolde.training.windows import WindowTask

RECIPE = Recipe(
    task=WindowTask(
        shape=replace(VAD, outputs=1 + VAD.n_bins), target="activity", interior_steps=700
    ),
    remix=Remix(
        same_song=0.6,
        voiced=0.2,
        no_voice=0.2,
        level_db=(-32.0, -12.0),
        voice_level="song",
    ),
    segments=12,
    frames=24,
    steps=900,
    warm_up=40,
    decay=0.5,
    average=0.99,
)


def main() -> None:
    """Train to the end."""
    data, cache, folder = (Path(a) for a in sys.argv[1:4])
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    train, _ = split(data, cache)
    print(len(train), "songs", sum(e.activity.mean() for e in train) / len(train), flush=True)
    run = Run(folder, RECIPE, Mixer(train, RECIPE.remix, seed=RECIPE.seed))
    began, seen = time.monotonic(), []

    def report(step: int, loss: float) -> None:
        seen.append(loss)
        if step % 25 == 0:
            mean = sum(seen[-25:]) / 25
            print(f"{step} loss {mean:.4f} {time.monotonic() - began:.0f} s", flush=True)

    run.train(save_every=50, on_step=report)


if __name__ == "__main__":
    main()
