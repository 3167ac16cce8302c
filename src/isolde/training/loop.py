"""The training loop: examples in, weights out, resumable to the bit; it knows no file of audio."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from isolde.datasets.remix import Mixer
from isolde.errors import InputError
from isolde.masks import binary_mask, phase_sensitive_mask, ratio_mask
from isolde.networks.article import WindowNetwork
from isolde.networks.sliding import plan, slide
from isolde.stages import Complex64, Float32
from isolde.training.recipe import Recipe

STATISTICS_EXAMPLES = 256
EMPTY = 1e-9


@dataclass(frozen=True)
class Batch:
    """Features (n, n_frames, 513), and for each answer its target and the weight of its errors."""

    features: Tensor
    target: Tensor
    weight: Tensor


def ideal(recipe: Recipe, vocals: Complex64, accompaniment: Complex64) -> Float32:
    """The mask that the recipe wants learnt."""
    if recipe.target == "phase":
        return phase_sensitive_mask(vocals, vocals + accompaniment)
    v, a = np.abs(vocals), np.abs(accompaniment)
    if recipe.target == "binary":
        return binary_mask(v, a)
    return ratio_mask(v, a, power=1 if recipe.target == "magnitude" else 2)


def make_batch(recipe: Recipe, mixer: Mixer, step: int, *, exact: bool) -> Batch:
    """The examples of one step, always the same for the same recipe and step."""
    steps = plan(recipe.shape.n_frames, exact=exact)
    n_frames = recipe.frames + steps.span
    first = steps.lead + recipe.shape.n_frames - 1 - recipe.look_ahead
    answers = slice(first, first + recipe.frames)
    features, targets, weights = [], [], []
    for i in range(recipe.segments):
        vocals, accompaniment, sounds = mixer.labelled(step * recipe.segments + i, n_frames)
        mixture = np.abs(vocals + accompaniment)
        features.append(recipe.features.compressed(mixture))
        if recipe.target == "activity":
            sounding = sounds[answers, None].astype(np.float32)
            if recipe.shape.outputs == 1:
                targets.append(sounding)
                weights.append(np.ones_like(sounding))
                continue
        mask = ideal(recipe, vocals[answers], accompaniment[answers])
        weight = mixture[answers] ** np.float32(recipe.weight_power)
        if recipe.features.mel:
            mask, weight = to_network_axis(mask, weight)
        weight /= weight.mean() + EMPTY
        if recipe.target == "activity":  # its one output counts as much as all bins together
            mask = np.concatenate([sounding, mask], axis=1)
            weight = np.concatenate([np.full_like(sounding, weight.shape[1]), weight], axis=1)
        targets.append(mask)
        weights.append(weight)
    return Batch(*(torch.from_numpy(np.stack(x)) for x in (features, targets, weights)))


def to_network_axis(mask: Float32, weight: Float32) -> tuple[Float32, Float32]:
    """A mask and its weights on Mel points: the mask is the weighted mean over the bins there."""
    from isolde.features import to_mel

    rows = to_mel().T
    on_mel = weight @ rows
    return (mask * weight) @ rows / np.maximum(on_mel, EMPTY), on_mel


def loss_of(recipe: Recipe, raw: Tensor, batch: Batch) -> Tensor:
    """Weighted mean error of the network's raw outputs."""
    if recipe.loss == "bce":
        error = functional.binary_cross_entropy_with_logits(raw, batch.target, reduction="none")
    else:
        error = (torch.sigmoid(raw) - batch.target) ** 2
    return (error * batch.weight).mean()


class Run:
    """One training run in a folder: `recipe.json`, `state.safetensors`, `log.csv`."""

    def __init__(self, folder: Path, recipe: Recipe, mixer: Mixer) -> None:
        """Begin, or go on where the folder's last checkpoint stands.

        Raises:
            InputError: when the folder holds a run of another network.
        """
        self.folder, self.recipe, self.mixer = folder, recipe, mixer
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = WindowNetwork(recipe.shape, dropout=recipe.dropout)
        self.average = {k: v.detach().clone() for k, v in self.network.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step = 0
        if (folder / "state.safetensors").is_file():
            self._load()
        else:
            self._measure()
        (folder / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=1))

    def _measure(self) -> None:
        """Per-bin mean and deviation of the features, from examples that training never draws."""
        frames = [
            self.recipe.features.compressed(np.abs(sum(self.mixer.example(2**40 + i, 32))))
            for i in range(STATISTICS_EXAMPLES)
        ]
        values = np.concatenate(frames)
        self.network.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        self.network.std.copy_(torch.from_numpy(values.std(axis=0) + 1e-3))

    def train(
        self,
        *,
        until: int | None = None,
        save_every: int = 100,
    ) -> float:
        """Take steps to the end of the recipe, or to `until`; save now and then and at the end.

        Args:
            until: step to stop before.
            save_every: steps from one checkpoint to the next.

        Returns:
            the mean loss of these steps; NaN for none.
        """
        recipe, end = self.recipe, self.recipe.steps if until is None else until
        losses: list[float] = []
        self.network.train()
        with (self.folder / "log.csv").open("a", encoding="utf-8") as log:
            while self.step < end:
                began = time.perf_counter()
                exact = self.step >= recipe.interior_steps
                torch.manual_seed(recipe.seed + 1_000_003 * (self.step + 1))  # dropout
                batch = make_batch(recipe, self.mixer, self.step, exact=exact)
                for group in self.optimiser.param_groups:
                    group["lr"] = recipe.rate(self.step)
                self.optimiser.zero_grad(set_to_none=True)
                loss = loss_of(recipe, slide(self.network, batch.features, exact=exact), batch)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
                self.optimiser.step()
                self.step += 1
                keep = min(recipe.average, (self.step + 1) / (self.step + 10))
                with torch.no_grad():
                    for name, value in self.network.named_parameters():
                        self.average[name].lerp_(value, 1 - keep)
                seconds = time.perf_counter() - began
                log.write(f"{self.step},{loss.item():.6f},{seconds:.3f}\n")
                log.flush()
                losses.append(loss.item())
                if self.step % save_every == 0 or self.step == end:
                    self.save()
        return float(np.mean(losses)) if losses else float("nan")

    def averaged(self) -> WindowNetwork:
        """A copy with the averaged weights, ready to evaluate."""
        network = WindowNetwork(self.recipe.shape)
        network.load_state_dict({**self.network.state_dict(), **self.average})
        return network.eval()

    def save(self) -> None:
        """Write the checkpoint; a crash leaves the old one or the new one, never half of one."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in slots.items()}
        tensors["step"] = torch.tensor(self.step)
        part = self.folder / "state.part"
        save_file({k: v.contiguous() for k, v in tensors.items()}, part)
        os.replace(part, self.folder / "state.safetensors")

    def _load(self) -> None:
        path = self.folder / "state.safetensors"
        tensors = load_file(path)
        self.step = int(tensors["step"].item())

        def part(name: str) -> dict[str, Tensor]:
            prefix = f"{name}."
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        try:
            self.network.load_state_dict(part("network"))
        except RuntimeError:
            raise InputError(f"{path}: another network's run: take an empty folder") from None
        self.average = part("average")
        state = self.optimiser.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in part("optimiser").items():
            i, slot = key.split(".", 1)
            slots.setdefault(int(i), {})[slot] = value
        self.optimiser.load_state_dict({**state, "state": slots})
