"""Where models lie: in the package, in the user's folder, in other packages; it reads no card.

Other packages give models through the entry point group `isolde.models`: each entry is a function
without arguments that gives pairs of a card (a mapping, as in a card's JSON) and the path of its
graph (None for an ensemble, which has none). docs/guide/models.md has an example.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from isolde.core.errors import ModelError

GROUP = "isolde.models"
FOLDER = "ISOLDE_MODELS"
"""Environment variable with the user's folder of models."""

Given = Callable[[], Iterable[tuple[Mapping[str, Any], Path | None]]]


def shipped() -> dict[str, Path]:
    """The cards that came with this installation, by name."""
    return _cards(Path(str(resources.files("isolde"))) / "models")


def user_folder() -> Path:
    """The folder to which `isolde models add` copies."""
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
    """The cards in the user's folder, by name."""
    return _cards(user_folder())


def _cards(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def installed() -> dict[str, tuple[Mapping[str, Any], Path | None]]:
    """The cards and graphs that other installed packages give, by name.

    Raises:
        ModelError: when a package's function fails or gives something else.
    """
    found: dict[str, tuple[Mapping[str, Any], Path | None]] = {}
    for entry in metadata.entry_points(group=GROUP):
        try:
            give: Given = entry.load()
            for card, graph in give():
                found[str(card["name"])] = card, None if graph is None else Path(graph)
        except Exception as error:  # another package's code may raise anything
            raise ModelError(
                f"the models of the package entry '{entry.value}' cannot be had "
                f"({type(error).__name__}: {error}): update or remove that package"
            ) from None
    return found
