"""Candidates: a name and a callable from mixture to stems; scores nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.core.stems import ACCOMPANIMENT, VOCALS
from isolde.evaluation.songs import Stems

Kind = Literal["model", "peer", "floor", "oracle"]


class Separate(Protocol):
    """A separator as a function of arrays; it must be picklable to run in a process pool."""

    def __call__(self, mixture: Float32, sample_rate: int, /) -> Mapping[str, Float32]:
        """Give "vocals" and maybe other stems (n_channels, n_samples) of a mixture."""
        ...


class SeparateWithTruth(Protocol):
    """An oracle: it looks at the true stems, which no separator can."""

    def __call__(self, stems: Stems, /) -> Mapping[str, Float32]:
        """Give "vocals" and maybe other stems of a song whose stems are known."""
        ...


@dataclass(frozen=True)
class Candidate:
    """One row of the table.

    Attributes:
        name: Unique within a table.
        separate: Separator, from mixture and sample rate to stems; or `oracle`, exactly one of the
            two.
        oracle: Oracle, from the true stems to stems.
        kind: Its group in the table.
        identity: Text that changes with its numbers (weights' checksum, options); results stored
            under another identity are measured again.
        latency_seconds: Latency of the streaming form; None where there is none.
        model_bytes: Size of the weights; None where there are none.
    """

    name: str
    separate: Separate | None = None
    oracle: SeparateWithTruth | None = None
    kind: Kind = "model"
    identity: str = ""
    latency_seconds: float | None = None
    model_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse a candidate with both or neither callable.

        Raises:
            InputError: See above.
        """
        if (self.separate is None) == (self.oracle is None):
            raise InputError(f"candidate '{self.name}': give `separate` or `oracle`, exactly one")

    def __call__(self, stems: Stems) -> dict[str, Float32]:
        """Separate a song; an accompaniment that is not given is the mixture minus the vocals.

        Returns:
            "vocals", "accompaniment", and the given ones of the song's `parts`, float32, the shape
            of the mixture.

        Raises:
            InputError: No vocals, another shape than the mixture's, or values that are not finite.
        """
        if self.oracle is not None:
            given = self.oracle(stems)
        else:
            assert self.separate is not None
            given = self.separate(stems.mixture.copy(), stems.sample_rate)
        if VOCALS not in given:
            raise InputError(f"'{self.name}' gave the stems {sorted(given)}: needs '{VOCALS}'")
        vocals, rest = self._checked(VOCALS, given[VOCALS], stems), given.get(ACCOMPANIMENT)
        others = {ACCOMPANIMENT: stems.mixture - vocals if rest is None else rest}
        others |= {name: given[name] for name in stems.parts if name in given}
        checked = {name: self._checked(name, audio, stems) for name, audio in others.items()}
        return {VOCALS: vocals, **checked}

    def _checked(self, stem: str, given: Float32, stems: Stems) -> Float32:
        """An estimate in float32, of the shape of the mixture and finite, or an InputError."""
        audio = np.asarray(given, np.float32)
        if audio.shape != stems.mixture.shape:
            raise InputError(
                f"'{self.name}' gave {stem} {audio.shape} for a mixture {stems.mixture.shape}"
            )
        if not np.isfinite(audio).all():
            raise InputError(f"'{self.name}' gave NaN or infinity: nothing to score")
        return audio
