"""The pretrained models: graphs, their cards, checksums and licences; it never downloads.

A model is two files in one folder: `{name}.onnx`, the graph, and `{name}.json`, its card. An
ensemble is a card alone, that names other models. A graph without a card is asked for its form.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from isolde.core.atomic import write_bytes, write_text
from isolde.core.config import build
from isolde.core.errors import InputError, ModelError
from isolde.core.features import Features
from isolde.core.level import LEVEL_DB
from isolde.core.spectrum import GRID_22, Grid
from isolde.models import sources
from isolde.models.graph import Graph, Session
from isolde.models.window.form import Window
from isolde.models.window.recognition import Hints, recognise, roles

KINDS = ("stream", "window", "ensemble")
DEFAULT = "vocals"
ARTICLE = "article"
"""The article's own mask network: 25-frame windows, whose layers can be looked at."""
LOW_LATENCY = "vocals-live"
"""The shipped model with the least delay between a sound and its stems."""


QUALITIES: dict[str, tuple[str, ...]] = {
    "fast": (LOW_LATENCY, DEFAULT),
    "good": (DEFAULT,),
    "best": ("vocals-large", "spleeter-vocals", "spleeter", DEFAULT),
}
"""For who knows no names: models by quality, of which the first that is installed is taken."""


@dataclass(frozen=True)
class Member:
    """A model in an ensemble.

    Attributes:
        model: name in the catalogue.
        weight: above 0; its share is this by the sum of all.
    """

    model: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a weight without a meaning.

        Raises:
            InputError: when it is not above 0.
        """
        if not 0 < self.weight < float("inf"):
            raise InputError(f"weight {self.weight} of '{self.model}': give a number above 0")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model is, where it comes from and what it may be used for.

    Attributes:
        name: in the catalogue.
        summary: one line.
        stems: what its masks give, in order.
        residual: the stem that is the mixture less all others.
        look_ahead: frames after the one that an answer is for.
        past: frames of silence to feed before a song's first.
        level_db: RMS at which it hears loud frames, in dB of full scale.
        lowest_hz: Frequency in Hz below which nothing is a voice; 0 for none.
        features: what the graph is fed with.
        sha256: of the graph file.
        licence: of the weights.
        data: what it was trained on, with the licence of each part.
        metrics: what was measured, and on what.
        limits: what it is known not to do.
        recipe: how it was trained.
        grid: frames and bins that it was trained on, with the synthesis it is to run with: "short"
            for half the windows' latency; cards that do not say have the article's.
        step: frames that a graph with a state takes at once; the first of them waits for the last.
        presence: whether the graph also tells the probability that somebody sings.
        kind: "stream" for a graph with a state that takes frames one by one, "window" for one that
            answers for a window at once, "ensemble" for a mean of models.
        window: form of a network of windows, its own rate and frames included.
        members: models of an ensemble.
        notice: what whoever uses it is told each time.
        citation: of the work behind it.
    """

    name: str
    summary: str
    stems: tuple[str, ...]
    residual: str
    look_ahead: int = 0
    past: int = 0
    level_db: float = LEVEL_DB
    lowest_hz: float = 0.0
    features: Features = field(default_factory=Features)
    sha256: str = ""
    licence: str
    data: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    limits: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = GRID_22
    step: int = 1
    presence: bool = False
    kind: str = "stream"
    window: Window | None = None
    members: tuple[Member, ...] = ()
    notice: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        """Refuse what no separator can do.

        Raises:
            ModelError: when the kind is unknown or lacks what belongs to it, the window has another
                grid, a stem is not among the outputs, or a number of frames is out of range.
        """
        if min(self.look_ahead, self.past) < 0 or self.step < 1:
            raise ModelError(
                f"the card of '{self.name}' has look_ahead {self.look_ahead}, past {self.past} and "
                f"step {self.step}: give frames, 0 or more, and a step of 1 or more"
            )
        if self.kind not in KINDS:
            raise ModelError(
                f"model '{self.name}' is of the kind '{self.kind}', which this version does not "
                "know: install a newer one"
            )
        if (self.kind == "window") != bool(self.window) or (self.kind == "ensemble") != bool(
            self.members
        ):
            raise ModelError(
                f"the card of '{self.name}' is of the kind '{self.kind}': a window network needs "
                "'window' and an ensemble 'members', and nothing else has them"
            )
        if self.window and self.window.form == "magnitudes" and self.window.grid != self.grid:
            raise ModelError(
                f"the card of '{self.name}' has the grid {self.grid} and the window "
                f"{self.window.grid}: make them equal"
            )
        if self.window and not set(self.stems) <= set(self.window.outputs):
            raise ModelError(
                f"the card of '{self.name}' has the stems {', '.join(self.stems)}, and its graph "
                f"gives {', '.join(self.window.outputs)}: correct it"
            )

    @property
    def latency(self) -> int:
        """Frames: a graph's answer for frame k is out once frame k + latency is in."""
        return self.look_ahead + self.step - 1

    def to_json(self) -> str:
        """The card as it stands in its file."""
        values = asdict(self)
        unsaid = {
            "window": None,
            "members": (),
            "notice": "",
            "citation": "",
            "step": 1,
            "presence": False,
        }
        kept = {k: v for k, v in values.items() if k not in unsaid or v != unsaid[k]}
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Model:
    """A card and where its graph lies; an ensemble has its card's path, or none."""

    card: Card
    path: Path

    @property
    def n_bytes(self) -> int:
        """Size of the weights, of an ensemble all of them."""
        if self.card.members:
            return sum(model.n_bytes for model, _ in members_of(self.card))
        return self.path.stat().st_size

    def graph(self, *, threads: int = 1, answer: str = "mask") -> Graph:
        """Load the graph; a process keeps the last few, which any number of streams may share.

        Args:
            threads: Number of threads that run it.
            answer: Output that its calls give: "mask" or "presence".

        Raises:
            ModelError: when the file is damaged or no graph.
        """
        if self.card.kind != "stream":
            raise ModelError(
                f"model '{self.card.name}' is of the kind '{self.card.kind}', and this needs one "
                f"that goes frame by frame: take another, like '{DEFAULT}'"
            )
        card = self.card
        return _graph(self.path, card.sha256, _version(self.path), threads, card.step, answer)

    def session(self, *, threads: int = 1) -> Session:
        """Load the graph of a window network; a process keeps the last few.

        Raises:
            ModelError: when the file is damaged or no graph.
        """
        return _session(self.path, self.card.sha256, _version(self.path), threads)

    @property
    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of the graph that is there, of an ensemble those of all its members."""
        if self.card.members:
            return tuple(one for model, _ in members_of(self.card) for one in model.checksums)
        with self.path.open("rb") as file:
            return (hashlib.file_digest(file, "sha256").hexdigest(),)


def _version(path: Path) -> tuple[int, int]:
    """What differs when a file is another one."""
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=4)
def _graph(
    path: Path, sha256: str, version: tuple[int, int], threads: int, step: int, answer: str
) -> Graph:
    """Load a graph that goes frame by frame."""
    data = path.read_bytes()
    _check(path, hashlib.sha256(data).hexdigest(), sha256)
    return Graph(data, threads=threads, step=step, answer=answer)


@lru_cache(maxsize=4)
def _session(path: Path, sha256: str, version: tuple[int, int], threads: int) -> Session:
    """Load a graph of windows."""
    if sha256:
        with path.open("rb") as file:
            _check(path, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
    return Session(path, threads=threads)


def _check(path: Path, sha256: str, expected: str) -> None:
    """Compare checksums."""
    if sha256 != expected:
        raise ModelError(
            f"{path}: the checksum is not the card's: "
            "the file is damaged or was changed; install it again"
        )


def names() -> list[str]:
    """The models that came with this installation, sorted."""
    return sorted(sources.shipped())


def find(name: str | Path) -> Model:
    """A model by its name, or by the path of its graph, card or folder.

    Args:
        name: one of `names()`, of the user's folder or of an installed package, a path, or one of
            `QUALITIES`.

    Raises:
        ModelError: when there is none, or its card cannot be read.
    """
    name = chosen_model(str(name))
    known = {**sources.added(), **sources.shipped()}
    if str(name) in known:
        return _from_card(known[str(name)])
    path = Path(name)
    if path.exists():
        return _from_path(path)
    others = sources.installed()
    if str(name) in others:
        return _from_package(*others[str(name)])
    listed = ", ".join(sorted({*known, *others})) or "(none installed)"
    lost = "".join(f"; {fault}" for fault in sources.faults())
    raise ModelError(
        f"model '{name}' is not known: take one of {listed}, or the path of an .onnx file{lost}"
    )


def members_of(card: Card) -> list[tuple[Model, float]]:
    """The models of an ensemble with their weights.

    Raises:
        ModelError: when one is not known, separates nothing, or is an ensemble itself.
    """
    members = [(find(member.model), member.weight) for member in card.members]
    for model, _ in members:
        if model.card.members or not model.card.stems:
            raise ModelError(
                f"the ensemble '{card.name}' names '{model.card.name}', which is another ensemble "
                "or separates nothing: name networks"
            )
    return members


def every() -> list[Model]:
    """All models that have a name: shipped, added by the user, given by packages; shipped first.

    Raises:
        ModelError: when a card cannot be read.
    """
    shipped = sources.shipped()
    own = {name: path for name, path in sources.added().items() if name not in shipped}
    others = {n: pair for n, pair in sources.installed().items() if n not in {**shipped, **own}}
    cards = [*sorted(shipped.items()), *sorted(own.items())]
    return [*(_from_card(p) for _, p in cards), *(_from_package(*o) for o in others.values())]


def _from_path(path: Path) -> Model:
    """The model of a graph, a card or a folder; a graph without a card is recognised."""
    card_path = path / f"{path.name}.json" if path.is_dir() else path.with_suffix(".json")
    if path.is_dir() and not card_path.is_file():
        cards = sorted(path.glob("*.json"))
        card_path = cards[0] if len(cards) == 1 else card_path
    if card_path.is_file():
        return _from_card(card_path)
    if path.is_dir():
        raise ModelError(f"{path}: holds no model: give a folder with a card and its .onnx file")
    return Model(card_for(path), path)


def _from_card(path: Path) -> Model:
    """The model of a card in a file."""
    card = _read_card(path)
    graph = path.with_suffix(".onnx")
    if card.members:
        return Model(card, path)
    if not graph.is_file():
        raise ModelError(f"{path}: its graph {graph.name} is not beside it: put it there")
    return Model(card, graph)


def _from_package(values: Mapping[str, Any], graph: Path | None) -> Model:
    """The model that a package gives."""
    try:
        card = build(Card, values, where=f"the card of '{values['name']}'")
    except InputError as error:
        raise ModelError(f"{error}: update the package that gives it") from None
    if graph is None and not card.members:
        raise ModelError(f"model '{card.name}' has no graph: update the package that gives it")
    return Model(card, graph or Path())


def card_for(path: Path, hints: Hints | None = None) -> Card:
    """A card for a graph that has none, from its inputs and outputs and what its user says.

    Args:
        path: an ONNX file.
        hints: what its user knows of it.

    Raises:
        ModelError: when it is no graph, fits no form, or a number stands nowhere.
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


def of_quality(quality: str) -> str:
    """Name the model of a quality.

    Args:
        quality: One of `QUALITIES`: "fast" for the least time, "good" for the default, "best" for
            the cleanest vocals at any price.

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
