"""Find the pretrained models: graphs, their cards, checksums and licences; it never downloads.

A model is two files in one folder: `{name}.onnx`, the graph, and `{name}.json`, its card. An
ensemble is only a card, which names other models. The form of a graph without a card is recognised
from its inputs and outputs.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isolde.core.atomic import write_bytes, write_text
from isolde.core.config import build
from isolde.core.errors import InputError, ModelError
from isolde.core.stems import VOCALS
from isolde.models import sources
from isolde.models.card import Card
from isolde.models.card_files import card_for, read_card
from isolde.models.graph import Graph, Session
from isolde.models.loading import checksum_of, load

DEFAULT = "vocals-large"
"""Model for songs, unless another is asked for: the one with the best vocals."""
LIVE = "vocals"
"""Model for live sessions: less than a second late, and fast enough for one core."""
ARTICLE = "article"
"""The article's own mask network: windows of 25 frames, whose layers can be inspected."""
LOW_LATENCY = "vocals-live"
"""The shipped model with the lowest latency."""

QUALITIES: dict[str, tuple[str, ...]] = {
    "fast": (LIVE, "open"),
    "good": (LIVE, "open"),
    "best": (DEFAULT, "spleeter", LIVE),
}
"""Models by quality; the first one that is installed is taken."""


@dataclass(frozen=True)
class Model:
    """A card and the path of its graph; of an ensemble, the path of its card, or none."""

    card: Card
    path: Path

    @property
    def n_bytes(self) -> int:
        """Size of the weights in bytes, with those of the other models that it runs."""
        own = 0 if self.card.members else self.path.stat().st_size
        return own + sum(model.n_bytes for model in parts_of(self.card))

    @property
    def live(self) -> "Model":
        """The model with short windows, for live sessions.

        Only networks that take magnitudes in windows change; all others stay as they are.
        """
        window = self.card.window.live if self.card.window else None
        return replace(self, card=replace(self.card, window=window)) if window else self

    def graph(self, *, threads: int = 1, answer: str = "mask") -> Graph:
        """Load a graph that runs frame by frame; the last few are kept, and streams share them.

        Args:
            threads: Number of threads that run the graph.
            answer: Output that its calls give: "mask" or "presence".

        Raises:
            ModelError: The file is damaged or no graph, or the model is of another kind.
        """
        if self.card.kind != "stream":
            raise ModelError(
                f"model '{self.card.name}' is of the kind '{self.card.kind}', and this needs one "
                f"that goes frame by frame: take another, like '{LOW_LATENCY}'"
            )
        options = {"threads": threads, "step": self.card.step, "answer": answer}
        return load(Graph, self.path, self.card.sha256, **options)

    def session(self, *, threads: int = 1) -> Session:
        """Load the graph of a window network; the last few are kept.

        Raises:
            ModelError: The file is damaged or no graph.
        """
        return load(Session, self.path, self.card.sha256, threads=threads)

    @property
    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of its graph file, then those of the other models that it runs."""
        others = tuple(one for model in parts_of(self.card) for one in model.checksums)
        return others if self.card.members else (checksum_of(self.path), *others)


def names() -> list[str]:
    """List the models that came with this installation, sorted."""
    return sorted(sources.shipped())


def find(name: str | Path) -> Model:
    """Find a model by its name, or by the path of its graph, card or folder.

    Args:
        name: Name of a model that is shipped, in the user's folder or in an installed package; a
            path; or one of `QUALITIES`.

    Raises:
        ModelError: There is no such model, or its card cannot be read.
    """
    if not str(name):
        raise ModelError("the name of the model is empty: give a name or a path")
    name = chosen_model(str(name))
    known = {**sources.added(), **sources.shipped()}
    if str(name) in known:
        return from_card(known[str(name)])
    if os.path.exists(name):
        return _from_path(Path(name))
    others, faults = sources.of_packages()
    if str(name) in others:
        return from_package(*others[str(name)])
    listed = ", ".join(sorted({*known, *others})) or "(none installed)"
    lost = "".join(f"; {fault}" for fault in faults)
    raise ModelError(
        f"model '{name}' is not known: take one of {listed}, or the path of an .onnx file{lost}"
    )


def absolute_name(name: str) -> str:
    """Make the path of a model absolute; a name stays as it is."""
    known = {sources.RULES, *QUALITIES, *sources.added(), *sources.shipped()}
    return name if name in known or not os.path.exists(name) else os.path.abspath(name)


def members_of(card: Card) -> list[tuple[Model, float]]:
    """Give the models of an ensemble with their weights.

    Raises:
        ModelError: One is unknown, is an ensemble itself, or lacks a stem of the ensemble.
    """
    members = [(find(member.model), member.weight) for member in card.members]
    for model, _ in members:
        if model.card.members or not set(card.stems) <= set(model.card.stems):
            raise ModelError(
                f"the ensemble '{card.name}' names '{model.card.name}', which is another ensemble "
                f"or gives no {', '.join(card.stems)}: name networks that do"
            )
    return members


def first_of(card: Card) -> Model | None:
    """Give the model that a card follows, which removes the vocals first; None: there is none.

    Raises:
        ModelError: It is unknown, or gives no mask of the vocals on the same grid.
    """
    if not card.follows:
        return None
    first = find(card.follows)
    windows = [one.window for one in (first.card, card) if one.window]
    heard = {(w.form, w.sample_rate, w.n_fft, w.hop, w.n_bins) for w in windows}
    if (len(windows), len(heard)) != (2, 1) or VOCALS not in first.card.stems or first.card.follows:
        raise ModelError(
            f"model '{card.name}' follows '{card.follows}', which gives no mask of the vocals on "
            "its grid: name another in its card, or none"
        )
    return first


def parts_of(card: Card) -> list[Model]:
    """List the other models that a model runs: its members, or the one that it follows.

    Raises:
        ModelError: One is unknown or does not fit.
    """
    first = first_of(card)
    return [first] if first else [model for model, _ in members_of(card)]


def _from_path(path: Path) -> Model:
    """Give the model of a graph, a card or a folder; a graph without a card is recognised."""
    if path.is_dir():
        named = path / f"{path.name}.json"
        cards = [named] if named.is_file() else list(path.glob("*.json"))
        if len(cards) != 1:
            raise ModelError(f"{path}: holds no model: give a folder with a card and its graph")
        return from_card(cards[0])
    card_path = path.with_suffix(".json")
    return from_card(card_path) if card_path.is_file() else Model(card_for(path), path)


def from_card(path: Path) -> Model:
    """Read the model of a card in a file, whose name is the model's.

    Raises:
        ModelError: The card cannot be read, or there is no graph beside it.
    """
    card = replace(read_card(path), name=path.stem)
    graph = path.with_suffix(".onnx")
    if card.members:
        return Model(card, path)
    if not graph.is_file():
        raise ModelError(f"{path}: its graph {graph.name} is not beside it: put it there")
    return Model(card, graph)


def from_package(values: Mapping[str, Any], graph: Path | None) -> Model:
    """Make the model that a package gives.

    Args:
        values: Values of its card.
        graph: Path of its graph; None: it is an ensemble.

    Raises:
        ModelError: The values make no card, or there is no graph.
    """
    try:
        card = build(Card, values, where=f"the card of '{values['name']}'")
    except (InputError, ModelError) as error:
        raise ModelError(f"{error}: update the package that gives it") from None
    if not card.members and not (graph and graph.is_file()):
        raise ModelError(
            f"model '{card.name}': its graph {graph} is not there: update the package that gives it"
        )
    return Model(card, graph or Path())


def save(folder: Path, card: Card, graph: bytes) -> Model:
    """Write a model's two files, the card with the graph's checksum; what is there is replaced.

    Args:
        folder: Folder; it is made when missing.
        card: Card, whose `sha256` is replaced.
        graph: Contents of the ONNX file.

    Returns:
        The model as written.

    Raises:
        InputError: The card's name is not allowed.
    """
    sources.check_name(card.name)
    path = folder / f"{card.name}.onnx"
    write_bytes(path, graph)
    signed = replace(card, sha256=checksum_of(path))
    write_text(path.with_suffix(".json"), signed.to_json())
    return Model(signed, path)


def chosen_model(asked: str) -> str:
    """Give the name of the model of a quality; any other name or path stays as it is.

    Args:
        asked: Name or path of a model, or one of `QUALITIES`: "fast" for the least time, "good" for
            clean vocals in half of the time that "best" takes. Today "fast" and "good" are one
            model.

    Raises:
        ModelError: No model of the quality is installed.

    Examples:
        >>> chosen_model("good")
        'vocals'
    """
    if asked not in QUALITIES:
        return asked
    there = names()
    for name in QUALITIES[asked]:
        if name in there:
            return name
    raise ModelError(
        f"no model of the quality '{asked}' is installed ({', '.join(QUALITIES[asked])}): "
        "install isolde again, or name a model"
    )
