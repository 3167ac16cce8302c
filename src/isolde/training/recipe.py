"""The settings of a training run, saved beside the weights; it trains nothing.

A recipe has settings that every training has, and a task: the kind of network and what it learns.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import ceil, inf
from typing import Any

from isolde.core.config import build, suggestion
from isolde.core.errors import InputError
from isolde.training.mixing.settings import MixSettings
from isolde.training.tasks.base import Task
from isolde.training.tasks.dual_path import DualPathTask
from isolde.training.tasks.unet import UNetTask
from isolde.training.tasks.unet_stream import UNetStreamTask
from isolde.training.tasks.windows import WindowTask

KINDS: dict[str, type[Any]] = {
    WindowTask.kind: WindowTask,
    DualPathTask.kind: DualPathTask,
    UNetTask.kind: UNetTask,
    UNetStreamTask.kind: UNetStreamTask,
}
"""Tasks by the `kind` of a recipe."""

CHOICES = {
    "draw": ("mixes", "songs"),
    "labels": ("level", "heard"),
    "optimiser": ("adamw", "sgd"),
}


NOT_NEGATIVE = (
    "hours", "seconds", "warm_up", "decay_per_step", "weight_decay", "clip", "seed"
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        task: Network and what it learns; in files the table `task`, and its `kind`.
        mix: How examples are made.
        draw: "mixes", endless new ones, or "songs", every stretch of them as they are, once an
            epoch in random order.
        labels: Where a voice sounds: "level", within 40 dB of its loud parts, or "heard", by
            `isolde.datasets.voicing`.
        hold_out: Share of the music in folders that is kept for validation, by artists.
        segments: Stretches of frames in a step.
        frames: Answers from each stretch.
        steps: Number of steps, unless `hours` or `seconds` say when to end.
        hours: Hours of music heard, after which the run ends; 0: not counted.
        seconds: Seconds of training, after which the run ends; 0: not counted. Such a run is not
            reproducible to the bit.
        optimiser: "adamw", or "sgd" with Nesterov's momentum.
        learning_rate: Learning rate after the warm-up.
        warm_up: Steps in which the rate rises.
        decay: Share of the run, at the end, over which the rate goes to zero.
        decay_per_step: Decay of the rate, which is also divided by 1 + this * step, as Keras does.
        weight_decay: AdamW's, of matrices; biases and norms have none.
        inertia: AdamW's decay of the mean of squared gradients, beta 2.
        momentum: SGD's.
        clip: Greatest norm of all gradients together; 0: any.
        average: Decay per step of the running average of the weights that is evaluated; 0: none.
        seed: Seed of weights, examples and dropout.
    """

    task: Task = field(default_factory=WindowTask)
    mix: MixSettings = field(default_factory=MixSettings)
    draw: str = "mixes"
    labels: str = "level"
    hold_out: float = 0.0
    segments: int = 16
    frames: int = 48
    steps: int = 4000
    hours: float = 0.0
    seconds: float = 0.0
    optimiser: str = "adamw"
    learning_rate: float = 2e-3
    warm_up: int = 100
    decay: float = 0.4
    decay_per_step: float = 0.0
    weight_decay: float = 1e-3
    inertia: float = 0.999
    momentum: float = 0.9
    clip: float = 5.0
    average: float = 0.995
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for name, known in CHOICES.items():
            word = getattr(self, name)
            if word not in known:
                raise InputError(f"{name} '{word}' is unknown: {suggestion(word, known)}")
        if self.draw == "songs" and self.task.kind != WindowTask.kind:
            raise InputError(f"draw 'songs' is not for kind '{self.task.kind}': take 'mixes'")
        if self.draw == "songs" and self.task.synthesis != "long":
            raise InputError("draw 'songs' has the long synthesis only: take 'mixes'")
        for name in ("segments", "frames", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give at least 1")
        if isinstance(self.task, UNetTask | DualPathTask):
            self.task.check_frames(self.frames)
        for name in NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < inf:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 or more")
        if not 0 < self.learning_rate < inf:
            raise InputError(f"learning_rate is {self.learning_rate}: give more than 0")
        if self.hours and self.seconds:
            raise InputError("hours and seconds are given: a run ends by one of them")
        for name in ("decay", "average", "inertia", "momentum", "hold_out"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 to below 1")

    @property
    def step_seconds(self) -> float:
        """Seconds of music in a step's answers."""
        return self.segments * self.frames * self.task.grid.frame_seconds

    @property
    def last_step(self) -> int | None:
        """The step at which the run ends; None for a run that ends after seconds."""
        if self.hours:  # the quotient may round to the other side of a whole number
            about = ceil(self.hours * 3600 / self.step_seconds)
            return next(n for n in (about - 1, about, about + 1) if self.done(n) >= 1)
        return None if self.seconds else self.steps

    def done(self, step: int, seconds: float = 0.0) -> float:
        """Give the share of the run that is done, 1 or more at its end.

        Args:
            step: Steps taken.
            seconds: Spent on them.
        """
        if self.hours:
            return step * self.step_seconds / 3600 / self.hours
        return seconds / self.seconds if self.seconds else step / self.steps

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """Give the learning rate of a step: up, level or slowly falling, down to zero at the end.

        Args:
            step: Steps taken before it.
            seconds: Spent on them.
        """
        up = min(1.0, (step + 1) / max(1, self.warm_up))
        down = 1.0
        if self.decay:
            down = min(1.0, (1 - self.done(step, seconds)) / self.decay)
        return self.learning_rate * up * max(0.0, down) / (1 + self.decay_per_step * step)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return {"kind": self.task.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "recipe") -> "Recipe":
        """Rebuild from `to_dict`, from JSON, or from the tables of a TOML file.

        Args:
            values: Values by name; what they leave out keeps its default.
            where: Name of the recipe at the beginning of every error.

        Raises:
            InputError: A key is unknown, a type wrong or a value without meaning.
        """
        values = dict(values)
        kind = values.pop("kind", WindowTask.kind)
        if kind not in KINDS:
            raise InputError(
                f"{where}: kind '{kind}' is unknown: {suggestion(str(kind), [*KINDS])}"
            )
        task = values.get("task", {})
        if not isinstance(task, Mapping):
            raise InputError(f"{where}: 'task' is {task!r}: give a table")
        values["task"] = build(KINDS[kind], task, where=f"{where}, task")
        return build(cls, values, where=where)
