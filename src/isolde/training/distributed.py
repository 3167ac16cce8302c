"""Processes that train one network together, started by torchrun; a single one is a team too.

Each takes its part of a step's examples, and gradients are averaged. Only the first process, the
lead, writes files and prints.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn

from isolde.core.errors import InputError
from isolde.training.precision import check_device

PATIENCE = timedelta(days=2)
"""Time for which processes wait for the lead, which decodes and measures while they wait."""


@dataclass(frozen=True)
class Team:
    """The number of this process and of all processes.

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
        """Whether this process writes files and prints."""
        return self.rank == 0

    def part(self, n: int) -> range:
        """Give the range of n examples that this process takes.

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
        """Wrap a module so that backward passes average its gradients over the team."""
        if self.size == 1:
            return module
        device = next(module.parameters()).device
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def mean(self, *values: float, device: torch.device | str = "cpu") -> tuple[float, ...]:
        """Compute the mean of each value over the team; all processes must call it."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(sums)
        return tuple((sums / self.size).tolist())

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started, by nccl on CUDA and gloo otherwise.

    Args:
        device: "cpu" or "cuda".

    Raises:
        InputError: There are more processes than CUDA devices.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        check_device(f"cuda:{local}")
        torch.cuda.set_device(local)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size(), local)
    finally:
        distributed.destroy_process_group()
