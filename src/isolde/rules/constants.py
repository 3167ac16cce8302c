"""The constants of the rules, in one place, with units; it computes nothing.

They were tuned on 24 excerpts of 8 s with a teacher's stems, never on the songs that are scored.
"""

from dataclasses import dataclass

from isolde.core.errors import InputError


@dataclass(frozen=True)
class Rules:
    """Constants of the five steps.

    Attributes:
        centre: Whether to use only the centre of the stereo image, where voices are mixed.
        section_db: Step 1; level relative to the loud parts of the block (95th percentile in
            200-5000 Hz) below which nobody sings.
        section_seconds: Step 1; time over which the level is averaged, and time around loud frames
            that is kept.
        high_pass_hz: Steps 2 and 3; lower frequencies are ignored: bass and bass drum.
        f0_min: Lowest pitch in Hz.
        f0_max: Highest pitch in Hz.
        thresholds: Parameters of pYIN's prior, a Beta distribution of how inexact a period may be.
            Its default, (2, 18) with a mean of 0.10, is for a voice alone; music behind it makes
            periods less exact: here the mean is 0.17.
        switching: Probability per frame that voicing starts or stops; pYIN's default is 0.01.
        pitch_step: Resolution of pYIN in semitones; the pitch is refined afterwards.
        width_hz: Step 4; half width of the mask around every harmonic in Hz: the main lobe of the
            Hann window (two bins, 43 Hz) and a little more.
        width_cents: Growth of the half width per harmonic, in cents of its frequency, for vibrato
            and the error of the pitch.
        top_hz: Highest frequency of the harmonics in Hz.
        burst_from_hz: Step 5; lowest frequency of unvoiced sound in Hz.
        burst_reach: Greatest distance of a consonant from a voiced frame in seconds.
        burst_gain: Share of a burst that is given to the voice, 0 to 1.
        block_seconds: Duration of the blocks in which masks are made.
        margin_seconds: Duration before and after a block that is also used.
    """

    centre: bool = True
    section_db: float = -15.0
    section_seconds: float = 0.3
    high_pass_hz: float = 200.0
    f0_min: float = 80.0
    f0_max: float = 1000.0
    thresholds: tuple[float, float] = (2.0, 10.0)
    switching: float = 0.002
    pitch_step: float = 0.2
    width_hz: float = 50.0
    width_cents: float = 35.0
    top_hz: float = 8000.0
    burst_from_hz: float = 3000.0
    burst_reach: float = 0.25
    burst_gain: float = 0.5
    block_seconds: float = 10.0
    margin_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse invalid constants."""
        if not 60 <= self.f0_min < self.f0_max <= 2000:
            raise InputError(
                f"singing from {self.f0_min} to {self.f0_max} Hz: take a range within 60 to 2000 Hz"
            )
        if self.block_seconds < 1 or not 0.1 <= self.margin_seconds <= self.block_seconds:
            raise InputError(
                f"blocks of {self.block_seconds} s with margins of {self.margin_seconds} s: "
                "take blocks of 1 s or more, and margins of 0.1 s up to a block"
            )
