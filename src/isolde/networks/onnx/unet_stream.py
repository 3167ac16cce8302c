"""A U-Net that answers at the newest frame as a stateful ONNX graph; it trains nothing."""

import torch
from torch import Tensor, nn

from isolde.networks.onnx.packing import with_int8
from isolde.networks.onnx.stream import stream_graph
from isolde.networks.onnx.unet import INT8_FROM
from isolde.networks.unet import N_CHANNELS, shares_of
from isolde.networks.unet_stream import UNetStream


class Streaming(nn.Module):
    """The graph's computation: tensors in and out, in a fixed order."""

    def __init__(self, network: UNetStream) -> None:
        """Take the network."""
        super().__init__()
        self.network = network
        self.names = list(network.state())

    def forward(self, frames: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        """Turn frames and states into masks and the next states."""
        magnitudes = frames.reshape(*frames.shape[:2], N_CHANNELS, -1)
        logits, after = self.network.stream(magnitudes, dict(zip(self.names, state, strict=True)))
        masks = shares_of(logits, axis=2)
        if self.network.shape.masks > 1:
            masks = masks[:, :, :-1]  # the residual's stays at home
        masks = torch.cat([masks, masks[..., -1:]], -1)  # the bin at half the sample rate
        return (masks.flatten(2), *(after[name] for name in self.names))


def unet_stream_graph(network: UNetStream) -> bytes:
    """Write the ONNX file.

    Args:
        network: Trained network; not changed.

    Returns:
        The serialised model, large kernels in int8: frames (streams, n, 2 * n_bins), left's
        magnitudes before right's, and states to masks (streams, n, stems * 2 * (n_bins + 1)) and
        states.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
    """
    frames = torch.zeros(2, 3, N_CHANNELS * network.shape.n_bins)
    whole = Streaming(network)
    graph = stream_graph(whole, frames, network.state(2), answers=["mask"])
    large = [name for name, w in whole.named_parameters() if w.ndim == 4 and w.numel() >= INT8_FROM]
    return with_int8(graph, {name: 1 if ".down." in name else 0 for name in large})
