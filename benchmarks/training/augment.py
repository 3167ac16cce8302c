"""What each change of the examples is worth: `python augment.py DATA CACHE OUT --start CHECKPOINT`.

Every row carries the recipe `vocals` on from the same weights for the same steps, with one thing
about its remixes changed, and is measured on every other dev song against the row "none", song by
song: the mean difference and its standard error over the songs. "another seed" changes nothing
but the examples and their order: differences of its size are chance. DATA holds the folders of
songs, with musdb18-7-dev to measure on.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from isolde.datasets.mixing.voices import Remix
from isolde.training.loop import Run
from isolde.training.recipes import read_recipe
from isolde.training.sources import examples_of
from isolde.training.tasks.validation import song_usdr

sys.path.insert(0, str(Path(__file__).parents[1]))
from songs import command_line, opened, started


@dataclass(frozen=True)
class Unswapped(Remix):
    """Remixes in which left stays left."""

    def sides(self, rng: np.random.Generator, *, stereo: bool) -> list[int]:
        """As ever, in order."""
        return sorted(super().sides(rng, stereo=stereo))


CHANGES: dict[str, dict[str, object]] = {
    "none": {},
    "another seed": {},
    "with pitch shift, 0.3": {"shift": 0.3},
    "with time stretch, 0.3": {"stretch": 0.3},
    "with reverb on the voice, 0.3": {"reverb": 0.3},
    "with codec noise, 0.3": {"codec": 0.3},
    "with wide voices, 0.35": {"wide": 0.35},
    "without tuning": {"tune": 0.0},
    "without equaliser": {"equalise": 0.0},
    "without limiter": {"limit": 0.0},
    "without random band limit": {"band": 0.0},
    "without random gains": {
        "jitter_db": 0.0,
        "balance_db": (-3.0, 0.0),
        "level_db": (-22.0, -22.0),
    },
    "without channel swap": {},
}


def main() -> None:
    """Train and measure each."""
    parser = command_line(__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--songs", type=int, default=47)
    parser.add_argument("--changes", nargs="+", choices=[*CHANGES], help="some rows only")
    args = started(parser)
    entries, dev = opened(args)
    plain = replace(
        read_recipe("vocals"),
        steps=args.steps, warm_up=5, decay=0.6, learning_rate=args.rate, average=0.9,
    )  # fmt: skip
    print(f"{args.steps * plain.segments * plain.frames:,} frames a row, {len(dev)} songs")
    print("| change | uSDR median (mean), dB | mean difference | standard error |", flush=True)
    base: np.ndarray | None = None
    for name in args.changes or CHANGES:
        remix = replace(plain.remix, **CHANGES[name])  # type: ignore[arg-type]
        recipe = replace(plain, remix=remix, seed=plain.seed + (name == "another seed"))
        drawing = recipe
        if name == "without channel swap":
            drawing = replace(recipe, remix=Unswapped(**vars(remix)))
        examples = examples_of(drawing, entries)
        folder = args.out / name.replace(" ", "-").replace(",", "")
        run = Run(folder, recipe, examples, start=args.start)
        run.train(save_every=20)
        masks = partial(recipe.task.masks, run.averaged())
        scores = np.array([song_usdr(masks, entry) for entry in dev])
        base = scores if base is None else base
        apart = scores - base
        error = apart.std(ddof=1) / np.sqrt(len(dev))
        print(
            f"| {name} | {np.median(scores):.2f} ({scores.mean():.2f}) | {apart.mean():+.3f} "
            f"| {error:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
