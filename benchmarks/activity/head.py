"""Train and export the activity model: `head.py SONGS CACHE OUT [TRUNK] [EXAMPLES]`.

SONGS is a manifest, TRUNK a band model by name or path. The same examples, network and loss as
`isolde train presence`; but the trunk, which does not learn, runs once, as a graph, so that the
head learns in seconds. OUT/levels.npz holds what the trunk makes of the examples; with it there,
only the head is trained anew. Another trunk wants another OUT.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from isolde.models.catalogue import find, save
from isolde.models.graph import Graph
from isolde.networks.onnx.packing import packed
from isolde.networks.onnx.presence import level_graph, presence_graph
from isolde.training.recipes import read_recipe
from isolde.training.sources import examples_of, open_songs

AT_ONCE = 8
STEPS, RATE = 600, 0.03


def levels_of(recipe, network, songs: Path, cache: Path, examples: int):
    """What the head hears of the examples (n, frames, spans), and where the voice sounds."""
    mixer = examples_of(recipe, open_songs([songs], recipe, cache=cache).train)
    graph, task = Graph(level_graph(network)), recipe.task
    levels, sounds = [], []
    began = time.process_time()
    for first in range(0, examples, AT_ONCE):
        batch = task.batch(mixer, range(first, first + AT_ONCE), frames=recipe.frames, step=0)
        heard, _ = graph(batch.features.numpy(), graph.state(AT_ONCE))
        begin = task.look_ahead + task.run_in
        levels.append(heard[:, begin : begin + recipe.frames])
        sounds.append(batch.sounds.numpy())
    print(f"{examples} examples, {time.process_time() - began:.0f} s of the processor", flush=True)
    return np.concatenate(levels), np.concatenate(sounds)


def train(network, levels: torch.Tensor, sounds: torch.Tensor, steps: int = STEPS) -> float:
    """Fit the head; the loss over everything."""
    optimiser = torch.optim.AdamW(
        [*network.dense.parameters(), *network.output.parameters()], RATE, weight_decay=1e-3
    )
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * min(1, 2 * (1 - step / steps))
        pick = torch.randint(len(levels), (16,))
        raw = network.answers(levels[pick])
        loss = functional.binary_cross_entropy_with_logits(raw, sounds[pick])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        whole = functional.binary_cross_entropy_with_logits(network.answers(levels), sounds)
    return float(whole)


def main() -> None:
    """Make the levels unless they are there, train, export."""
    songs, cache, out = (Path(a) for a in sys.argv[1:4])
    trunk = sys.argv[4] if len(sys.argv) > 4 else "vocals"
    examples = int(sys.argv[5]) if len(sys.argv) > 5 else 640
    torch.set_num_threads(1)
    torch.manual_seed(1)
    recipe = read_recipe("presence")
    recipe = replace(recipe, task=replace(recipe.task, trunk=trunk))
    network = recipe.task.build().eval()
    recipe.task.prepare(network, None)
    kept = out / "levels.npz"
    if not kept.is_file():
        out.mkdir(parents=True, exist_ok=True)
        levels, sounds = levels_of(recipe, network, songs, cache, examples)
        np.savez(kept, levels=levels.astype(np.float16), sounds=sounds)
    with np.load(kept) as file:
        levels, sounds = (torch.from_numpy(file[k].astype(np.float32)) for k in file)
    print(f"loss {train(network, levels, sounds):.4f}, voice {float(sounds.mean()):.2f}")
    card = replace(
        find("activity").card,
        look_ahead=recipe.task.look_ahead,
        past=recipe.task.past,
        features=recipe.task.features,
        metrics={},
        recipe={
            **recipe.to_dict(),
            "trunk sha256": find(trunk).card.sha256,
            "script": "benchmarks/activity/head.py",
            "examples": len(levels),
        },
    )
    print(save(out, card, packed(presence_graph(network))).path)


if __name__ == "__main__":
    main()
