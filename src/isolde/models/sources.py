"""Find models in the package, in the user's folder and in other packages; it reads no card.

Other packages give models through the entry point group `isolde.models`. Each entry is a function
without arguments that gives pairs of a card (a mapping, as in a card's JSON) and the path of its
graph (None for an ensemble). docs/guide/models.md has an example.
"""

import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from isolde.core.atomic import exists_already
from isolde.core.errors import InputError
from isolde.core.packages import given_by_packages

GROUP = "isolde.models"
FOLDER = "ISOLDE_MODELS"
"""Environment variable with the user's folder of models."""

RULES = "rules"
"""Name of the rules of `isolde.rules`, which have no card, where a model is named."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Package = tuple[Mapping[str, Any], Path | None]
"""A card and the path of its graph."""


def shipped() -> dict[str, Path]:
    """Give the cards that came with this installation, by name."""
    return _cards(Path(str(resources.files("isolde"))) / "models")


def user_folder() -> Path:
    """Give the folder to which `isolde models add` copies."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    try:
        share = Path(data) if data else Path.home() / ".local" / "share"
    except RuntimeError:  # a user without a home, as in a bare container
        share = Path("/nonexistent")
    return share / "isolde" / "models"


def added() -> dict[str, Path]:
    """Give the cards in the user's folder, by name."""
    return _cards(user_folder())


def _cards(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("[!.]*.json"))}


def of_packages() -> tuple[dict[str, Package], list[str]]:
    """Give cards and graphs of other installed packages by name, and a line for each failure."""
    things, faults = given_by_packages(GROUP, _named, what="models")
    return {name: (card, graph) for name, card, graph in things}, faults


def _named(pair: Package) -> tuple[str, Mapping[str, Any], Path | None]:
    """Give the name, the card and the graph of a package's model."""
    card, graph = pair
    return str(card["name"]), card, None if graph is None else Path(graph)


def check_name(name: str) -> None:
    """Refuse a name that cannot be that of a model's files.

    Raises:
        InputError: It is empty, or has other characters than letters, digits, '.', '_' and '-'.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"the name '{name}' cannot be one: take letters, digits, '.', '_' and '-'")


def check_target(folder: Path, name: str, *, overwrite: bool) -> None:
    """Refuse to write a model whose name is not allowed, or exists and may not be replaced.

    Args:
        folder: Folder of its two files.
        name: Name of the model.
        overwrite: Whether a model of that name may be replaced.

    Raises:
        InputError: The name is not allowed, or a file exists.
    """
    check_name(name)
    for path in (folder / f"{name}.onnx", folder / f"{name}.json"):
        if path.exists() and not overwrite:
            raise InputError(exists_already(str(path)))
