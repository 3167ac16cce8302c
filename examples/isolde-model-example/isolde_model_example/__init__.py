"""The model 'mid' for isolde; docs/guide/models.md of isolde describes the entry point."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CARD = {
    "name": "mid",
    "summary": "What both channels have in common: the oldest way to find a voice. No network.",
    "stems": ["vocals"],
    "residual": "accompaniment",
    "licence": "MIT",
    "data": ["none: it has learnt nothing"],
    "limits": "Takes everything in the middle for the voice, bass and drums too.",
    "kind": "window",
    "window": {"form": "waves", "outputs": ["vocals"], "size": 16384},
}


def models() -> Iterable[tuple[Mapping[str, Any], Path]]:
    """Give each model's card, as in its JSON, and the path of its graph."""
    return [(CARD, Path(__file__).with_name("mid.onnx"))]
