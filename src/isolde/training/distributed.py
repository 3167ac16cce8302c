"""Several processes that train one network together, started by torchrun; one alone is a team too.

Each takes its part of a step's examples, gradients are averaged, and only the first one, the lead,
writes and speaks.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from isolde.core.errors import InputError


@dataclass(frozen=True)
class Team:
    """Which of how many processes this is.

    Attributes:
        rank: Number of this process, from 0, the lead.
        size: Number of processes.
        local: Number of it on this machine, that of its CUDA device.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def part(self, n: int) -> range:
        """Choose which of n examples are this process's.

        Raises:
            InputError: They cannot be dealt evenly.
        """
        if n % self.size:
            raise InputError(
                f"{n} segments cannot be dealt to {self.size} processes: give a multiple of it"
            )
        share = n // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    def share_gradients(self, module: nn.Module) -> nn.Module:
        """Let the gradients of a module be averaged over the team in every backward pass."""
        if self.size == 1:
            return module
        device = next(module.parameters()).device
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def mean(self, *values: float, device: torch.device | str = "cpu") -> tuple[float, ...]:
        """Take the mean of each value over the team; everybody must ask."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(sums)
        return tuple((sums / self.size).tolist())

    def wait(self) -> None:
        """Go on when everybody is here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started, by nccl on CUDA and gloo otherwise.

    Args:
        device: "cpu" or "cuda".
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), local)
    finally:
        distributed.destroy_process_group()
