"""What to learn, with the same trunk: `python targets.py DATA CACHE OUT --steps N TARGET...`.

DATA holds the folders of songs, with musdb18-7-dev to measure on. Every target gets the same
examples in the same order, the same number of frames, the squared error, and the interior form of
the article's mask network. Prints a row a target: a soft and a hard read-out, every other dev song.
"""

import sys
from pathlib import Path

from isolde.training.loop import Run
from isolde.training.recipe import Recipe
from isolde.training.sources import examples_of
from isolde.training.tasks.windows import WindowTask

sys.path.insert(0, str(Path(__file__).parents[1]))
from songs import command_line, opened, started


def main() -> None:
    """Train and measure each."""
    parser = command_line(__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--songs", type=int, default=47)
    parser.add_argument("targets", nargs="+")
    args = started(parser)
    entries, dev = opened(args)
    print("| target | read-out | frames | songs | uSDR median (mean), dB |", flush=True)
    for target in args.targets:
        task = WindowTask(target=target, error="mse", interior_steps=args.steps)
        recipe = Recipe(
            task=task, segments=10, frames=48, steps=args.steps, warm_up=30, average=0.98
        )
        run = Run(args.out / target, recipe, examples_of(recipe, entries))
        run.train(save_every=20)
        frames = recipe.steps * recipe.segments * recipe.frames
        for kind in ("soft", "binary") if target != "regression" else ("soft",):
            median, mean = task.validate(run.averaged_network(), dev, step=run.step, kind=kind)
            print(
                f"| {target} | {kind} | {frames:,} | {len(dev)} | {median:.2f} ({mean:.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
