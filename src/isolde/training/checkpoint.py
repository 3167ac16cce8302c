"""The state of a training run as one safetensors file, read and written to the bit; no pickle."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from isolde.core.atomic import write_bytes
from isolde.core.errors import InputError
from isolde.networks.weights import read_tensors

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to resume.

    Attributes:
        network: Parameters and constants, by name.
        average: Running average of the parameters.
        optimiser: For each parameter, by number, its slots.
        step: Number of steps taken.
        best: Highest validation score so far; -inf: none.
        seconds: Seconds spent on the steps.
        precision: Precision that it was trained in, "float32" or "bfloat16".
    """

    network: Tensors
    average: Tensors
    optimiser: dict[int, Tensors] = field(default_factory=dict)
    step: int = 0
    best: float = float("-inf")
    seconds: float = 0.0
    precision: str = "float32"

    @property
    def averaged(self) -> Tensors:
        """State of the network with averaged parameters, for evaluation and export."""
        return {**self.network, **self.average}

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        tensors = {f"network.{k}": v for k, v in self.network.items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, slots in self.optimiser.items():
            tensors |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in slots.items()}
        tensors["step"] = torch.tensor(self.step)
        tensors["best"] = torch.tensor(self.best, dtype=torch.float64)
        tensors["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        write_bytes(path, save(plain, metadata={"precision": self.precision}))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint.

        Raises:
            InputError: The file is no checkpoint.
        """
        try:
            tensors, facts = read_tensors(path)
            step, best, seconds = (tensors[k].item() for k in ("step", "best", "seconds"))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read as a checkpoint ({error})") from None

        def part(name: str) -> Tensors:
            prefix = f"{name}."
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        slots: dict[int, Tensors] = {}
        for key, value in part("optimiser").items():
            i, slot = key.split(".", 1)
            slots.setdefault(int(i), {})[slot] = value
        return cls(
            network=part("network"),
            average=part("average"),
            optimiser=slots,
            step=int(step),
            best=float(best),
            seconds=float(seconds),
            precision=facts.get("precision", "float32"),
        )
