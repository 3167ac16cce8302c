"""The training loop: examples in, weights out, resumable to the bit; it knows no network."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isolde.core.atomic import write_text
from isolde.core.errors import InputError
from isolde.datasets.mixing.library import Entry
from isolde.networks.fast_lstm.layer import use_fast_lstm
from isolde.training.checkpoint import Checkpoint
from isolde.training.distributed import Team
from isolde.training.log import Log
from isolde.training.precision import LOSS_SCALE, in_precision
from isolde.training.recipe import Recipe
from isolde.training.tasks.base import Task

STATE = "state.safetensors"
BEST = "best.safetensors"
RECIPE = "recipe.json"
STEP_SEEDS, RANK_SEEDS = 1_000_003, 7_919


class Objective(nn.Module):
    """A network and its task as one module, whose forward pass gives the loss."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        """Keep the task and the network."""
        super().__init__()
        self.task, self.network = task, network

    def forward(self, batch: Any, step: int) -> Tensor:
        """Compute the loss of a batch."""
        return self.task.loss(self.network, batch, step=step)


class Run:
    """One training run in a folder: `recipe.json`, checkpoints, `log.csv`."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        examples: Any,
        *,
        device: str = "cpu",
        precision: str = "float32",
        team: Team | None = None,
        start: Path | None = None,
    ) -> None:
        """Begin a run, or resume from the last checkpoint in the folder.

        Args:
            folder: Folder of the run; made when missing.
            recipe: Recipe of the run.
            examples: Examples that the recipe's task draws from.
            device: Device on which the network is trained.
            precision: Precision of a new run: "float32", or "bfloat16" for the network's forward
                pass.
            team: Processes that train together; None: this one alone.
            start: Checkpoint that a new run begins with where names and shapes agree, which the
                text `begun` of the run then tells. None: random weights.

        Raises:
            InputError: The folder holds a run of another network, or `start` nothing that fits.
        """
        self.folder, self.recipe, self.examples = folder, recipe, examples
        self.device, self.team = torch.device(device), team or Team()
        self._part = self.team.part(recipe.segments)
        torch.manual_seed(recipe.seed)
        self.network = recipe.task.build()
        self.step, self.best, self.seconds, self.skipped = 0, float("-inf"), 0.0, 0
        self.precision = precision
        found = Checkpoint.load(folder / STATE) if (folder / STATE).is_file() else None
        if found:
            self._take(found)
        else:
            recipe.task.prepare(self.network, examples)
        self.begun = self._begin(start) if start and not found else ""
        self.network.to(self.device)
        if self.device.type == "cuda":
            use_fast_lstm(self.network)
        if self.precision == "bfloat16":
            self.network.forward = in_precision(self.network.forward, self.device)
        own = dict(self.network.named_parameters())
        values = found.average if found else own
        self.average = {k: values[k].detach().to(self.device).clone() for k in own}
        self.optimiser = _optimiser(recipe, self.network)
        if found:
            state = self.optimiser.state_dict()
            self.optimiser.load_state_dict({**state, "state": found.optimiser})
        self._objective = self.team.share_gradients(Objective(recipe.task, self.network))
        if self.team.leads:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / RECIPE, json.dumps(recipe.to_dict(), indent=1) + "\n")
        self.log = Log(folder, step=self.step, writes=self.team.leads)

    def _take(self, found: Checkpoint) -> None:
        """Take over the network and the counters of a checkpoint."""
        try:
            self.network.load_state_dict(found.network)
        except RuntimeError:
            raise InputError(
                f"{self.folder / STATE}: another network's run: take an empty folder"
            ) from None
        self.step, self.best = found.step, found.best
        self.seconds, self.precision = found.seconds, found.precision

    def _begin(self, start: Path) -> str:
        """Take over the averaged weights of another run that fit; say which did not."""
        found, own = Checkpoint.load(start).averaged, self.network.state_dict()
        fits = {k: v for k, v in found.items() if k in own and v.shape == own[k].shape}
        if not fits:
            raise InputError(f"{start}: nothing of its network fits: take a run of this kind")
        self.network.load_state_dict({**own, **fits})
        new = sorted(own.keys() - fits.keys())
        return f"begun with {start}" + (f", but for {', '.join(new)}" if new else "")

    def train(
        self,
        *,
        until: int | None = None,
        save_every: int = 100,
        on_step: Callable[[int, float], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> float:
        """Train to the end of the recipe, or to a step; save at intervals and at the end.

        Args:
            until: Step to stop before.
            save_every: Steps from one checkpoint to the next.
            on_step: Function called after each step with the number of steps and the loss.
            stop: Function asked after each step; when it returns True in one process of a team,
                all save and stop.

        Returns:
            The mean loss of these steps; NaN for none.
        """
        losses: list[float] = []
        self.network.train()
        while not self.ended and (until is None or self.step < until):
            began = time.perf_counter()
            own = self._one_step(self.batch(self.step))
            asked = float(stop()) if stop else 0.0
            took = time.perf_counter() - began
            loss, stopping, took = self.team.mean(own, asked, took, device=self.device)
            losses.append(loss)
            self.seconds += took
            self.log.step(self.step, self.hours, loss, took)
            if stopping or self.step % save_every == 0 or self.ended or self.step == until:
                self.save()
            if on_step:
                on_step(self.step, loss)
            if stopping:
                break
        return float(np.mean(losses)) if losses else float("nan")

    @property
    def hours(self) -> float:
        """Hours of music heard."""
        return self.step * self.recipe.step_seconds / 3600

    @property
    def done(self) -> float:
        """Share of the recipe's steps, hours or seconds that is done, at most 1."""
        return min(1.0, self.recipe.done(self.step, self.seconds))

    @property
    def ended(self) -> bool:
        """Whether the recipe's end is reached."""
        return self.done >= 1

    def batch(self, step: int) -> Any:
        """Make this process's examples of a step, always the same for the same step."""
        recipe = self.recipe
        indices = [step * recipe.segments + i for i in self._part]
        return recipe.task.batch(self.examples, indices, frames=recipe.frames, step=step)

    def _one_step(self, batch: Any) -> float:
        """Take a step: gradients, weights, running average. Return this process's loss."""
        recipe, step = self.recipe, self.step
        # dropout; each process's own
        torch.manual_seed(recipe.seed + STEP_SEEDS * (step + 1) + RANK_SEEDS * self.team.rank)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate(step, self.seconds)
        self.optimiser.zero_grad(set_to_none=True)
        loss: Tensor = self._objective(move_to_device(batch, self.device), step)
        scale = LOSS_SCALE if self.precision == "bfloat16" else 1.0
        (loss * scale).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if scale != 1:
            torch._foreach_div_(gradients, scale)
        limit = recipe.clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if torch.isfinite(norm):
            self.optimiser.step()
        else:
            self.skipped += 1
        self.step += 1
        keep = min(recipe.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            own = [value.detach() for _, value in self.network.named_parameters()]
            torch._foreach_lerp_([*self.average.values()], own, 1 - keep)
        return loss.item()

    def measure(self, songs: Sequence[Entry]) -> tuple[float, float]:
        """Measure the averaged weights, median and mean; save them if they are the best so far.

        Only the lead of a team measures; the others wait and return NaN.
        """
        scores = float("nan"), float("nan")
        if self.team.leads:
            scores = self.recipe.task.validate(self.averaged_network(), songs, step=self.step)
            self.log.score(self.step, self.hours, *scores)
            if scores[0] > self.best:
                self.best = scores[0]
                self.checkpoint().save(self.folder / BEST)
                self.save()
        self.team.wait()
        return scores

    def averaged_network(self) -> nn.Module:
        """Copy the network with averaged weights, on the CPU, ready to evaluate."""
        network = self.recipe.task.build()
        network.load_state_dict(self.checkpoint().averaged)
        return network.eval()

    def checkpoint(self) -> Checkpoint:
        """Collect all that the run needs to resume."""
        return Checkpoint(
            network=self.network.state_dict(),
            average=self.average,
            optimiser=self.optimiser.state_dict()["state"],
            step=self.step,
            best=self.best,
            seconds=self.seconds,
            precision=self.precision,
        )

    def save(self) -> None:
        """Write the checkpoint."""
        if self.team.leads:
            self.checkpoint().save(self.folder / STATE)


def _optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Make the recipe's optimiser."""
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
        )
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        recipe.learning_rate,
        betas=(0.9, recipe.inertia),
        weight_decay=recipe.weight_decay,
    )


def move_to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch, a dataclass of tensors, to a device."""
    return replace(batch, **{f.name: getattr(batch, f.name).to(device) for f in fields(batch)})
