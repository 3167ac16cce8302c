"""What look-ahead is worth: one network, asked and taught to answer earlier, heard on whole songs.

    python benchmarks/latency/lookahead.py prepare RUN TO --look-ahead 3
    python benchmarks/latency/lookahead.py train TO DATA... --cache CACHE --synthesis short
    python benchmarks/latency/lookahead.py publish TO FOLDER --name vocals-live --synthesis short
    python benchmarks/latency/lookahead.py score FOLDER/vocals-live.onnx SONGS --out SCORES
    python benchmarks/latency/lookahead.py table SCORES... --against SCORES
    python benchmarks/latency/lookahead.py publish TO FOLDER ... --metrics SCORES

`prepare` takes the averaged weights of a trained run over into a new one with less look-ahead. The
article's window of 25 frames answers for its middle; its pools use 18 columns of it, of which the
answer's is the 13th, and see the other frames from the corner of the eye only. So a window that is
cut behind the look-ahead keeps every weight where it was: n_frames = 13 + look-ahead, but at least
the 18 that two pools of three need. From 5 frames of look-ahead on nothing has moved; with less,
the answer lies 5 - look-ahead frames later in the window than it was taught for. `train` is for
that, and may be left out. It goes on where it was stopped.

Nothing here is imported by the package.
"""

import argparse
import json
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

SHORTEST = 18
PARTS = ("vocals", "drums", "bass", "other", "accompaniment")
BUDGET = {"warm_up": 20, "decay": 0.95, "average": 0.98}
SUMMARY = (
    "For live use, {ms:.0f} ms: the network of '{base}' (323,233 parameters) with {ahead} frames "
    "of look-ahead and the {synthesis} synthesis."
)


@contextmanager
def examples_for(synthesis: str):
    """Let the remixer's frames be those of a synthesis: the same hop and bins, another window."""
    from isolde.datasets import remix
    from isolde.spectrum import grid_for

    with mock.patch.object(remix, "GRID_22", grid_for(22050, synthesis)):
        yield


def latency_ms(look_ahead: int, synthesis: str) -> float:
    """Windows and look-ahead; the same at 22,050 and 44,100 Hz."""
    from isolde.spectrum import grid_for

    grid = grid_for(22050, synthesis)
    return 1000 * (grid.latency + look_ahead * grid.hop) / grid.sample_rate


def prepare(asked: argparse.Namespace) -> None:
    """A run of no steps: the averaged weights, a shorter window, less look-ahead."""
    from isolde.training.checkpoint import Checkpoint
    from isolde.training.recipe import Recipe

    recipe = Recipe.from_dict(json.loads((asked.run / "recipe.json").read_text()))
    shape = replace(recipe.task.shape, n_frames=max(SHORTEST, 13 + asked.look_ahead))
    task = replace(recipe.task, shape=shape, look_ahead=asked.look_ahead, interior_steps=0)
    recipe = replace(
        recipe,
        task=task,
        steps=asked.steps,
        learning_rate=asked.rate,
        seed=asked.seed,
        **BUDGET,
    )
    found = Checkpoint.load(asked.run / "state.safetensors")
    asked.to.mkdir(parents=True, exist_ok=True)
    Checkpoint(found.averaged, found.average).save(asked.to / "state.safetensors")
    (asked.to / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=1))


def train(asked: argparse.Namespace) -> None:
    """All steps of a prepared run, or the rest of them."""
    import torch

    from isolde.datasets.library import Library
    from isolde.training.loop import Run
    from isolde.training.recipe import Recipe

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    recipe = Recipe.from_dict(json.loads((asked.run / "recipe.json").read_text()))
    songs = Library(asked.data, asked.cache).entries
    examples = recipe.task.examples(songs, recipe.remix, seed=recipe.seed)
    with examples_for(asked.synthesis):
        run = Run(asked.run, recipe, examples)
        while run.step < recipe.steps:
            began = time.perf_counter()
            loss = run.train(until=min(recipe.steps, run.step + 10), save_every=10)
            took = time.perf_counter() - began
            print(f"step {run.step} loss {loss:.4f} {took:.0f} s", flush=True)


def score(asked: argparse.Namespace) -> None:
    """Vocals uSDR of every song at its own rate, soft read-out; a file, and its row."""
    from isolde.audio import read
    from isolde.catalogue import find
    from isolde.loading import load_separator

    card, scores = find(asked.model).card, {}
    for song in sorted(p for p in asked.songs.iterdir() if p.is_dir())[:: asked.every]:
        sounds = {path.stem: read(path) for path in song.iterdir() if path.stem in PARTS}
        vocals, rate = sounds["vocals"]
        n = min(audio.shape[1] for audio, _ in sounds.values())
        mixture = np.sum([audio[:, :n] for audio, _ in sounds.values()], axis=0)
        separator = load_separator(
            asked.model, sample_rate=rate, n_channels=len(mixture), synthesis=asked.synthesis
        )
        parts = [separator.feed(mixture), separator.flush()]
        estimate = np.concatenate([part["vocals"] for part in parts], axis=1)
        error = float(np.sum((vocals[:, :n] - estimate) ** 2)) + 1e-9
        energy = float(np.sum(vocals[:, :n] ** 2))
        scores[song.name] = 10 * float(np.log10(energy / error + 1e-9))
    told = {
        "look_ahead": card.look_ahead,
        "n_frames": card.past + 1 + card.look_ahead,
        "synthesis": separator.grid.synthesis,
        "steps": card.recipe.get("steps_done"),
        "songs": scores,
    }
    asked.out.write_text(json.dumps(told, indent=1))
    print(row(told, told))


def row(told: dict, base: dict) -> str:
    """One row of the table: medians, means, and the paired difference to `base`, in dB."""
    names = [name for name in told["songs"] if name in base["songs"]]
    own = np.array([told["songs"][name] for name in names])
    lost = own - np.array([base["songs"][name] for name in names])
    picks = np.random.default_rng(0).integers(len(lost), size=(4000, len(lost)))
    low, high = np.percentile(lost[picks].mean(axis=1), [2.5, 97.5])
    return (
        f"| {told['look_ahead']} | {told['n_frames']} | {told['synthesis']} | {told['steps']} | "
        f"{latency_ms(told['look_ahead'], told['synthesis']):.1f} | {len(own)} | "
        f"{np.median(own):.2f} | {own.mean():.2f} | "
        f"{lost.mean():+.2f} [{low:+.2f}, {high:+.2f}] | {np.median(lost):+.2f} |"
    )


def table(asked: argparse.Namespace) -> None:
    """All rows, least delay last."""
    base = json.loads(asked.against.read_text())
    rows = [json.loads(path.read_text()) for path in asked.scores]
    rows.sort(key=lambda told: -latency_ms(told["look_ahead"], told["synthesis"]))
    print(
        "| look-ahead | window | synthesis | steps | latency, ms | songs | median | mean | "
        "mean difference [95 %] | median difference |\n" + "|---" * 10 + "|"
    )
    for told in rows:
        print(row(told, base))


def publish(asked: argparse.Namespace) -> None:
    """Graph and card, the card with the synthesis, and the data and licence of the base model."""
    from isolde.catalogue import find, save
    from isolde.training import publish as publishing

    base = find(asked.base).card
    _, recipe, _ = publishing.trained(asked.run)
    ahead = recipe.task.look_ahead
    ms, metrics = latency_ms(ahead, asked.synthesis), {}
    if asked.metrics:
        values = np.array(list(json.loads(asked.metrics.read_text())["songs"].values()))
        metrics["vocals uSDR, dB"] = {
            "median": round(float(np.median(values)), 2),
            "mean": round(float(values.mean()), 2),
        }
    model = publishing.publish(
        asked.run,
        asked.folder,
        name=asked.name,
        summary=SUMMARY.format(ahead=ahead, ms=ms, base=base.name, synthesis=asked.synthesis),
        licence=base.licence,
        data=base.data,
        metrics={"data": base.metrics["data"], "latency, ms": round(ms, 2), **metrics},
        limits=base.limits,
    )
    told = {**model.card.recipe, "weights_from": asked.base}  # and then steps_done of their own
    signed = replace(model.card, synthesis=asked.synthesis, recipe=told)
    print(save(asked.folder, signed, model.path.read_bytes()).path)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(required=True)

    def verb(act, *places: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(act.__name__, help=act.__doc__)
        added.set_defaults(act=act)
        for place in places:
            added.add_argument(place, type=Path)
        return added

    one = verb(prepare, "run", "to")
    one.add_argument("--look-ahead", type=int, required=True)
    one.add_argument("--steps", type=int, default=200)
    one.add_argument("--rate", type=float, default=1e-3)
    one.add_argument("--seed", type=int, default=71)
    one = verb(train, "run")
    one.add_argument("data", type=Path, nargs="+")
    one.add_argument("--cache", type=Path, required=True)
    one.add_argument("--synthesis", default="long")
    one = verb(score, "model", "songs")
    one.add_argument("--synthesis", choices=["long", "short"])
    one.add_argument("--every", type=int, default=1)
    one.add_argument("--out", type=Path, required=True)
    one = verb(table)
    one.add_argument("scores", type=Path, nargs="+")
    one.add_argument("--against", type=Path, required=True)
    one = verb(publish, "run", "folder")
    one.add_argument("--synthesis", default="long")
    one.add_argument("--metrics", type=Path)
    one.add_argument("--name", default="vocals-live")
    one.add_argument("--base", default="article")
    asked = parser.parse_args()
    asked.act(asked)


if __name__ == "__main__":
    sys.exit(main())
