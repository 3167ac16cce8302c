"""A dual-path network as a stateful ONNX graph, by PyTorch's own exporter; it trains nothing.

The exporter traces the network's streaming form. Only its LSTMs are put into the graph as they
stand: traced, they would become loops, or be unrolled.
"""

from typing import Any

import torch
from torch import Tensor, nn

from isolde.networks.dual_path import DualPathNetwork
from isolde.networks.onnx.stream import OPSET, stream_graph

SETTLING = 8
"""Frames of silence to feed before a song's first, until the state has forgotten its zeros."""


class _GraphLSTM(nn.Module):
    """An `nn.LSTM` of one layer as ONNX's operator, whose gates stand in another order."""

    weight: Tensor
    recurrence: Tensor
    bias: Tensor

    def __init__(self, inputs: int, units: int, bidirectional: bool = False) -> None:
        super().__init__()
        self.units, self.ways = units, 1 + bidirectional
        self.register_buffer("weight", torch.zeros(self.ways, 4 * units, inputs))
        self.register_buffer("recurrence", torch.zeros(self.ways, 4 * units, units))
        self.register_buffer("bias", torch.zeros(self.ways, 8 * units))

    def take(self, lstm: nn.LSTM) -> None:
        """Take the weights of an LSTM."""

        def of(name: str) -> Tensor:
            ends = ("", "_reverse")[: self.ways]
            ways = torch.stack([getattr(lstm, f"{name}_l0{end}").detach() for end in ends])
            gates = ways.reshape(self.ways, 4, self.units, *ways.shape[2:])
            ordered: Tensor = gates[:, [0, 3, 1, 2]]  # input, output, forget, cell
            return ordered.flatten(1, 2)

        self.weight.copy_(of("weight_ih"))
        self.recurrence.copy_(of("weight_hh"))
        self.bias.copy_(torch.cat([of("bias_ih"), of("bias_hh")], dim=1))

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(steps, n, inputs) -> (steps, n, ways * units) and the state."""
        steps, n = x.shape[:2]
        final = [self.ways, n, self.units]
        inputs: list[Any] = [x, self.weight, self.recurrence, self.bias]
        if state is not None:
            inputs += [None, *state]
        said, hidden, cell = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            inputs,
            {
                "hidden_size": self.units,
                "direction": "bidirectional" if self.ways == 2 else "forward",
            },
            dtypes=[torch.float32] * 3,
            shapes=[[steps, self.ways, n, self.units], final, final],
            version=OPSET,
        )
        return said.transpose(1, 2).flatten(2), (hidden, cell)


class Streaming(nn.Module):
    """The graph's computation: tensors in and out, in a fixed order."""

    def __init__(self, network: DualPathNetwork, *, presence: bool) -> None:
        """Take the network, and whether its presence is an answer."""
        super().__init__()
        self.network, self.presence = network, presence
        self.names = list(network.state())

    def forward(self, frames: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        """Turn frames and states into masks, presence and the next states."""
        raw, logits, after = self.network.stream(frames, dict(zip(self.names, state, strict=True)))
        masks = self.network.read(raw)
        if self.network.shape.masks > 1:
            masks = masks[:, :, :-1]  # the residual's stays at home
        answers = [masks.flatten(2)]
        if self.presence:
            answers.append(torch.sigmoid(logits).unsqueeze(-1))
        return (*answers, *(after[name] for name in self.names))


def dual_path_graph(network: DualPathNetwork, *, presence: bool = True) -> bytes:
    """Write the ONNX file; feed it `SETTLING` frames of silence before a song.

    Args:
        network: Trained network; not changed.
        presence: Whether it was taught to tell the presence of a voice.

    Returns:
        The serialised model: frames (streams, n, n_bins * 4), n a multiple of the network's stack,
        and states to masks (streams, n, stems * 2 * (n_bins + 1)), presence (streams, n, 1) in
        [0, 1], if there is one, and states.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
    """
    whole = Streaming(_for_graphs(network), presence=presence)
    shape, batch = network.shape, 2
    return stream_graph(
        whole,
        torch.zeros(batch, 3 * shape.stack, shape.n_bins * 4),
        whole.network.state(batch),
        answers=("mask", "presence")[: 1 + presence],
        step=shape.stack,
    )


def _for_graphs(network: DualPathNetwork) -> DualPathNetwork:
    """The same network with the graph's LSTMs."""
    copy = DualPathNetwork(network.shape, lstm=_GraphLSTM)
    copy.load_state_dict(network.state_dict(), strict=False)
    for name, module in copy.named_modules():
        if isinstance(module, _GraphLSTM):
            lstm = network.get_submodule(name)
            assert isinstance(lstm, nn.LSTM)
            module.take(lstm)
    return copy
