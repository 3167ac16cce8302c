"""Train the temporal head on hidden units and export: `head.py UNITS TRUNK OUT [EPOCHS]`.

UNITS is what `hidden.py` wrote; each fifth file is kept for the stop. The averaged weights ship.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from isolde.catalogue import find, save
from isolde.networks.temporal import TemporalHead, TemporalShape, with_head

PIECE = 200  # frames of answers in a training piece
SHIFT = 0.7
"""Taken off the log-odds: on songs of other makes the head says "voice" too readily, so that 0.67
is where an even choice lies (chosen on every second dev song, reported on the others)."""


def load(paths: list[Path]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Units and labels of every clip."""
    clips = []
    for path in paths:
        with np.load(path) as file:
            ends = np.cumsum(file["lengths"])
            units = np.split(file["units"].astype(np.float32), ends[:-1])
            sounds = np.split(file["sounds"].astype(np.float32), ends[:-1])
        clips += [
            (torch.from_numpy(u), torch.from_numpy(s)) for u, s in zip(units, sounds, strict=True)
        ]
    return clips


def padded(units: torch.Tensor, shape: TemporalShape, silence: torch.Tensor) -> torch.Tensor:
    """Units with what silence looks like before and after."""
    before, after = silence.expand(shape.past, -1), silence.expand(shape.future, -1)
    return torch.cat([before, units, after])


def main() -> None:
    """Train, say how good, export."""
    folder, trunk, out = (Path(a) for a in sys.argv[1:4])
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 10
    torch.manual_seed(1)
    torch.set_num_threads(1)
    paths = sorted(folder.glob("*.npz"))
    kept = load(paths[4::5])
    clips = load([p for i, p in enumerate(paths) if i % 5 != 4])
    shape = TemporalShape(inputs=clips[0][0].shape[1])
    head = TemporalHead(shape, dropout=0.35)
    everything = torch.cat([u for u, _ in clips])
    head.mean.copy_(everything.mean(0))
    head.std.copy_(everything.std(0) + 1e-3)

    from isolde.graph import Graph
    from isolde.networks.temporal import hidden_graph

    graph = find(trunk).path.read_bytes()
    units_graph = Graph(hidden_graph(graph))
    silent = np.zeros((1, 60, units_graph.n_bins), np.float32)
    silence = torch.from_numpy(units_graph(silent, units_graph.state(1))[0][0, -1])

    pieces = []
    for units, sounds in clips:
        whole = padded(units, shape, silence)
        for s in range(0, len(units) - PIECE + 1, PIECE // 2):
            pieces.append((whole[s : s + PIECE + shape.span], sounds[s : s + PIECE]))
    x, y = (torch.stack(v) for v in zip(*pieces, strict=True))
    print(len(clips), "clips", len(pieces), "pieces", "voice", y.mean().item(), flush=True)
    optimiser = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=3e-2)
    n_steps, batch = epochs * (len(pieces) // 16), 16
    average = {k: v.clone() for k, v in head.state_dict().items()}
    began = time.monotonic()
    for step in range(n_steps):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 30) * (1 - step / n_steps)
        pick = torch.randint(len(pieces), (batch,))
        head.train()
        loss = functional.binary_cross_entropy_with_logits(head(x[pick]), y[pick])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for k, v in head.state_dict().items():
            average[k].lerp_(v, 0.02)
        if (step + 1) % (n_steps // 4) == 0:
            right = total = 0.0
            judge = TemporalHead(shape).eval()
            judge.load_state_dict(average)
            with torch.no_grad():
                for units, sounds in kept:
                    p = judge(padded(units, shape, silence)[None])[0] > 0
                    right += float((p == (sounds > 0.5)).sum())
                    total += len(sounds)
            print(
                f"{step + 1} loss {loss.item():.4f} kept clips {right / max(total, 1):.4f} "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    head.load_state_dict(average)
    head.eval()
    with torch.no_grad():
        head.output.bias -= SHIFT
    card = find(trunk).card
    card = replace(
        card,
        name="activity",
        summary="Where somebody sings: probability per 11.6 ms frame.",
        stems=(),
        residual="",
        look_ahead=card.look_ahead + shape.future,
        past=card.past + shape.past,
        metrics={},
        recipe={},
    )
    print(save(out, card, with_head(graph, head)).path)


if __name__ == "__main__":
    main()
