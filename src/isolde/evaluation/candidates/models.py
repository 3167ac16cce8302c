"""Models as candidates: of the catalogue, by path, and the rules; never trains one.

"vocals" is a model with its soft mask; "vocals:binary" reads the mask at 0.5;
"vocals:binary,threshold=0.4" and "vocals:strength=1.5" set options of the separator; "vocals:gate"
turns the voice down where nobody sings; "vocals:live" separates as in a live session. "rules" is
naive vocal isolation V1.0 (`isolde.rules`), through the same separator.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.core.stage import Float32, blocks_of
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.identity import code_digest, separation_modules
from isolde.models import catalogue
from isolde.models.catalogue import Model
from isolde.rules import RULES
from isolde.separation.load import make_separator
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.separator import Separator

LATENCY_RATE = 44_100  # the latency that is shown is that for stereo music at this rate
HEARING = (
    "stems", "residual", "look_ahead", "past", "step", "level_db", "level_seconds", "lowest_hz",
    "features", "grid", "window",
)  # fmt: skip
"""Fields of a card that change the stems, beside the weights."""


@dataclass(frozen=True)
class ModelSeparator:
    """A callable mixture -> stems; it holds settings, and the network is loaded where it runs."""

    settings: SeparationSettings

    def __call__(self, mixture: Float32, sample_rate: int, /) -> dict[str, Float32]:
        """Separate a song in blocks, with one thread.

        Raises:
            ModelError: The model cannot be loaded.
            InputError: The mixture cannot be separated.
        """
        separator = _loaded(self.settings, sample_rate, mixture.shape[0], get_ident())
        separator.reset()
        return separator.whole(blocks_of(mixture))


def model(text: str) -> Candidate:
    """Return a candidate from "NAME" or "NAME:OPTION,...", see the top of this module.

    Args:
        text: The name of a model of the catalogue, a path, or "rules", with or without options.

    Raises:
        ModelError: There is no such model.
        InputError: An option is not known.
        MissingExtraError: The rules are asked for and librosa is not installed.
    """
    name, _, options = text.partition(":")
    asked: dict[str, Any] = {}  # together: a threshold is nothing without its mask
    for option in filter(None, options.split(",")):
        key, equals, value = option.partition("=")
        if not equals and key in ("soft", "binary"):
            asked["mask"] = key
            continue
        if option in ("gate", "live"):
            asked[option] = True
            continue
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if key not in ("threshold", "strength") or not np.isfinite(number):
            raise InputError(
                f"model '{text}': '{option}' is no option: "
                "take soft, binary, gate, live, threshold=NUMBER or strength=NUMBER"
            )
        asked[key] = number
    path = Path(name)
    if (len(path.parts) > 1 or path.suffix) and path.exists():
        name = str(path.absolute())  # workers have other current folders
    settings = SeparationSettings(name, **asked)
    if name == RULES:
        weights, n_bytes = "", None
    else:
        found = catalogue.find(name)
        weights, n_bytes = _weights(found), found.n_bytes
    modules = separation_modules(rules=name == RULES, gate=settings.gate)
    latency = _loaded(settings, LATENCY_RATE, 2, get_ident()).latency / LATENCY_RATE
    return Candidate(
        text,
        ModelSeparator(settings),
        kind="model",
        identity=" ".join(filter(None, [weights, options, f"code {code_digest(*modules)}"])),
        latency_seconds=latency,
        model_bytes=n_bytes,
    )


def _weights(found: Model) -> str:
    """Identity of a model: checksums of weights and card, of its members and of its first model."""
    card = found.card
    if card.members:
        members = catalogue.members_of(card)
        return " ".join(f"{share:g} x {_weights(model)}" for model, share in members)
    how = repr([getattr(card, name) for name in HEARING]).encode()
    weights = card.sha256 or found.checksums[0]
    first = catalogue.first_of(card)
    follows = f" after {_weights(first)}" if first else ""
    return f"{weights[:16]} card {hashlib.sha256(how).hexdigest()[:8]}{follows}"


@lru_cache(maxsize=8)
def _loaded(
    settings: SeparationSettings, sample_rate: int, n_channels: int, _thread: int
) -> Separator:
    """Make a separator once for each thread, as it keeps the state of a song."""
    return make_separator(settings, sample_rate=sample_rate, n_channels=n_channels)


def grid_of(text: str) -> Grid:
    """Return the grid of a model, with the long synthesis, for its ideal masks.

    Args:
        text: Text as for `model`.

    Raises:
        ModelError: There is no such model.
    """
    name = text.partition(":")[0]
    return GRID_22 if name == RULES else replace(catalogue.find(name).card.grid, synthesis="long")
