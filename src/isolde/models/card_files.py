"""Cards as they come from files: read, or written for a graph that has none."""

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
        ModelError: When it cannot be read, or a field of it cannot be.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        # a card from before grids had a name: all of them the article's
        if isinstance(values, dict) and "synthesis" in values:
            values["grid"] = replace(GRID_22, synthesis=values.pop("synthesis"))
        return build(Card, values, where="the card")
    except (OSError, ValueError) as error:
        said = str(error) if isinstance(error, IsoldeError) else f"it cannot be read ({error})"
        raise ModelError(f"{path}: {said}: correct it, or install a newer version") from None


def card_for(path: Path, hints: Hints | None = None) -> Card:
    """Write a card for a graph that has none, from its inputs, outputs and its user's hints.

    Args:
        path: An ONNX file.
        hints: What its user knows of it.

    Raises:
        ModelError: When it is no graph, fits no form, or a number stands nowhere.
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
