"""Read U-Nets from their graph, to train further; it trains nothing.

The graph holds the nodes in the order in which `unet_graph` writes them, network by network.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from isolde.core.errors import ModelError
from isolde.networks.onnx.packing import read_graph
from isolde.networks.unet import UNet, UNetPair, UNetShape, UNetShared, unet_masker

LAYERS = ("Conv", "ConvTranspose", "BatchNormalization", "MatMul")
"""Nodes that hold weights."""

NAMES: dict[type[nn.Module], tuple[str, ...]] = {
    nn.BatchNorm2d: ("weight", "bias", "running_mean", "running_var"),
    nn.Conv2d: ("weight", "bias"),
    nn.ConvTranspose2d: ("weight", "bias"),
    nn.Linear: ("weight",),
}
"""What a node holds of a layer, in its order."""

Parts = Iterator[list[NDArray[Any]]]


def read_unets(path: Path, shape: UNetShape) -> UNetPair | UNetShared:
    """Read the U-Nets whose graph is in a file, as exactly as it stores them.

    Args:
        path: Path of the ONNX file that `unet_graph` wrote.
        shape: Shape of the networks.

    Raises:
        MissingExtraError: The package onnx is not installed.
        ModelError: The file holds no such networks.
    """
    nodes, values = read_graph(path)
    parts = []
    for node in nodes:
        held = [values[name] for name in node.input if name in values]
        if node.op_type == "Cast" and held:
            values[node.output[0]] = held[0].astype(np.float32)
        elif node.op_type == "Mul" and len(held) == 2:
            values[node.output[0]] = held[0] * held[1]
        elif node.op_type in LAYERS:
            parts.append(held)
    masker, given = unet_masker(shape), iter(parts)
    masker.eval()
    if isinstance(masker, UNetShared):
        networks = [masker.net]
    else:
        networks = [masker.vocals, masker.accompaniment]
    try:
        with torch.no_grad():
            for network in networks:
                _fill(network, given)
        if next(given, None) is not None:
            raise ValueError("weights are left")
    except (RuntimeError, ValueError, StopIteration) as error:
        raise ModelError(
            f"{path}: this graph has no U-Nets of this shape ({type(error).__name__}): "
            "take a model of this kind"
        ) from None
    return masker


def _fill(network: UNet, parts: Parts) -> None:
    """Every weight, in the writer's order."""
    layers: list[nn.Module] = []
    for way in ((network.down, network.down_blocks), (network.up, network.up_blocks)):
        for module, block in zip(*way, strict=True):
            layers += [*module.children(), *block.children()]
    for layer in [*layers, network.last]:
        for name, stored in zip(NAMES[type(layer)], next(parts), strict=True):
            own = getattr(layer, name)
            value = stored.T if isinstance(layer, nn.Linear) else stored
            if own.shape != value.shape:
                raise ValueError(f"{name} of another shape")
            own.copy_(torch.tensor(value))
