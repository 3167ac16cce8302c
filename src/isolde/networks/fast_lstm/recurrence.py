"""An LSTM layer's forward and backward pass around the kernels, for autograd; it tests nothing.

Products with the inputs are made for all steps at once; gates and cells are kept in bfloat16's
memory as float16, which has three more bits where they need them, sums and states in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SHORT = torch.bfloat16


@dataclass(frozen=True)
class Tiling:
    """How a kernel is spread over a GPU.

    Attributes:
        rows: Streams of one program.
        warps: Of one program.
        stages: Steps that are loaded ahead.
    """

    rows: int
    warps: int
    stages: int


def padded_size(size: int) -> int:
    """Give the size of a matrix on the chip, a power of two."""
    return max(32, 1 << (size - 1).bit_length())


class Recurrence(torch.autograd.Function):
    """(T, N, inputs) to (T, N, directions x H), from a zero state."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Tiling, back: Tiling, *weights: Tensor) -> Tensor:
        """Run all steps.

        Args:
            ctx: Of autograd.
            x: (T, N, inputs).
            there: Of the forward kernel.
            back: Of the backward kernel.
            weights: As nn.LSTM has them, four for each direction.
        """
        from isolde.networks.fast_lstm.kernels import forward_steps

        steps, rows, _ = x.shape
        directions, size = len(weights) // 4, weights[1].shape[1]
        with torch.autocast(x.device.type, enabled=False):
            short = x.detach().to(SHORT).contiguous()
            inward = torch.cat([w.detach() for w in weights[::4]]).to(SHORT)
            bias = [
                a.detach() + b.detach() for a, b in zip(weights[2::4], weights[3::4], strict=True)
            ]
            before = torch.addmm(torch.cat(bias).to(SHORT), short.flatten(0, 1), inward.t())
            matrices = _matrices(weights[1::4])
            outputs = x.new_empty(steps, rows, directions * size, dtype=SHORT)
            cells = torch.empty_like(outputs, dtype=torch.float16)
            gates = before.view(torch.float16)
            grid = (-(-rows // there.rows), directions)
            forward_steps[grid](
                before, gates, matrices, outputs, cells, rows, steps, size // 8, directions,
                padded=matrices.shape[-1], block=there.rows, stages=there.stages,
                num_warps=there.warps,
            )  # fmt: skip
        ctx.save_for_backward(short, outputs, gates, cells, inward, matrices)
        ctx.back, ctx.size, ctx.kinds = back, size, [x.dtype, *(w.dtype for w in weights)]
        ctx.used = False
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        """Run them back; once, for the gradients overwrite the gates.

        Raises:
            RuntimeError: When it was run before.
        """
        from isolde.networks.fast_lstm.kernels import backward_steps

        if ctx.used:
            raise RuntimeError("a second backward pass: the first one has used up the gates")
        ctx.used = True
        x, outputs, gates, cells, inward, matrices = ctx.saved_tensors
        (steps, rows, _), size, back = x.shape, ctx.size, ctx.back
        directions = outputs.shape[2] // size
        with torch.autocast(x.device.type, enabled=False):
            made = gates.view(SHORT)
            backward_steps[(-(-rows // back.rows), directions)](
                gates, made, matrices, outer.to(SHORT).contiguous(), cells, rows, steps, size // 8,
                directions, padded=matrices.shape[-1], block=back.rows, stages=back.stages,
                num_warps=back.warps,
            )  # fmt: skip
            made = made.view(steps, rows, directions * 4 * size)
            d_x = (made.flatten(0, 1) @ inward).view_as(x).to(ctx.kinds[0])
            d_inward, d_bias = _outer_sum(made, x), made.sum((0, 1), dtype=torch.float32)
            given: list[Tensor] = []
            for d in range(directions):
                own = slice(d * 4 * size, (d + 1) * 4 * size)
                hidden = outputs[..., d * size : (d + 1) * size]
                pair = (made[:-1], hidden[1:]) if d else (made[1:], hidden[:-1])
                d_matrix = _outer_sum(pair[0][..., own], pair[1])
                given += [d_inward[own], d_matrix, d_bias[own], d_bias[own].clone()]
        grads = (g.to(kind) for g, kind in zip(given, ctx.kinds[1:], strict=True))
        return (d_x, None, None, *grads)


def run(x: Tensor, choice: tuple[Tiling, Tiling], weights: Sequence[Tensor]) -> Tensor:
    """Give outputs (T, N, directions x H) for inputs (T, N, inputs), from a zero state.

    Args:
        x: On a GPU.
        choice: Tilings of the forward and of the backward kernel.
        weights: As nn.LSTM has them, four for each direction.
    """
    made: Tensor = Recurrence.apply(x, *choice, *weights)  # type: ignore[no-untyped-call]
    return made


def _matrices(weights: tuple[Tensor, ...]) -> Tensor:
    """Recurrent weights (4 H, H) of each direction as (D, 4, HP, HP), padded with zeros."""
    size = weights[0].shape[1]
    made = weights[0].new_zeros(len(weights), 4, padded_size(size), padded_size(size), dtype=SHORT)
    for d, weight in enumerate(weights):
        made[d, :, :size, :size] = weight.detach().view(4, size, size)
    return made


def _outer_sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum over steps and rows of a^T b, (M, K) float32, from (T, N, M) and (T, N, K).

    Step by step first: no sum in 16 bits grows long.
    """
    return torch.bmm(a.transpose(1, 2), b).sum(0, dtype=torch.float32)
