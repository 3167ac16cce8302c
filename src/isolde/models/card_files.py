"""Read cards from files, and write one for a graph that has none."""

import json
from dataclasses import replace
from pathlib import Path

from isolde.core.config import build
from isolde.core.errors import IsoldeError, ModelError
from isolde.core.signal.spectrum import GRID_22
from isolde.models.card import Card
from isolde.models.window.recognition import Hints, recognise, roles


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        ModelError: The file cannot be read, or a field has a value that cannot be used.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        # older cards have no grid but a synthesis, and use the article's grid
        if isinstance(values, dict) and "synthesis" in values:
            values["grid"] = replace(GRID_22, synthesis=values.pop("synthesis"))
        return build(Card, values, where="the card")
    except (OSError, ValueError) as error:
        said = str(error) if isinstance(error, IsoldeError) else f"it cannot be read ({error})"
        raise ModelError(f"{path}: {said}: correct it, or install a newer version") from None


def card_for(path: Path, hints: Hints | None = None) -> Card:
    """Write a card for a graph that has none, from its inputs, its outputs and hints.

    Args:
        path: Path of an ONNX file.
        hints: Facts that the file does not contain.

    Raises:
        ModelError: The file is no graph, fits no form, or a number is missing.
        InputError: A hint has a value that cannot be used.
    """
    found = recognise(path, hints)
    stems, residual = roles(found.window.outputs)
    return Card(
        name=path.stem,
        summary=found.summary,
        stems=stems,
        residual=residual,
        licence=found.licence,
        limits=found.limits,
        grid=found.window.grid if found.window.form == "magnitudes" else GRID_22,
        kind="window",
        window=found.window,
        notice=found.notice,
    )
