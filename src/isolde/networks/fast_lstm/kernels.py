"""The recurrence of an LSTM, forwards and backwards, as one Triton kernel each; it chooses nothing.

A program keeps the four recurrent matrices and the states of some rows (streams) on the chip and
walks through all steps, so that nothing but gates and outputs travels. With a = x W^T + b, computed
for all steps at once before, and elementwise products,

    i, f, o = sigmoid(a + U h[t-1])     g = tanh(a + U h[t-1])
    c[t] = f c[t-1] + i g               h[t] = o tanh(c[t])

and backwards, from the end, with dh what comes from above and from step t + 1:

    do = dh tanh(c) o (1 - o)           dc += dh o (1 - tanh(c)^2)
    di = dc g i (1 - i)    df = dc c[t-1] f (1 - f)    dg = dc i (1 - g^2)
    dh[t-1] = di U_i + df U_f + dg U_g + do U_o        dc[t-1] = dc f

The activated gates overwrite the memory of a, their gradients overwrite both. Layouts: gates
(T, N, D, 4, H), states (T, N, D, H), matrices (D, 4, HP, HP), padded with zeros to a power of two;
D directions, the second one from the end.
"""

import triton
import triton.language as tl


@triton.jit
def _tanh(x: tl.tensor) -> tl.tensor:
    return 2.0 * tl.sigmoid(2.0 * x) - 1.0


@triton.jit(do_not_specialize=["n_rows", "n_steps", "width", "n_directions"])
def forward_steps(
    before: tl.tensor, gates: tl.tensor, matrices: tl.tensor, outputs: tl.tensor,
    cells: tl.tensor, n_rows: tl.tensor, n_steps: tl.tensor, width: tl.tensor,
    n_directions: tl.tensor,
    padded: tl.constexpr, block: tl.constexpr, stages: tl.constexpr,
) -> None:  # fmt: skip
    """Turn gates before activation into outputs, cells and activated gates; `width` is H / 8."""
    direction, row = tl.program_id(1), tl.program_id(0) * block
    h_size = width * 8
    rows, columns = tl.arange(0, block), tl.arange(0, padded)
    inside = (rows < n_rows - row)[:, None] & (columns < h_size)[None, :]
    gate_row, state_row = n_directions * h_size * 4, n_directions * h_size
    gate_place = rows[:, None] * gate_row + columns[None, :]
    state_place = rows[:, None] * state_row + columns[None, :]
    gate_step, state_step = n_rows.to(tl.int64) * gate_row, n_rows.to(tl.int64) * state_row
    gate_first = row.to(tl.int64) * gate_row + direction * h_size * 4
    state_first = row.to(tl.int64) * state_row + direction * h_size
    square = padded * padded
    turned = columns[:, None] + columns[None, :] * padded
    matrix = matrices + direction * 4 * square + turned
    u_i, u_f = tl.load(matrix), tl.load(matrix + square)
    u_g, u_o = tl.load(matrix + 2 * square), tl.load(matrix + 3 * square)
    hidden = tl.zeros((block, padded), dtype=matrices.dtype.element_ty)
    cell = tl.zeros((block, padded), dtype=tl.float32)
    for step in tl.range(0, n_steps, num_stages=stages):
        t = (step + direction * (n_steps - 1 - 2 * step)).to(tl.int64)
        at = gate_first + t * gate_step + gate_place
        a_i = tl.load(before + at, mask=inside, other=0.0).to(tl.float32)
        a_f = tl.load(before + at + h_size, mask=inside, other=0.0).to(tl.float32)
        a_g = tl.load(before + at + 2 * h_size, mask=inside, other=0.0).to(tl.float32)
        a_o = tl.load(before + at + 3 * h_size, mask=inside, other=0.0).to(tl.float32)
        i = tl.sigmoid(tl.dot(hidden, u_i, a_i))
        f = tl.sigmoid(tl.dot(hidden, u_f, a_f))
        g = _tanh(tl.dot(hidden, u_g, a_g))
        o = tl.sigmoid(tl.dot(hidden, u_o, a_o))
        cell = f * cell + i * g
        hidden = (o * _tanh(cell)).to(matrices.dtype.element_ty)
        place = state_first + t * state_step + state_place
        tl.store(outputs + place, hidden, mask=inside)
        tl.store(cells + place, cell.to(cells.dtype.element_ty), mask=inside)
        kind = gates.dtype.element_ty
        tl.store(gates + at, i.to(kind), mask=inside)
        tl.store(gates + at + h_size, f.to(kind), mask=inside)
        tl.store(gates + at + 2 * h_size, g.to(kind), mask=inside)
        tl.store(gates + at + 3 * h_size, o.to(kind), mask=inside)


@triton.jit(do_not_specialize=["n_rows", "n_steps", "width", "n_directions"])
def backward_steps(
    gates: tl.tensor, gradients: tl.tensor, matrices: tl.tensor, outer: tl.tensor,
    cells: tl.tensor, n_rows: tl.tensor, n_steps: tl.tensor, width: tl.tensor,
    n_directions: tl.tensor,
    padded: tl.constexpr, block: tl.constexpr, stages: tl.constexpr,
) -> None:  # fmt: skip
    """Turn gradients of the outputs, `outer`, into those of the gates before activation."""
    direction, row = tl.program_id(1), tl.program_id(0) * block
    h_size = width * 8
    rows, columns = tl.arange(0, block), tl.arange(0, padded)
    inside = (rows < n_rows - row)[:, None] & (columns < h_size)[None, :]
    gate_row, state_row = n_directions * h_size * 4, n_directions * h_size
    gate_place = rows[:, None] * gate_row + columns[None, :]
    state_place = rows[:, None] * state_row + columns[None, :]
    gate_step, state_step = n_rows.to(tl.int64) * gate_row, n_rows.to(tl.int64) * state_row
    gate_first = row.to(tl.int64) * gate_row + direction * h_size * 4
    state_first = row.to(tl.int64) * state_row + direction * h_size
    square = padded * padded
    matrix = matrices + direction * 4 * square + columns[:, None] * padded + columns[None, :]
    u_i, u_f = tl.load(matrix), tl.load(matrix + square)
    u_g, u_o = tl.load(matrix + 2 * square), tl.load(matrix + 3 * square)
    earlier = (2 * direction - 1).to(tl.int64)  # steps to the one before: -1, or 1 from the end
    d_hidden = tl.zeros((block, padded), dtype=tl.float32)
    d_cell = tl.zeros((block, padded), dtype=tl.float32)
    short = matrices.dtype.element_ty
    for step in tl.range(0, n_steps, num_stages=stages):
        t = (n_steps - 1 - step + direction * (2 * step + 1 - n_steps)).to(tl.int64)
        at = gate_first + t * gate_step + gate_place
        place = state_first + t * state_step + state_place
        i = tl.load(gates + at, mask=inside, other=0.0).to(tl.float32)
        f = tl.load(gates + at + h_size, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(gates + at + 2 * h_size, mask=inside, other=0.0).to(tl.float32)
        o = tl.load(gates + at + 3 * h_size, mask=inside, other=0.0).to(tl.float32)
        there = inside & (tl.zeros((block, padded), dtype=tl.int32) + step < n_steps - 1)
        last = tl.load(cells + place + earlier * state_step, mask=there, other=0.0).to(tl.float32)
        d_hidden += tl.load(outer + place, mask=inside, other=0.0).to(tl.float32)
        bent = _tanh(f * last + i * g)
        d_o = (d_hidden * bent * o * (1.0 - o)).to(short)
        d_cell += d_hidden * o * (1.0 - bent * bent)
        d_i = (d_cell * g * i * (1.0 - i)).to(short)
        d_f = (d_cell * last * f * (1.0 - f)).to(short)
        d_g = (d_cell * i * (1.0 - g * g)).to(short)
        d_hidden = tl.dot(d_o, u_o)
        d_hidden = tl.dot(d_i, u_i, d_hidden)
        d_hidden = tl.dot(d_f, u_f, d_hidden)
        d_hidden = tl.dot(d_g, u_g, d_hidden)
        d_cell = d_cell * f
        tl.store(gradients + at, d_i, mask=inside)
        tl.store(gradients + at + h_size, d_f, mask=inside)
        tl.store(gradients + at + 2 * h_size, d_g, mask=inside)
        tl.store(gradients + at + 3 * h_size, d_o, mask=inside)
