"""From a network's file to a model that `isolde separate --model` takes; it trains nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isolde.core.signal.features import Features
from isolde.models.card import Card
from isolde.models.catalogue import Model, save
from isolde.models.sources import check_target
from isolde.networks.onnx.dual_path import SETTLING, dual_path_graph
from isolde.networks.onnx.packing import packed
from isolde.networks.weights import read_network

STEMS = {
    1: (("vocals",), "accompaniment"),
    4: (("vocals", "drums", "bass"), "other"),
}
"""By the masks of a channel: stems with a mask of their own, and the residual."""


def publish_network(
    path: Path,
    folder: Path,
    *,
    name: str,
    summary: str,
    licence: str,
    data: Sequence[str] = (),
    metrics: Mapping[str, Any] | None = None,
    limits: str = "",
    bits: int = 16,
    overwrite: bool = False,
) -> Model:
    """Write the model of a network's file.

    Args:
        path: Path of a safetensors file, see `weights`.
        folder: Folder for the model's two files.
        name: Name of the model.
        summary: One line for its card.
        licence: Licence of the weights: what the training data allow.
        data: What it was trained on, with licences.
        metrics: What was measured.
        limits: What it is known not to do.
        bits: Bits of the stored weights, see `packing`; the graph computes in float32.
        overwrite: Whether a model of that name is replaced.

    Raises:
        InputError: The name cannot be one, or a model has it already; or the file holds
            no network of this kind.
    """
    check_target(folder, name, overwrite=overwrite)
    file = read_network(path)
    shape = file.network.shape
    stems, residual = STEMS[shape.masks]
    card = Card(
        name=name,
        summary=summary,
        stems=stems,
        residual=residual,
        look_ahead=shape.look_ahead,
        past=SETTLING,
        features=Features(signal="stereo"),
        sha256="",
        licence=licence,
        data=tuple(data),
        metrics=dict(metrics or {}),
        limits=limits,
        recipe={key: _plain(value) for key, value in file.about.items()},
        grid=file.grid,
        step=shape.stack,
        presence=file.presence,
    )
    graph = dual_path_graph(file.network, presence=file.presence)
    return save(folder, card, packed(graph, bits=bits))


def _plain(text: str) -> Any:
    """What a text of the metadata holds: JSON, or itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
