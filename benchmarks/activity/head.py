"""Learn the numbers of the detector's head: `head.py OUT CACHE MODEL SONGS...`; writes OUT.

SONGS are folders of songs with stems or manifests, of which every third song is taken, MODEL what
separates them. Half of the songs
have pauses of 0.5 to 4 s cut into their voice, as in make.py; their masks come the way in which the
detector gets them, so that a head takes minutes of separating and seconds of learning. OUT is
src/isolde/activity/presence.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from make import muted, plain
from torch import nn
from torch.nn import functional

from isolde.activity.presence import FALL, SLOPE, SPANS, Presence, voice_power
from isolde.audio import Resampler
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.datasets.mixing.library import Library
from isolde.datasets.voicing import labelled
from isolde.models.catalogue import find
from isolde.models.conditioning import conditioner_of
from isolde.models.masker import make_masker

UNITS, STEPS, BATCH, RATE = 8, 600, 4096, 0.03


def powers_of(model, mixture: np.ndarray) -> np.ndarray:
    """How loud the voice is in each frame of a mixture (n_channels, n) at 22,050 Hz."""
    card = model.card
    resampler = Resampler(GRID_22.sample_rate, card.grid.sample_rate, len(mixture))
    audio = [resampler.feed(mixture.astype(np.float32)), resampler.flush()]
    heard = conditioner_of(card).feed(analyse(np.concatenate(audio, axis=1), card.grid))
    masker = make_masker(model, n_channels=len(mixture))
    masks = np.concatenate([masker.feed(heard), masker.flush()], axis=2)
    return voice_power(heard, masks[card.stems.index("vocals")], card.grid)


def levels_of(model, entries, rng) -> tuple[torch.Tensor, ...]:
    """Levels (n, spans), dips (n,), and where the voice sounds (n,), of all songs."""
    grid, found = model.card.grid, []
    for number, entry in enumerate(entries):
        mixture, sounds = plain(entry) if number % 2 else muted(entry, rng)
        powers = powers_of(model, mixture)
        stage = Presence(grid.frame_seconds)
        levels, dips = stage.levels(np.pad(powers, stage.latency))
        times = np.arange(len(powers)) * grid.frame_seconds
        at = np.round(times / GRID_22.frame_seconds).astype(int)
        inside = at < len(sounds)
        found.append((levels[inside], dips[inside], sounds[at[inside]]))
    columns = (np.concatenate(column) for column in zip(*found, strict=True))
    return tuple(torch.from_numpy(column.astype(np.float32)) for column in columns)


def main() -> None:
    """Separate, learn, write."""
    out, cache, model = Path(sys.argv[1]), Path(sys.argv[2]), find(sys.argv[3])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    entries = labelled(Library([Path(a) for a in sys.argv[4:]], cache).entries[::3])
    levels, dips, sounds = levels_of(model, entries, np.random.default_rng(1))
    inside = dips <= FALL  # at edges the odds are taken down, which the head is not to make up for
    levels, sounds = levels[inside], sounds[inside]
    dense, output = nn.Linear(len(SPANS), UNITS), nn.Linear(UNITS, 1)
    optimiser = torch.optim.AdamW(
        [*dense.parameters(), *output.parameters()], RATE, weight_decay=1e-3
    )

    def loss_of(pick: torch.Tensor | slice) -> torch.Tensor:
        odds = output(functional.leaky_relu(dense(levels[pick]), SLOPE))[:, 0]
        return functional.binary_cross_entropy_with_logits(odds, sounds[pick])

    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * min(1, 2 * (1 - step / STEPS))
        loss = loss_of(torch.randint(len(levels), (BATCH,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        loss = loss_of(slice(None))
    print(f"{len(entries)} songs, voice {float(sounds.mean()):.2f}, loss {loss:.4f}")
    numbers = {
        "model": model.card.name,
        "weight": dense.weight.tolist(),
        "bias": dense.bias.tolist(),
        "output": output.weight[0].tolist(),
        "offset": output.bias.item(),
    }
    rounded = json.loads(json.dumps(numbers), parse_float=lambda digits: round(float(digits), 5))
    out.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
