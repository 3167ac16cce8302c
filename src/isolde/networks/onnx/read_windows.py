"""Read a window network from its graph, and compute its feature maps; it trains nothing.

The graph holds the weights in the order in which `windows.stateful_graph` walks the plan of
`sliding`; this walks it again.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from isolde.core.errors import ModelError
from isolde.core.stage import Float32
from isolde.networks.article import POOL, SLOPE, WindowNetwork, WindowShape
from isolde.networks.onnx.packing import unpacked
from isolde.networks.sliding import plan


def network_of(path: Path) -> WindowNetwork:
    """Read the window network whose stateful graph is in a file.

    Args:
        path: Path of the ONNX file that `windows.stateful_graph` wrote.

    Raises:
        MissingExtraError: onnx is not installed.
        ModelError: The file holds no such network.
    """
    try:
        nodes, values = unpacked(path)
        return _rebuilt(nodes, {name: torch.tensor(v) for name, v in values.items()})
    except (KeyError, IndexError, StopIteration, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path}: this graph is no window network of the article ({type(error).__name__}): "
            "take a model with 25-frame windows"
        ) from None


def _rebuilt(nodes: list[Any], values: dict[str, Tensor]) -> WindowNetwork:
    """Walk the plan as the export does, taking each kernel from a map that all its taps meet."""
    mean = values[next(n for n in nodes if n.op_type == "Sub").input[1]]
    scale = values[next(n for n in nodes if n.op_type == "Mul").input[1]]
    kernels = iter([n for n in nodes if n.op_type == "Conv"])
    steps = plan(25)
    found: list[tuple[Tensor, Tensor]] = []
    for below, level in zip(steps.levels, steps.levels[1:], strict=False):
        if level.kind != "convolution":
            continue
        if not found:  # the first layer has whole kernels, one for each map
            for terms in level.maps:
                node = next(kernels)
                if len(terms) == 3:
                    order = sorted(range(3), key=lambda i: terms[i].tap)
                    layer = (
                        values[node.input[1]][:, :, order].transpose(2, 3),
                        values[node.input[2]],
                    )
            found.append(layer)
            continue
        for taps in below.used:
            node = next(kernels)
            stacked, bias = values[node.input[1]], values[node.input[2]]
            if len(taps) == 3:
                n, inputs = stacked.shape[0] // 3, stacked.shape[1]
                weight = stacked.reshape(3, n, inputs, 3).permute(1, 2, 3, 0)
                layer = weight, bias.reshape(3, n)[taps.index(0)]
        found.append(layer)
    columns = [next(kernels) for _ in steps.columns]
    parts = [values[node.input[1]][:, :, 0].transpose(1, 2) for node in columns]  # (hidden, bin, c)
    hidden = torch.stack(parts, dim=2).flatten(1)
    hidden_bias = values[columns[0].input[2]]
    last = next(n for n in nodes if n.op_type == "MatMul")
    output = values[last.input[1]].T
    output_bias = values[next(n for n in nodes if n.op_type == "Add").input[1]]
    sizes = [weight.shape[0] for weight, _ in found]
    shape = WindowShape(
        channels=(sizes[0], sizes[1], sizes[2], sizes[3]),
        hidden=hidden.shape[0],
        outputs=output.shape[0],
        n_bins=mean.shape[0],
    )
    network = WindowNetwork(shape).eval()
    with torch.no_grad():
        network.mean.copy_(mean)
        network.std.copy_(1 / scale)
        for layer_of, (weight, bias) in zip(network.convolutions, found, strict=True):
            layer_of.weight.copy_(weight)  # type: ignore[operator]
            layer_of.bias.copy_(bias)  # type: ignore[operator]
        network.hidden.weight.copy_(hidden)
        network.hidden.bias.copy_(hidden_bias)
        network.output.weight.copy_(output)
        network.output.bias.copy_(output_bias)
    return network


def feature_maps(network: WindowNetwork, window: Float32, *, layer: int = 4) -> Float32:
    """Compute the maps of a convolution for one window, after its LeakyReLU.

    Args:
        network: Network in any mode; no dropout is applied.
        window: Features (n_frames, n_bins).
        layer: 1 to 4.

    Returns:
        (channels, bins, frames): 513 x 25 for layers 1 and 2, 171 x 8 for 3 and 4.

    Raises:
        ModelError: There is no such layer.
    """
    if not 1 <= layer <= len(network.convolutions):
        raise ModelError(f"layer {layer}: the network's convolutions are 1 to 4")
    with torch.no_grad():
        maps = network.normalise(torch.from_numpy(window)).T[None, None]
        for i, convolution in enumerate(network.convolutions[:layer], 1):
            maps = functional.leaky_relu(convolution(maps), SLOPE)
            if i % 2 == 0 and i < layer:
                maps = functional.max_pool2d(maps, POOL)
    found: Float32 = maps[0].numpy()
    return found
