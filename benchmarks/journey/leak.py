"""How a random split of windows flatters: `python leak.py MIR_1K CACHE OUT --epochs N`.

One training of the article's activity detector (123,985 parameters, binary cross-entropy) on
MIR-1K's own labels (`--labels own`), or on labels from the clips' stems (`heard`), measured three
times an epoch's end: on the windows that it learns from, on windows drawn at random from the same
clips and never learnt from (the article's 80/20 split, when the unit is the window), and on all
windows of singers that it never heard. Windows slide by one frame, so a held-out window shares 24
of 25 frames with its neighbours, which are learnt from. Frames are learnt in the shared form,
without the zeros at the windows' edges (half of the work). A run that is stopped goes on with the
same command. OUT/MIR-1K-{labels}-labels.csv is for `python -m isolde.figures.curves`.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.datasets.mixing.library import Entry, Library
from isolde.datasets.voicing import labelled
from isolde.networks.article import VAD
from isolde.training.loop import Run
from isolde.training.recipe import Recipe
from isolde.training.tasks.excerpts import Stretches
from isolde.training.tasks.validation import sounds_of
from isolde.training.tasks.windows import WindowBatch, WindowTask

sys.path.insert(0, str(Path(__file__).parents[1]))
from songs import command_line, started

LABEL_SECONDS = 0.02  # MIR-1K's labels come every 20 ms
HELD_SINGERS, HELD_WINDOWS = 0.2, 0.2
STRETCH = 32


def kept_windows(track: str, n: int) -> np.ndarray:
    """Which of a clip's windows are learnt from: 80 % of them, drawn at random."""
    seed = [ord(c) for c in track]
    return np.random.default_rng(seed).random(n) >= HELD_WINDOWS


class Kept(Stretches):
    """Stretches of songs, and in which of their frames the window is learnt from."""

    def __init__(self, entries: Sequence[Entry], **options: Any) -> None:
        """Draw the windows to keep."""
        super().__init__(entries, **options)
        self._kept = [kept_windows(e.track, len(e.activity)) for e in self._songs]

    def kept(self, index: int) -> np.ndarray:
        """(frames,) of the example's own frames."""
        place = self._place(index)
        i = int(np.searchsorted(self._ends, place, side="right"))
        first = (place - (int(self._ends[i - 1]) if i else 0)) * self._frames
        return self._kept[i][first : first + self._frames]


@dataclass(frozen=True)
class SplitTask(WindowTask):
    """An activity network that does not learn from the windows that are held out."""

    def batch(
        self, examples: Kept, indices: Sequence[int], *, frames: int, step: int
    ) -> WindowBatch:
        """As ever, with weight 0 for these windows."""
        made = super().batch(examples, indices, frames=frames, step=step)
        kept = np.stack([examples.kept(i) for i in indices]).astype(np.float32)
        return replace(made, weight=torch.from_numpy(kept[..., None] / (1 - HELD_WINDOWS)))


def with_own_labels(entry: Entry, folder: Path) -> Entry:
    """The clip with MIR-1K's labels of where the voice sounds."""
    labels = np.loadtxt(folder / entry.track / "activity.txt", ndmin=1) > 0
    times = np.arange(len(entry.activity)) * GRID_22.frame_seconds
    nearest = np.clip(np.round(times / LABEL_SECONDS - 1), 0, len(labels) - 1).astype(int)
    return replace(entry, activity=labels[nearest])


def shares(task: WindowTask, network: Any, entries: Sequence[Entry]) -> dict[str, float]:
    """Share of windows right: those learnt from and those held out."""
    right: dict[str, list[np.ndarray]] = {"kept": [], "held": []}
    activity = partial(task.activity, network, exact=False)
    for entry in entries:
        found = activity(analyse(sounds_of(entry)[1], GRID_22)) > 0.5
        n = min(len(found), len(entry.activity))
        hit, kept = found[:n] == entry.activity[:n], kept_windows(entry.track, n)
        right["kept"].append(hit[kept])
        right["held"].append(hit[~kept])
    return {name: float(np.concatenate(hits).mean()) for name, hits in right.items()}


def main() -> None:
    """Train, and measure after each epoch."""
    parser = command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--stop", type=int, help="after so many epochs, to go on another time")
    parser.add_argument("--labels", choices=("own", "heard"), default="own")
    parser.add_argument("--clips", type=int, default=99, help="of a singer, to learn from")
    parser.add_argument("--test-clips", type=int, default=99, help="of each other singer")
    parser.add_argument("--measure", type=int, default=1, help="epochs between measurements")
    parser.add_argument("--dropout", type=float, nargs=3, default=(0.25, 0.25, 0.5))
    args = started(parser)
    clips = Library([args.data], args.cache).entries
    singers = sorted({e.artist for e in clips})
    rng = np.random.default_rng(1)
    unheard = {
        singers[i] for i in rng.permutation(len(singers))[: round(HELD_SINGERS * len(singers))]
    }
    by_singer = [[e for e in clips if e.artist == singer] for singer in singers]
    train, test = list[Entry](), list[Entry]()
    for some in by_singer:
        if some[0].artist in unheard:
            test += some[: args.test_clips]
        else:
            train += some[: args.clips]
    if args.labels == "own":
        train, test = ([with_own_labels(e, args.data) for e in some] for some in (train, test))
    else:
        train, test = labelled(train), labelled(test)
    examples = Kept(train, frames=STRETCH, seed=1)
    per_epoch = len(examples) // 8
    steps = args.epochs * per_epoch
    task = SplitTask(
        shape=VAD, target="activity", dropout=tuple(args.dropout), interior_steps=steps
    )
    recipe = Recipe(
        task=task, draw="songs", segments=8, frames=STRETCH, steps=steps, warm_up=20, average=0.9
    )
    frames = sum(len(e.activity) for e in train)
    voiced = np.concatenate([e.activity for e in test]).mean()
    print(
        f"{len(train)} clips of {len(singers) - len(unheard)} singers, {frames:,} windows, "
        f"{1 - HELD_WINDOWS:.0%} learnt from; {len(test)} clips of {len(unheard)} other singers, "
        f"voice in {voiced:.1%} of their frames",
        flush=True,
    )
    table = args.out / f"MIR-1K-{args.labels}-labels.csv"
    if not table.is_file():
        args.out.mkdir(parents=True, exist_ok=True)
        table.write_text("epoch | % of frames right,learnt from,random windows,other singers\n")
    print("| epoch | learnt from | random windows | other singers | minutes |", flush=True)
    run, began = Run(args.out, recipe, examples), time.monotonic()
    while run.step < min(recipe.steps, (args.stop or args.epochs) * per_epoch):
        block = args.measure * per_epoch
        run.train(until=run.step + block - run.step % block, save_every=20)
        network = run.averaged_network()
        own = shares(task, network, train)
        other = shares(task, network, test)
        all_of_them = (1 - HELD_WINDOWS) * other["kept"] + HELD_WINDOWS * other["held"]
        values = [100 * v for v in (own["kept"], own["held"], all_of_them)]
        with table.open("a", encoding="utf-8") as file:
            file.write(f"{run.step // per_epoch},{','.join(f'{v:.2f}' for v in values)}\n")
        print(
            f"| {run.step // per_epoch} | {own['kept']:.1%} | {own['held']:.1%} "
            f"| {all_of_them:.1%} | {(time.monotonic() - began) / 60:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
