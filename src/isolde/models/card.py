"""The card of a model: what it is, whence it comes, what it may be used for; it loads nothing."""

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
"""Frames that a graph can look ahead, hear before a song or take at once: some two minutes."""


@dataclass(frozen=True)
class Member:
    """A model in an ensemble.

    Attributes:
        model: Name in the catalogue.
        weight: Above 0; its share is this by the sum of all.
    """

    model: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a weight without a meaning.

        Raises:
            InputError: When it is not above 0.
        """
        if not 0 < self.weight < float("inf"):
            raise InputError(f"weight {self.weight} of '{self.model}': give a number above 0")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model is, where it comes from and what it may be used for.

    Attributes:
        name: Name in the catalogue.
        summary: One line.
        stems: What its masks give, in order.
        residual: The stem that is the mixture less all others.
        look_ahead: Frames after the one that an answer is for.
        past: Frames of silence to feed before a song's first.
        level_db: RMS at which it hears loud frames, in dB of full scale.
        level_seconds: Time over which their power is smoothed.
        lowest_hz: Frequency in Hz below which nothing is a voice; 0 for none.
        features: What the graph is fed with.
        sha256: SHA-256 of the graph file.
        licence: Licence of the weights.
        data: What it was trained on, with the licence of each part.
        metrics: What was measured, and on what.
        limits: What it is known not to do.
        recipe: How it was trained.
        grid: Frames and bins that it was trained on, with the synthesis it is to run with: "short"
            for half the windows' latency; cards that do not say have the article's.
        step: Frames that a graph with a state takes at once; the first of them waits for the last.
        presence: Whether the graph also tells the probability that somebody sings.
        kind: "stream" for a graph with a state that takes frames one by one, "window" for one that
            answers for a window at once, "ensemble" for a mean of models.
        window: Form of a network of windows, its own rate and frames included.
        members: Models of an ensemble.
        follows: Name of a model whose mask takes the vocals first, for a network of magnitudes in
            windows that hears and shares out what they leave; empty: it hears the mixture.
        notice: What whoever uses it is told each time.
        citation: Citation of the work behind it.
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
        """Refuse what no separator can do.

        Raises:
            ModelError: When the kind is unknown or lacks what belongs to it, the window has another
                grid, a stem is not among the outputs, the stems' names could not be those of files,
                a number is out of range, or it follows a model and does not hear magnitudes or give
                vocals.
        """
        if self.stems or self.residual:  # neither: it only tells where somebody sings
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
        """Frames: a graph's answer for frame k is out once frame k + latency is in."""
        if self.window:
            return self.window.size + self.window.after - 1
        return self.look_ahead + self.step - 1

    def to_json(self) -> str:
        """Write the card as it stands in its file."""
        values = asdict(self)
        unsaid = {
            "window": None,
            "members": (),
            "follows": "",
            "notice": "",
            "citation": "",
            "step": 1,
            "presence": False,
            "level_seconds": RISE_SECONDS,
        }
        kept = {k: v for k, v in values.items() if k not in unsaid or v != unsaid[k]}
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
