"""What look-ahead is worth: one model's weights, taught to answer earlier, heard on whole songs.

    isolde train vocals-live --start RUN --data SONGS --out TO      # or a recipe with other delays
    python benchmarks/latency/lookahead.py publish TO FOLDER --metrics SCORES
    python benchmarks/latency/lookahead.py score FOLDER/vocals-live.onnx SONGS --out SCORES
    python benchmarks/latency/lookahead.py table SCORES... --against SCORES
    python benchmarks/latency/lookahead.py shift RUN TO --delays 1 1 1 0  # the same, not taught

A dual-path network's weights have the same shapes for all delays, so a training may begin with
those of one that looks further ahead. `shift` makes a run of no steps, to see what the teaching
was worth.
Nothing here is imported by the package.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

PARTS = ("vocals", "drums", "bass", "other", "accompaniment")
SUMMARY = (
    "For live use, {ms:.0f} ms: the network of '{base}', stereo, {ahead} frames "
    "of look-ahead, the {synthesis} synthesis."
)


def latency_ms(look_ahead: int, synthesis: str) -> float:
    """Windows and look-ahead; the same at 22,050 and 44,100 Hz."""
    from isolde.core.spectrum import grid_for

    grid = grid_for(22050, synthesis)
    return 1000 * (grid.latency + look_ahead * grid.hop) / grid.sample_rate


def shift(asked: argparse.Namespace) -> None:
    """A run of no steps: the averaged weights of another, other delays, another synthesis."""
    from isolde.training.checkpoint import Checkpoint
    from isolde.training.recipe import Recipe

    recipe = Recipe.from_dict(json.loads((asked.run / "recipe.json").read_text()))
    shape = replace(recipe.task.shape, delays=tuple(asked.delays))
    recipe = replace(recipe, task=replace(recipe.task, shape=shape, synthesis=asked.synthesis))
    found = Checkpoint.load(asked.run / "state.safetensors")
    asked.to.mkdir(parents=True, exist_ok=True)
    Checkpoint(found.averaged, found.average).save(asked.to / "state.safetensors")
    (asked.to / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=1))


def score(asked: argparse.Namespace) -> None:
    """Vocals uSDR of every song at its own rate, soft read-out; a file, and its row."""
    from isolde.audio import read
    from isolde.models.catalogue import find
    from isolde.separation.load import load_separator

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
        "synthesis": separator.estimator.grid.synthesis,
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
        f"| {told['look_ahead']} | {told['synthesis']} | {told['steps']} | "
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
        "| look-ahead | synthesis | steps | latency, ms | songs | median | mean | "
        "mean difference [95 %] | median difference |\n" + "|---" * 9 + "|"
    )
    for told in rows:
        print(row(told, base))


def publish(asked: argparse.Namespace) -> None:
    """Graph and card, with the data and the licence of the model whose weights it began with."""
    from isolde.models.catalogue import find, save
    from isolde.training import export as publishing

    base = find(asked.base).card
    _, recipe, _ = publishing.read_run(asked.run)
    ahead, synthesis = recipe.task.look_ahead, recipe.task.synthesis
    ms, metrics = latency_ms(ahead, synthesis), {}
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
        summary=SUMMARY.format(ahead=ahead, ms=ms, base=base.name, synthesis=synthesis),
        licence=base.licence,
        data=base.data,
        metrics={"data": base.metrics["data"], "latency, ms": round(ms, 2), **metrics},
        limits=base.limits,
        bits=asked.bits,
    )
    came_from = f"{base.name}, sha256 {base.sha256[:12]}"  # and then steps_done of their own
    told = {**model.card.recipe, "weights_from": came_from}
    print(save(asked.folder, replace(model.card, recipe=told), model.path.read_bytes()).path)


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

    one = verb(shift, "run", "to")
    one.add_argument("--delays", type=int, nargs="+", required=True)
    one.add_argument("--synthesis", default="short")
    one = verb(score, "model", "songs")
    one.add_argument("--synthesis", choices=["long", "short"])
    one.add_argument("--every", type=int, default=1)
    one.add_argument("--out", type=Path, required=True)
    one = verb(table)
    one.add_argument("scores", type=Path, nargs="+")
    one.add_argument("--against", type=Path, required=True)
    one = verb(publish, "run", "folder")
    one.add_argument("--metrics", type=Path)
    one.add_argument("--name", default="vocals-live")
    one.add_argument("--bits", type=int, default=32)
    one.add_argument("--base", default="vocals")
    asked = parser.parse_args()
    asked.act(asked)


if __name__ == "__main__":
    sys.exit(main())
