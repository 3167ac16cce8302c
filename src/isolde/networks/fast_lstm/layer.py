"""nn.LSTM with fused kernels where a self-test found them right and faster, else as it always was.

The test compares outputs and all gradients with nn.LSTM in float32, for every tiling that it tries,
and times what passed on the real shape against nn.LSTM in bfloat16.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from isolde.networks.fast_lstm.recurrence import SHORT, Tiling, padded_size, run

TOLERANCE = 2e-2
"""Greatest error of an output or a gradient, over its size: bfloat16 has 8 bits."""

WIDEST = 128
"""Units beyond which the matrices do not fit on the chip."""

TILINGS = {
    32: (Tiling(32, 4, 2), Tiling(64, 4, 2), Tiling(16, 4, 2)),
    64: (Tiling(32, 4, 2), Tiling(64, 8, 2), Tiling(16, 4, 2)),
    128: (Tiling(32, 8, 3), Tiling(16, 8, 3), Tiling(32, 16, 3), Tiling(32, 8, 2)),
}
"""What is tried, by the padded number of units."""

Choice = tuple[Tiling, Tiling]
"""Of the forward and of the backward kernel."""

_CHOICES: dict[object, Choice | None] = {}
_LOCK = threading.Lock()


class FastLSTM(nn.LSTM):
    """nn.LSTM of one layer that starts from a zero state; its last state is not given."""

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:  # type: ignore[override]
        """Turn (T, N, inputs) into (T, N, directions x units)."""
        fits = hx is None and x.is_cuda and x.dim() == 3 and fusible(self)
        if not (fits and torch.is_autocast_enabled("cuda") and torch.is_grad_enabled()):
            return super().forward(x, hx)
        choice = choice_for(self, x)
        if choice is None:
            return super().forward(x, hx)
        return run(x, choice, _weights(self)), None


def fusible(layer: nn.LSTM) -> bool:
    """Tell whether the kernels can compute a layer at all."""
    plain = layer.num_layers == 1 and layer.bias and not (layer.batch_first or layer.proj_size)
    return plain and layer.hidden_size % 8 == 0 and layer.hidden_size <= WIDEST


def _weights(layer: nn.LSTM) -> list[Tensor]:
    """Four for each direction: inward, recurrent, and both biases."""
    return [w for w in layer._flat_weights if w is not None]


def use_fast_lstm(network: nn.Module) -> int:
    """Let the LSTMs of a network use the kernels where these are right and faster.

    Returns:
        Number of those that may; 0 where there is no Triton. Weights and their names stay as
        they are.
    """
    if find_spec("triton") is None:
        return 0
    layers = [m for m in network.modules() if type(m) is nn.LSTM and fusible(m)]
    for layer in layers:
        layer.__class__ = FastLSTM
    return len(layers)


def choice_for(layer: nn.LSTM, x: Tensor) -> Choice | None:
    """Find the fastest tilings that are right for a layer on inputs of this shape; None: nn.LSTM.

    Found once for each device and shape.
    """
    key = (x.device, *x.shape, layer.hidden_size, layer.bidirectional)
    with _LOCK:
        if key not in _CHOICES:
            try:
                _CHOICES[key] = _choose(layer, x)
            except Exception:  # a compiler that fails must not end a training
                _CHOICES[key] = None
        return _CHOICES[key]


def errors_of(layer: nn.LSTM, choice: Choice, device: torch.device) -> dict[str, float]:
    """Measure how far outputs and gradients lie from nn.LSTM's in float32, over their sizes.

    Args:
        layer: Of the kind to test; its weights are not used.
        choice: Tilings to test.
        device: Where the kernels run.
    """
    with torch.random.fork_rng(devices=[]), torch.autocast(device.type, enabled=False):
        torch.manual_seed(0)
        plain = nn.LSTM(layer.input_size, layer.hidden_size, bidirectional=layer.bidirectional)
        x = torch.randn(11, 37, layer.input_size)
        outer = torch.randn(11, 37, layer.hidden_size * (1 + layer.bidirectional))
        wanted = _passed(lambda y: plain(y)[0], x, outer, plain)
        weights = [w.detach().to(device).requires_grad_() for w in _weights(plain)]
        moved = x.to(device).requires_grad_()
        made = run(moved, choice, weights)
        made.backward(outer.to(device, SHORT))  # type: ignore[no-untyped-call]
    names = [name for name, _ in plain.named_parameters()]
    found = {"outputs": made, "inputs": moved.grad}
    found |= {name: w.grad for name, w in zip(names, weights, strict=True)}
    return {name: _apart(found[name], wanted[name]) for name in wanted}


def _passed(
    forward: Callable[[Tensor], Tensor], x: Tensor, outer: Tensor, module: nn.Module
) -> dict[str, Tensor]:
    """Outputs and gradients by name."""
    x = x.clone().requires_grad_()
    outputs = forward(x)
    outputs.backward(outer)  # type: ignore[no-untyped-call]
    assert x.grad is not None
    grads = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {"outputs": outputs.detach(), "inputs": x.grad, **grads}


def _apart(found: Tensor | None, wanted: Tensor) -> float:
    if found is None or not bool(torch.isfinite(found).all()):
        return float("inf")
    return float((found.detach().cpu().float() - wanted).norm() / wanted.norm())


def _choose(layer: nn.LSTM, x: Tensor) -> Choice | None:
    """Try, time, choose."""
    real = x.detach().to(SHORT)

    def seconds(forward: Callable[[Tensor], Tensor]) -> float:
        times = []
        for _ in range(4):
            inputs = real.clone().requires_grad_()
            torch.cuda.synchronize(x.device)
            began = time.perf_counter()
            with torch.enable_grad(), torch.autocast("cuda", SHORT):
                outputs = forward(inputs)
            outputs.backward(torch.ones_like(outputs))  # type: ignore[no-untyped-call]
            torch.cuda.synchronize(x.device)
            times.append(time.perf_counter() - began)
        return min(times)

    plain = nn.LSTM(layer.input_size, layer.hidden_size, bidirectional=layer.bidirectional)
    plain.to(x.device)
    weights = _weights(plain)
    best, fastest = None, seconds(lambda y: plain(y)[0])
    tilings = TILINGS[padded_size(layer.hidden_size)]
    for there in tilings:
        for back in tilings if there is tilings[0] else ((best or (there, there))[1],):
            choice = (there, back)
            if max(errors_of(layer, choice, x.device).values()) > TOLERANCE:
                continue
            took = seconds(partial(run, choice=choice, weights=weights))
            if took < fastest:
                best, fastest = choice, took
    return best
