"""What look-ahead is worth: one network, taught to answer earlier, and heard on whole songs.

    python benchmarks/latency/lookahead.py prepare RUN TO --look-ahead 3
    python benchmarks/latency/lookahead.py train TO DATA... --cache CACHE [--synthesis short]
    python benchmarks/latency/lookahead.py score TO SONGS --cache CACHE --synthesis short
    python benchmarks/latency/lookahead.py table SCORES... --against SCORES
    python benchmarks/latency/lookahead.py publish TO FOLDER --synthesis short --metrics SCORES

`prepare` takes the averaged weights of a trained run over into a new one with less look-ahead. The
article's window of 25 frames answers for its middle; its pools use 18 columns of it, of which the
answer's is the 13th, and see the other frames from the corner of the eye only. So a window that is
cut behind the look-ahead keeps every weight where it was: n_frames = 13 + look-ahead, but at least
the 18 that two pools of three need. From 5 frames of look-ahead on nothing has moved; with less,
the answer lies 5 - look-ahead frames later in the window than it was taught for.

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
BUDGET = {"warm_up": 20, "decay": 1.0, "average": 0.98, "interior_steps": 0}
SUMMARY = (
    "For live use: {ahead} frames of look-ahead and the short synthesis, {ms:.0f} ms; else the "
    "article's mask network (323,233 parameters)."
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
    import torch
    from safetensors.torch import load_file, save_file

    from isolde.training.recipe import Recipe

    recipe = Recipe.from_dict(json.loads((asked.run / "recipe.json").read_text()))
    recipe = replace(
        recipe,
        shape=replace(recipe.shape, n_frames=max(SHORTEST, 13 + asked.look_ahead)),
        look_ahead=asked.look_ahead,
        steps=asked.steps,
        learning_rate=asked.rate,
        seed=asked.seed,
        **BUDGET,
    )
    tensors = load_file(asked.run / "state.safetensors")
    average = {k.removeprefix("average."): v for k, v in tensors.items() if k[:8] == "average."}
    state = {k: v for k, v in tensors.items() if k in ("network.mean", "network.std")}
    state |= {f"network.{k}": v for k, v in average.items()}
    state |= {f"average.{k}": v.clone() for k, v in average.items()}
    state["step"] = torch.tensor(0)
    asked.to.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in state.items()}, asked.to / "state.safetensors")
    (asked.to / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=1))


def train(asked: argparse.Namespace) -> None:
    """All steps of a prepared run, or the rest of them."""
    import torch

    from isolde.datasets.library import Library
    from isolde.datasets.remix import Mixer
    from isolde.training.loop import Run
    from isolde.training.recipe import Recipe

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    recipe = Recipe.from_dict(json.loads((asked.run / "recipe.json").read_text()))
    songs = Library(asked.data, asked.cache).entries
    with examples_for(asked.synthesis):
        run = Run(asked.run, recipe, Mixer(songs, recipe.remix, seed=recipe.seed))
        while run.step < recipe.steps:
            began = time.perf_counter()
            loss = run.train(until=min(recipe.steps, run.step + 10), save_every=10)
            took = time.perf_counter() - began
            print(f"step {run.step} loss {loss:.4f} {took:.0f} s", flush=True)


def score(asked: argparse.Namespace) -> None:
    """Vocals uSDR of every song, soft read-out, into a file; the summary on standard output."""
    import torch

    from isolde.datasets.library import FULL_SCALE, Library
    from isolde.masks import readout
    from isolde.spectrum import analyse, grid_for, synthesise
    from isolde.training.publish import trained
    from isolde.training.validation import mask_of

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    network, recipe, steps = trained(asked.run)
    grid, scores = grid_for(22050, asked.synthesis), {}
    for entry in Library([asked.songs], asked.cache).entries[:: asked.every]:
        vocals = entry.vocals.astype(np.float32) / np.float32(FULL_SCALE)
        mixture = vocals + entry.accompaniment.astype(np.float32) / np.float32(FULL_SCALE)
        spectra = analyse(mixture, grid)
        mask = mask_of(network, recipe.features, spectra, look_ahead=recipe.look_ahead)
        estimate = synthesise(spectra * readout(mask, "soft"), grid, mixture.shape[1])
        error = float(np.sum((vocals - estimate) ** 2)) + 1e-9
        scores[entry.track] = 10 * float(np.log10(float(np.sum(vocals**2)) / error + 1e-9))
    told = {
        "look_ahead": recipe.look_ahead,
        "n_frames": recipe.shape.n_frames,
        "synthesis": asked.synthesis,
        "steps": steps,
        "songs": scores,
    }
    out = asked.out or asked.run / f"scores-{asked.synthesis}.json"
    out.write_text(json.dumps(told, indent=1))
    print(out, row(told, told))


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
    metrics = json.loads(asked.metrics.read_text())
    values = np.array(list(metrics["songs"].values()))
    model = publishing.publish(
        asked.run,
        asked.folder,
        name=asked.name,
        summary=SUMMARY.format(
            ahead=recipe.look_ahead, ms=latency_ms(recipe.look_ahead, asked.synthesis)
        ),
        licence=base.licence,
        data=base.data,
        metrics={
            "data": base.metrics.get("data", ""),
            "latency, ms": round(latency_ms(recipe.look_ahead, asked.synthesis), 2),
            "vocals uSDR at 22,050 Hz, dB": {
                "median": round(float(np.median(values)), 2),
                "mean": round(float(values.mean()), 2),
            },
        },
        limits=base.limits,
    )
    signed = replace(model.card, synthesis=asked.synthesis)
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
    one = verb(score, "run", "songs")
    one.add_argument("--cache", type=Path, required=True)
    one.add_argument("--synthesis", default="long")
    one.add_argument("--every", type=int, default=1)
    one.add_argument("--out", type=Path)
    one = verb(table)
    one.add_argument("scores", type=Path, nargs="+")
    one.add_argument("--against", type=Path, required=True)
    one = verb(publish, "run", "folder")
    one.add_argument("--synthesis", default="long")
    one.add_argument("--metrics", type=Path, required=True)
    one.add_argument("--name", default="vocals-live")
    one.add_argument("--base", default="vocals")
    asked = parser.parse_args()
    asked.act(asked)


if __name__ == "__main__":
    sys.exit(main())
