"""The pretrained models: graphs, their cards, checksums and licences; it never downloads.

A model is two files in one folder: `{name}.onnx`, the graph, and `{name}.json`, its card.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from isolde.core.atomic import write_bytes, write_text
from isolde.core.config import build
from isolde.core.errors import InputError, ModelError
from isolde.core.features import Features
from isolde.core.spectrum import GRID_22, Grid
from isolde.models.graph import Graph

DEFAULT = "vocals"
ARTICLE = "article"
"""The article's own mask network: 25-frame windows, whose layers can be looked at."""
LOW_LATENCY = "vocals-live"
"""The shipped model with the least delay between a sound and its stems."""


@dataclass(frozen=True)
class Card:
    """What a model is, where it comes from and what it may be used for.

    Attributes:
        name: in the catalogue.
        summary: one line.
        stems: what its masks give, in order.
        residual: the stem that is the mixture less all others.
        look_ahead: frames after the one that an answer is for.
        past: frames of silence to feed before a song's first.
        features: what the graph is fed with.
        sha256: of the graph file.
        licence: of the weights.
        data: what it was trained on, with the licence of each part.
        metrics: what was measured, and on what.
        limits: what it is known not to do.
        recipe: how it was trained.
        grid: frames and bins that it was trained on, with the synthesis it is to run with: "short"
            for half the windows' latency; cards that do not say have the article's.
        kind: form of the network, see `masker.make_masker`: "stream" for a graph with a state that
            takes frames one by one.
    """

    name: str
    summary: str
    stems: tuple[str, ...]
    residual: str
    look_ahead: int
    past: int
    features: Features
    sha256: str
    licence: str
    data: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    limits: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = GRID_22
    kind: str = "stream"

    def to_json(self) -> str:
        """The card as it stands in its file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Model:
    """A card and where its graph lies."""

    card: Card
    path: Path

    def graph(self, *, threads: int = 1) -> Graph:
        """Load the graph.

        Raises:
            ModelError: when the file is damaged or no graph.
        """
        data = self.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise ModelError(
                f"{self.path}: the checksum is not the card's: "
                "the file is damaged or was changed; install it again"
            )
        return Graph(data, threads=threads)


def _shipped() -> Path:
    return Path(str(resources.files("isolde"))) / "models"


def names() -> list[str]:
    """The models that came with this installation, sorted."""
    return sorted(path.stem for path in _shipped().glob("*.json"))


def find(name: str | Path) -> Model:
    """A model by its name, or by the path of its graph, card or folder.

    Args:
        name: one of `names()`, or a path.

    Raises:
        ModelError: when there is none, or its card cannot be read.
    """
    path = Path(name)
    card_path = _shipped() / f"{name}.json"
    if str(name) not in names():
        card_path = path / f"{path.name}.json" if path.is_dir() else path.with_suffix(".json")
        if path.is_dir() and not card_path.is_file():
            cards = sorted(path.glob("*.json"))
            card_path = cards[0] if len(cards) == 1 else card_path
    graph_path = card_path.with_suffix(".onnx")
    if not card_path.is_file() or not graph_path.is_file():
        raise ModelError(
            f"model '{name}' is not known: take one of {', '.join(names()) or '(none installed)'}, "
            "or the path of a model's .onnx file with its card beside it"
        )
    return Model(_read_card(card_path), graph_path)


def _read_card(path: Path) -> Card:
    """A card from its file, or a ModelError that says what is wrong with it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if "synthesis" in values:  # a card from before grids had a name, all of them the article's
            values["grid"] = replace(GRID_22, synthesis=values.pop("synthesis"))
        return build(Card, values, where="the card")
    except (OSError, ValueError) as error:
        said = str(error) if isinstance(error, InputError) else f"it cannot be read ({error})"
        raise ModelError(f"{path}: {said}: correct it, or install a newer version") from None


def save(folder: Path, card: Card, graph: bytes) -> Model:
    """Write a model's two files, the card with the graph's checksum.

    Args:
        folder: made when missing.
        card: its `sha256` is replaced.
        graph: the ONNX file.

    Returns:
        the model as written.
    """
    path = folder / f"{card.name}.onnx"
    signed = replace(card, sha256=hashlib.sha256(graph).hexdigest())
    write_bytes(path, graph)
    write_text(path.with_suffix(".json"), signed.to_json())
    return Model(signed, path)
