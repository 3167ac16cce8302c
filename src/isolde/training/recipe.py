"""What a training run is: one frozen set of numbers, saved beside the weights; it does nothing."""

from dataclasses import asdict, dataclass, field
from typing import Any

from isolde.datasets.remix import Remix
from isolde.errors import InputError
from isolde.features import Features
from isolde.networks.article import MASK, WindowShape


@dataclass(frozen=True)
class Recipe:
    """One training run of a mask network.

    Attributes:
        shape: of the network.
        features: what it is fed with.
        remix: how examples are made.
        target: "power", "magnitude", "phase" or "binary": the ideal mask to learn; or "activity":
            whether the voice sounds (the first output, every frame counts alike) and, where the
            network has more outputs, the power mask beside it, which teaches the trunk 513 things
            a frame instead of one and is cut off for use.
        loss: "bce" or "mse" between the read mask and the target.
        weight_power: an error in a bin counts |X|^p.
        dropout: after the first pool, the second pool, the first dense layer.
        look_ahead: frames after the one that the answer is for; 12 is the middle.
        segments: stretches of frames in a step.
        frames: answers from each stretch.
        steps: in all.
        interior_steps: at the beginning, in the cheaper form without edges (see `sliding.plan`).
        learning_rate: after the warm-up.
        warm_up: steps.
        decay: share of the steps, at the end, over which the rate goes to zero.
        weight_decay: AdamW's.
        average: decay per step of the running average of the weights that is evaluated.
        seed: of weights, examples and dropout.
    """

    shape: WindowShape = MASK
    features: Features = field(default_factory=Features)
    remix: Remix = field(default_factory=Remix)
    target: str = "phase"
    loss: str = "bce"
    weight_power: float = 0.8
    dropout: tuple[float, float, float] = (0.0, 0.0, 0.0)
    look_ahead: int = 12
    segments: int = 16
    frames: int = 48
    steps: int = 4000
    interior_steps: int = 0
    learning_rate: float = 2e-3
    warm_up: int = 100
    decay: float = 0.4
    weight_decay: float = 1e-3
    average: float = 0.995
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.target not in ("power", "magnitude", "phase", "binary", "activity"):
            raise InputError(
                f"target '{self.target}' is unknown: "
                "take power, magnitude, phase, binary or activity"
            )
        outputs = (1, 1 + self.shape.n_bins) if self.target == "activity" else (self.shape.n_bins,)
        if self.shape.outputs not in outputs:
            raise InputError(
                f"target '{self.target}' does not fit a network with {self.shape.outputs} outputs"
            )
        if self.loss not in ("bce", "mse"):
            raise InputError(f"loss '{self.loss}' is unknown: take bce or mse")
        if not 0 <= self.look_ahead < self.shape.n_frames:
            raise InputError(f"look_ahead {self.look_ahead} is not within the window")

    def rate(self, step: int) -> float:
        """Learning rate of a step: up, level, and down to zero over the last part."""
        up = min(1.0, (step + 1) / self.warm_up)
        down = min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))
        return self.learning_rate * up * max(0.0, down)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Rebuild from `to_dict`, also after a trip through JSON."""
        remix: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values["remix"].items()
        }
        return cls(
            **{
                **values,
                "shape": WindowShape.from_dict(values["shape"]),
                "features": Features.from_dict(values["features"]),
                "remix": Remix(**remix),
                "dropout": tuple(values["dropout"]),
            }
        )
