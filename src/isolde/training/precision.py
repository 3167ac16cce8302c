"""Choose the device and the precision of a run: float32, or bfloat16 where it is faster.

PyTorch computes in bfloat16 on every processor, ten times slower than in float32 where that has no
instructions for it. So both are timed.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from isolde.core.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16")

LOSS_SCALE = 4096.0
"""Factor of the loss in 16-bit runs, a power of two, so that gradients divided by it are exact:
kernels that keep their states in float16 have no room for small ones."""

GAIN = 1.1
"""How many times faster bfloat16 must be to be chosen."""

FRAMES, STREAMS, FEATURES = 48, 64, 96
ROUNDS = 3


def check_device(name: str) -> None:
    """Refuse a device on which PyTorch cannot compute.

    Args:
        name: "cpu" or "cuda", or another name that PyTorch gives a device.

    Raises:
        InputError: There is no device of the name, or none on this machine.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device '{name}' is unknown: take cpu or cuda") from None
    try:
        if device.type == "cuda":  # asked for without taking memory there, as every process would
            whole = str(device) == name  # of a number beyond 127 PyTorch keeps eight bits
            there = whole and 0 <= (device.index or 0) < torch.cuda.device_count()
        else:
            there = torch.zeros(1, device=device).tolist() == [0.0]
    except (RuntimeError, AssertionError, ImportError):  # a PyTorch without it; NotImplementedError
        there = False
    if not there:
        raise InputError(f"device '{name}': PyTorch sees no such device: take cpu")


def check_precision(wish: str) -> None:
    """Refuse a precision that is not among `PRECISIONS`.

    Raises:
        InputError: It is not.
    """
    if wish not in PRECISIONS:
        raise InputError(f"precision '{wish}' is unknown: take {', '.join(PRECISIONS)}")


def precision_for(device: torch.device, wish: str = "auto") -> str:
    """Choose the precision of a run.

    Args:
        device: Where it trains.
        wish: "float32" or "bfloat16", which is taken as it is, or "auto", the faster one.

    Raises:
        InputError: When the wish is unknown.
    """
    check_precision(wish)
    if wish != "auto":
        return wish
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    plain, short = (_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return "bfloat16" if short * GAIN < plain else "float32"


def in_precision(forward: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    """Wrap a forward pass to run in bfloat16; weights and outputs may stay in float32."""
    wrapped: Callable[..., Tensor] = torch.autocast(device.type, torch.bfloat16)(forward)
    return wrapped


def _seconds(dtype: torch.dtype) -> float:
    """Time a step of a small recurrent network on the CPU; infinity if it cannot be computed.

    The random state stays as it is.
    """
    with torch.random.fork_rng(devices=[]):
        network = nn.LSTM(FEATURES, FEATURES)
        frames = torch.randn(FRAMES, STREAMS, FEATURES)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                network(frames)[0].float().square().mean().backward()
        except RuntimeError:  # "could not create a primitive"
            return float("inf")
        times.append(time.perf_counter() - began)
    return min(times)
