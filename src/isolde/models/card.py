"""Describe a model: its form, its origin, its licence and its limits; it loads nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from isolde.core.errors import InputError, ModelError
from isolde.core.signal.features import Features
from isolde.core.signal.level import LEVEL_DB, RISE_SECONDS
from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.core.stems import VOCALS, check_stems
from isolde.models.window.form import Window

KINDS = ("stream", "window", "ensemble")
MOST_FRAMES = 10_000
"""Upper limit in frames of look-ahead, past and step: some two minutes."""


@dataclass(frozen=True)
class Member:
    """A model in an ensemble.

    Attributes:
        model: Name in the catalogue, or path.
        weight: Weight above 0; the share is the weight divided by the sum of all weights.
    """

    model: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a weight out of range.

        Raises:
            InputError: The weight is not above 0, or not finite.
        """
        if not 0 < self.weight < float("inf"):
            raise InputError(f"weight {self.weight} of '{self.model}': give a number above 0")


@dataclass(frozen=True, kw_only=True)
class Card:
    """Description of a model.

    Attributes:
        name: Name in the catalogue.
        summary: One line.
        stems: Names of the stems that are estimated, in the order of the masks.
        residual: Name of the stem that is the mixture minus all others.
        look_ahead: Number of frames after a frame that its answer needs.
        past: Number of frames of silence to feed before the first of a song.
        level_db: RMS to which loud frames are brought before the network, in dB of full scale.
        level_seconds: Time over which the power is smoothed.
        lowest_hz: Frequency in Hz below which nothing is a voice; 0 for none.
        features: Input features of the graph.
        sha256: SHA-256 of the graph file; empty: it is not checked.
        licence: Licence of the weights.
        data: Training data, with the licence of each part.
        metrics: Scores, and the data that they were measured on.
        limits: Known limits.
        recipe: Settings of the training.
        grid: Frames and bins of the training, with the synthesis to use: "short" for half the
            latency of the windows; the article's grid is the default.
        step: Number of frames that a graph with a state takes at once.
        presence: Whether the graph also gives the probability that somebody sings.
        kind: "stream" for a graph with a state that takes frames one by one, "window" for a graph
            that takes a window at once, "ensemble" for a mean of models.
        window: Form of a window network, with its own sample rate and frames.
        members: Models of an ensemble.
        follows: Name of a model that removes the vocals first, so that this one, a network of
            magnitudes in windows, is given the rest; empty: it is given the mixture.
        notice: Line that every user of the model is shown.
        citation: Citation of the work behind the model.
    """

    name: str
    summary: str
    stems: tuple[str, ...]
    residual: str
    look_ahead: int = 0
    past: int = 0
    level_db: float = LEVEL_DB
    level_seconds: float = RISE_SECONDS
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
    follows: str = ""
    notice: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        """Refuse a card that no separator can run.

        Raises:
            ModelError: The kind is unknown or a field of it is missing, the grids differ, a stem is
                not among the outputs or cannot be the name of a file, a number is out of range, or
                the model follows another one without taking magnitudes or giving vocals.
        """
        if self.stems or self.residual:  # neither: the model only detects vocal activity
            try:
                check_stems((*self.stems, self.residual))
            except InputError as error:
                raise ModelError(f"the card of '{self.name}': {error}") from None
        if not 0 <= self.lowest_hz < self.grid.sample_rate / 2 or not -100 <= self.level_db <= 20:
            raise ModelError(
                f"the card of '{self.name}' has lowest_hz {self.lowest_hz} and level_db "
                f"{self.level_db}: give 0 to half the grid's rate, and -100 to 20"
            )
        if not 0 < self.level_seconds < 60:
            raise ModelError(
                f"the card of '{self.name}' has level_seconds {self.level_seconds}: give a time "
                "above 0 and below a minute"
            )
        frames = (self.look_ahead, self.past, self.step)
        if min(frames) < 0 or max(frames) > MOST_FRAMES or self.step < 1:
            raise ModelError(
                f"the card of '{self.name}' has look_ahead {self.look_ahead}, past {self.past} and "
                f"step {self.step}: give frames, 0 to {MOST_FRAMES}, and a step of 1 or more"
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
        if self.follows and not (
            self.window and self.window.form == "magnitudes" and VOCALS in self.stems
        ):
            raise ModelError(
                f"the card of '{self.name}' follows '{self.follows}': a network of magnitudes in "
                f"windows that gives {VOCALS} can, and no other; leave 'follows' out"
            )
        if self.window and not set(self.stems) <= set(self.window.outputs):
            raise ModelError(
                f"the card of '{self.name}' has the stems {', '.join(self.stems)}, and its graph "
                f"gives {', '.join(self.window.outputs)}: correct it"
            )

    @property
    def latency(self) -> int:
        """Latency in frames: the answer for frame k is ready once frame k + latency is in."""
        if self.window:
            return self.window.size + self.window.after - 1
        return self.look_ahead + self.step - 1

    def to_json(self) -> str:
        """Give the text of the card's file; fields of special models are left out if unused."""
        values = asdict(self)
        unused = {
            "window": None,
            "members": (),
            "follows": "",
            "notice": "",
            "citation": "",
            "step": 1,
            "presence": False,
            "level_seconds": RISE_SECONDS,
        }
        kept = {k: v for k, v in values.items() if k not in unused or v != unused[k]}
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
