"""Settings of how training examples are mixed; it mixes nothing."""

from dataclasses import dataclass
from math import inf, isfinite

from isolde.core.errors import InputError

CHANCES = (
    "same_song", "voiced", "no_voice", "mid", "invert", "tune", "equalise", "limit", "band",
    "phone", "wide", "plain",
)  # fmt: skip

MOST = {"tune_semitones": 12.0, "equalise_db": 40.0, "jitter_db": 40.0}
"""Greatest values of what is not negative."""


@dataclass(frozen=True)
class MixSettings:
    """How examples are made. Chances are in [0, 1], levels in dB.

    Attributes:
        same_song: Chance that all stems are one song's, from the same moment.
        voiced: Chance of a moment in which the voice sounds; else any moment.
        no_voice: Chance of an example without a voice.
        mid: Chance of a mono recording.
        invert: Chance that the right channel is wired the wrong way round.
        tune: Chance that a recording is played faster or slower, pitch and tempo together.
        tune_semitones: Greatest change of pitch, up or down.
        equalise: Chance of a smooth random equaliser on a stem.
        equalise_db: Standard deviation of its gain at each of five points.
        plain: Greatest share of music without a voice among what voices, and stems, are laid on.
        balance_db: Mean and standard deviation of the voice's level over another song's.
        jitter_db: Standard deviation of a stem's level against its own song.
        level_db: Least and greatest level (RMS) of the mixture, in dB of full scale.
        limit: Chance of a limiter on the mixture.
        band: Chance that everything above a frequency between 3 kHz and the top is missing.
        phone: Chance of a telephone's band: from 150 to 500 Hz up to 2.8 to 4 kHz.
        wide: Chance that a voice is panned, doubled or harmonised.
    """

    same_song: float = 0.4
    voiced: float = 0.85
    no_voice: float = 0.05
    mid: float = 0.1
    invert: float = 0.02
    tune: float = 0.3
    tune_semitones: float = 3.0
    equalise: float = 0.0
    equalise_db: float = 3.0
    plain: float = 0.18
    balance_db: tuple[float, float] = (-3.0, 4.5)
    jitter_db: float = 2.0
    level_db: tuple[float, float] = (-50.0, -5.0)
    limit: float = 0.15
    band: float = 0.06
    phone: float = 0.05
    wide: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for name in CHANCES:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}: give a chance from 0 to 1")
        for name, most in MOST.items():
            if not 0 <= getattr(self, name) <= most:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 to {most:g}")
        if not 0 <= self.balance_db[1] <= MOST["jitter_db"] or not isfinite(self.balance_db[0]):
            raise InputError(
                f"balance_db {self.balance_db}: give a mean, and a deviation from 0 on"
            )
        if not -inf < self.level_db[0] <= self.level_db[1] < inf:
            raise InputError(f"level_db {self.level_db}: give the least level first")
