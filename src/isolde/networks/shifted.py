"""Sums and maxima of time-shifted maps, whose gradients share buffers; it knows no plan."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Spec = Sequence[tuple[int, Sequence[tuple[int, int, int]]]]
"""For each output its length, and its terms: number of the source, block of channels, start."""


def _zeros(shape: torch.Size, like: Tensor) -> Tensor:
    """Zeros (n, channels, frames, bins) that lie in memory with the channels last."""
    n, channels, frames, bins = shape
    return like.new_zeros((n, frames, bins, channels)).permute(0, 3, 1, 2)


class FrequencyConvolution(torch.autograd.Function):
    """A (1, 3) convolution over frequency whose weight gradient is one matrix product per tap.

    With channels last, the library's own weight gradient takes up to four times as long.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        """Compute the outputs."""
        ctx.save_for_backward(maps, weight)
        return functional.conv2d(maps, weight, padding=(0, 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        """Compute the gradients of the inputs."""
        maps, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        below = None
        if ctx.needs_input_grad[0]:
            below = functional.conv2d(grad, weight.flip(3).transpose(0, 1), padding=(0, 1))
        rows = grad.permute(0, 2, 3, 1).flatten(0, 1)  # (n * frames, bins, out)
        columns = functional.pad(maps.permute(0, 2, 3, 1).flatten(0, 1), (0, 0, 1, 1))
        bins = rows.shape[1]
        taps = [
            torch.bmm(rows.transpose(1, 2), columns[:, k : k + bins]).sum(0)
            for k in range(weight.shape[3])
        ]
        return below, torch.stack(taps, dim=2).unsqueeze(2)


class ShiftedSums(torch.autograd.Function):
    """Sums of time-shifted channel blocks; one buffer per product takes all its gradients.

    `products[i]` is (n, blocks * channels, frames, bins). Output j is bias plus the sum over its
    terms (i, block, start) of that block's frames start : start + length.
    """

    @staticmethod
    def forward(ctx: Any, spec: Spec, bias: Tensor, *products: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        c = bias.shape[0]
        outputs = []
        for length, terms in spec:
            parts = [products[i][:, b * c : (b + 1) * c, s : s + length] for i, b, s in terms]
            total = parts[0] + bias[:, None, None]
            for part in parts[1:]:
                total += part
            outputs.append(total)
        ctx.spec, ctx.shapes = spec, [p.shape for p in products]
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the inputs."""
        c = grads[0].shape[1]
        buffers = [_zeros(shape, grads[0]) for shape in ctx.shapes]
        bias = grads[0].new_zeros(c)
        for grad, (length, terms) in zip(grads, ctx.spec, strict=True):
            bias += grad.sum((0, 2, 3))
            for i, b, s in terms:
                buffers[i][:, b * c : (b + 1) * c, s : s + length] += grad
        return (None, bias, *buffers)


class TimeMax(torch.autograd.Function):
    """The greatest of three time-shifted maps, for each (length, three (map, start)) of `spec`.

    As in max-pooling, the first of equals takes the gradient.
    """

    @staticmethod
    def forward(ctx: Any, spec: Spec, *maps: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        outputs, choices = [], []
        for length, terms in spec:
            a, b, c = (maps[i][:, :, s : s + length] for i, _, s in terms)
            best = torch.maximum(a, b)
            choices += [a >= b, best >= c]
            outputs.append(torch.maximum(best, c))
        ctx.spec, ctx.shapes = spec, [m.shape for m in maps]
        ctx.save_for_backward(*choices)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of the inputs."""
        buffers = [_zeros(shape, grads[0]) for shape in ctx.shapes]
        choices = ctx.saved_tensors
        for j, (grad, (length, terms)) in enumerate(zip(grads, ctx.spec, strict=True)):
            first, early = choices[2 * j], choices[2 * j + 1]
            kept = grad * early
            one = kept * first
            shares = (one, kept - one, grad - kept)
            for share, (i, _, s) in zip(shares, terms, strict=True):
                buffers[i][:, :, s : s + length] += share
        return (None, *buffers)
