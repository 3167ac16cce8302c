"""A trained band network back from its graph, to learn more with; it trains nothing.

The graph holds the weights in the order in which `bands_graph` writes them; this takes them in the
same order. The features' means and deviations are part of the first layer's weights there.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from isolde.core.errors import ModelError
from isolde.networks.bands import SIGNALS, WIDTHS, BandLinear, BandNetwork, BandShape, Block
from isolde.networks.onnx.packing import unpacked


def band_network_of(path: Path, shape: BandShape) -> BandNetwork:
    """Read the band network whose stateful graph is in a file.

    Args:
        path: Path of the ONNX file that `bands.band_graph` wrote.
        shape: Shape of the network.

    Raises:
        MissingExtraError: onnx is not installed.
        ModelError: The file holds no such network.
    """
    network = BandNetwork(shape).eval()
    try:
        _, values = unpacked(path)
        floats = (torch.tensor(v) for v in values.values() if v.dtype.kind == "f")
        with torch.no_grad():
            _fill(network, floats)
        if next(floats, None) is not None:
            raise ValueError("weights are left")
    except (RuntimeError, ValueError, StopIteration) as error:
        raise ModelError(
            f"{path}: this graph is no band network of this shape ({type(error).__name__}): "
            "take the model that the recipe's shape belongs to"
        ) from None
    return network


def _fill(network: BandNetwork, floats: Iterator[Tensor]) -> None:
    """Every weight, in the writer's order."""

    def banded(layer: BandLinear) -> None:
        layer.weight.copy_(next(floats))
        layer.bias.copy_(next(floats)[:, 0])

    def dense(layer: nn.Linear) -> None:
        layer.weight.copy_(next(floats).T)
        layer.bias.copy_(next(floats))

    layer: nn.Module
    for layer, (width, count) in zip(network.inward, WIDTHS, strict=True):
        assert isinstance(layer, BandLinear)
        if layer.weight.shape != (count, width * SIGNALS, network.shape.features):
            raise ValueError("another width")
        banded(layer)
    for block in network.blocks:
        assert isinstance(block, Block)
        for name in ("weight_ih_l0", "weight_hh_l0"):
            getattr(block.memory, name).copy_(_gates(next(floats)[0]))
        both = next(floats)[0].chunk(2)
        for name, bias in zip(("bias_ih_l0", "bias_hh_l0"), both, strict=True):
            getattr(block.memory, name).copy_(_gates(bias))
        for layer in (block.gather, block.mix, block.unmix, block.spread):
            dense(layer)
    banded(network.hidden)
    sides = 2 * network.shape.masks
    for layer, (width, _) in zip(network.outward, WIDTHS, strict=True):
        assert isinstance(layer, BandLinear)
        weight, bias = next(floats), next(floats)[:, 0]
        for own, value in ((layer.weight, weight), (layer.bias, bias)):
            apart = value.reshape(*value.shape[:-1], sides, width)
            own.copy_(apart.transpose(-1, -2).flatten(-2))


def _gates(values: Tensor) -> Tensor:
    """ONNX's order of gates, z, r, new, to PyTorch's."""
    z, r, new = values.chunk(3)
    return torch.cat([r, z, new])
