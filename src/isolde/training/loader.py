"""Batches made ahead of the steps that want them, in processes of their own; it trains nothing.

A batch depends on its step's number alone, so the weights are the same to the bit with any number
of workers, and a run may go on with another number.
"""

import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

AHEAD = 3
"""Batches that each worker has made, or is making, before they are asked for."""


class _Steps(Dataset[Any]):
    """The batch of each step."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __getitem__(self, step: int) -> Any:
        return self._make(step)


def batches(make: Callable[[int], Any], steps: range, *, workers: int) -> Iterator[Any]:
    """The batches of some steps, in order.

    Args:
        make: a step's batch, a dataclass of tensors; must depend on nothing but the number.
        steps: which.
        workers: processes that make them; 0: this one, when they are asked for. On Linux they
            share the songs' memory, elsewhere each holds a copy.
    """
    if not workers or not steps:
        return map(make, steps)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # the user said how many
        return iter(_loader(make, steps, workers))


def _loader(make: Callable[[int], Any], steps: range, workers: int) -> DataLoader[Any]:
    """PyTorch's own way to make things ahead, in order."""
    return DataLoader(
        _Steps(make),
        sampler=steps,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=AHEAD,
        worker_init_fn=partial(_settle, flushes=_flushes()),
        multiprocessing_context="fork" if sys.platform == "linux" else "spawn",
        generator=torch.Generator(),  # PyTorch draws from it for the workers, who draw nothing
    )


def _flushes() -> bool:
    """Whether this thread takes the smallest of numbers for 0."""
    return bool((torch.tensor(1e-40) * 1).item() == 0)


def _settle(_: int, *, flushes: bool) -> None:
    """Make a worker compute as its parent does, and leave Ctrl-C to that."""
    torch.set_flush_denormal(flushes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
