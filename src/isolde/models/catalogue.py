"""The pretrained models: graphs, their cards, checksums and licences; it never downloads.

A model is two files in one folder: `{name}.onnx`, the graph, and `{name}.json`, its card. An
ensemble is a card alone, that names other models. A graph without a card is asked for its form.
"""

import hashlib
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
from isolde.models.loading import load_graph, load_session

DEFAULT = "vocals-large"
"""What separates songs, unless another is asked for: the best voice."""
LIVE = "vocals"
"""The same in live sessions: less than a second late, and quick enough for one core."""
ARTICLE = "article"
"""The article's own mask network: 25-frame windows, whose layers can be looked at."""
LOW_LATENCY = "vocals-live"
"""The shipped model with the least delay between a sound and its stems."""

QUALITIES: dict[str, tuple[str, ...]] = {
    "fast": (LIVE, "open"),
    "good": (LIVE, "open"),
    "best": (DEFAULT, "spleeter", LIVE),
}
"""For who knows no names: models by quality, of which the first that is installed is taken."""


@dataclass(frozen=True)
class Model:
    """A card and where its graph lies; an ensemble has its card's path, or none."""

    card: Card
    path: Path

    @property
    def n_bytes(self) -> int:
        """Size of the weights, those of the models that it runs beside its own included."""
        own = 0 if self.card.members else self.path.stat().st_size
        return own + sum(model.n_bytes for model in parts_of(self.card))

    @property
    def live(self) -> "Model":
        """The same where stems are to come at once: a network of windows hears short ones.

        A network that goes frame by frame is itself, and so is one of windows that gives sound.
        """
        window = self.card.window.live if self.card.window else None
        return replace(self, card=replace(self.card, window=window)) if window else self

    def graph(self, *, threads: int = 1, answer: str = "mask") -> Graph:
        """Load the graph; a process keeps the last few, which any number of streams may share.

        Args:
            threads: Number of threads that run it.
            answer: Output that its calls give: "mask" or "presence".

        Raises:
            ModelError: When the file is damaged or no graph.
        """
        if self.card.kind != "stream":
            raise ModelError(
                f"model '{self.card.name}' is of the kind '{self.card.kind}', and this needs one "
                f"that goes frame by frame: take another, like '{LOW_LATENCY}'"
            )
        card = self.card
        return load_graph(
            self.path, sha256=card.sha256, threads=threads, step=card.step, answer=answer
        )

    def session(self, *, threads: int = 1) -> Session:
        """Load the graph of a window network; a process keeps the last few.

        Raises:
            ModelError: When the file is damaged or no graph.
        """
        return load_session(self.path, sha256=self.card.sha256, threads=threads)

    @property
    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of the graph that is there, then those of the models that it runs beside it."""
        others = tuple(one for model in parts_of(self.card) for one in model.checksums)
        if self.card.members:
            return others
        with self.path.open("rb") as file:
            return (hashlib.file_digest(file, "sha256").hexdigest(), *others)


def names() -> list[str]:
    """List the models that came with this installation, sorted."""
    return sorted(sources.shipped())


def find(name: str | Path) -> Model:
    """Find a model by its name, or by the path of its graph, card or folder.

    Args:
        name: One of `names()`, of the user's folder or of an installed package, a path, or one of
            `QUALITIES`.

    Raises:
        ModelError: When there is none, or its card cannot be read.
    """
    if not str(name):
        raise ModelError("the name of the model is empty: give a name or a path")
    name = chosen_model(str(name))
    known = {**sources.added(), **sources.shipped()}
    if str(name) in known:
        return from_card(known[str(name)])
    path = Path(name)
    if path.exists():
        return _from_path(path)
    others, faults = sources.of_packages()
    if str(name) in others:
        return from_package(*others[str(name)])
    listed = ", ".join(sorted({*known, *others})) or "(none installed)"
    lost = "".join(f"; {fault}" for fault in faults)
    raise ModelError(
        f"model '{name}' is not known: take one of {listed}, or the path of an .onnx file{lost}"
    )


def members_of(card: Card) -> list[tuple[Model, float]]:
    """Give the models of an ensemble with their weights.

    Raises:
        ModelError: When one is not known, separates nothing, or is an ensemble itself.
    """
    members = [(find(member.model), member.weight) for member in card.members]
    for model, _ in members:
        if model.card.members or not model.card.stems:
            raise ModelError(
                f"the ensemble '{card.name}' names '{model.card.name}', which is another ensemble "
                "or separates nothing: name networks"
            )
    return members


def first_of(card: Card) -> Model | None:
    """Give the model that takes the vocals before another hears what they leave; None: none does.

    Raises:
        ModelError: When it is not known, or gives no mask of the vocals on the same grid.
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
    """List the models that one runs beside its own graph: members, or the one that it follows.

    Raises:
        ModelError: When one is not known or does not fit.
    """
    first = first_of(card)
    return [first] if first else [model for model, _ in members_of(card)]


def _from_path(path: Path) -> Model:
    """The model of a graph, a card or a folder; a graph without a card is recognised."""
    card_path = path / f"{path.name}.json" if path.is_dir() else path.with_suffix(".json")
    if path.is_dir() and not card_path.is_file():
        cards = sorted(path.glob("*.json"))
        card_path = cards[0] if len(cards) == 1 else card_path
    if card_path.is_file():
        return from_card(card_path)
    if path.is_dir():
        raise ModelError(f"{path}: holds no model: give a folder with a card and its .onnx file")
    return Model(card_for(path), path)


def from_card(path: Path) -> Model:
    """Read the model of a card in a file.

    Raises:
        ModelError: When the card cannot be read, or there is no graph beside it.
    """
    card = read_card(path)
    graph = path.with_suffix(".onnx")
    if card.members:
        return Model(card, path)
    if not graph.is_file():
        raise ModelError(f"{path}: its graph {graph.name} is not beside it: put it there")
    return Model(card, graph)


def from_package(values: Mapping[str, Any], graph: Path | None) -> Model:
    """Make the model that a package gives.

    Args:
        values: Its card.
        graph: Path of its graph; None: it is an ensemble.

    Raises:
        ModelError: When the card cannot be one, or there is no graph.
    """
    try:
        card = build(Card, values, where=f"the card of '{values['name']}'")
    except InputError as error:
        raise ModelError(f"{error}: update the package that gives it") from None
    if graph is None and not card.members:
        raise ModelError(f"model '{card.name}' has no graph: update the package that gives it")
    if graph is not None and not graph.is_file():
        raise ModelError(
            f"model '{card.name}': its graph {graph} is not there: update the package that gives it"
        )
    return Model(card, graph or Path())


def save(folder: Path, card: Card, graph: bytes) -> Model:
    """Write a model's two files, the card with the graph's checksum; what is there is replaced.

    Args:
        folder: Folder; it is made when missing.
        card: Its `sha256` is replaced.
        graph: The ONNX file.

    Returns:
        the model as written.

    Raises:
        InputError: The card's name could not be that of files.
    """
    sources.check_name(card.name)
    path = folder / f"{card.name}.onnx"
    signed = replace(card, sha256=hashlib.sha256(graph).hexdigest())
    write_bytes(path, graph)
    write_text(path.with_suffix(".json"), signed.to_json())
    return Model(signed, path)


def of_quality(quality: str) -> str:
    """Name the model of a quality.

    Args:
        quality: One of `QUALITIES`: "fast" for the least time, "good" for a clean voice in half of
            the time that "best" takes; today one model is both.

    Raises:
        InputError: The quality is unknown.
        ModelError: None of its models is installed.

    Examples:
        >>> of_quality("good")
        'vocals'
    """
    if quality not in QUALITIES:
        raise InputError(f"quality '{quality}' is unknown: take {', '.join(QUALITIES)}")
    there = names()
    for name in QUALITIES[quality]:
        if name in there:
            return name
    raise ModelError(
        f"no model of the quality '{quality}' is installed ({', '.join(QUALITIES[quality])}): "
        "install isolde again, or name a model"
    )


def chosen_model(asked: str) -> str:
    """Name the model that somebody asked for, by its name, its path or a quality.

    Args:
        asked: Name or path of a model, or one of `QUALITIES`.

    Raises:
        ModelError: No model of the quality is installed.
    """
    return of_quality(asked) if asked in QUALITIES else asked
