"""The constants of the rules, in one place, with units; it computes nothing.

They were tuned on 24 excerpts of 8 s with a teacher's stems, never on the songs that are scored.
"""

from dataclasses import dataclass

from isolde.core.errors import InputError


@dataclass(frozen=True)
class Rules:
    """What the five steps go by.

    Attributes:
        centre: Whether to listen to the middle of the stereo image only, where voices are mixed.
        section_db: Step 1; quieter than this, relative to the block's loud parts (their 95th
            percentile in 200-5000 Hz), nobody sings.
        section_seconds: Step 1; the level is a mean over this time, and so much around what is
            loud enough is kept.
        high_pass_hz: Steps 2 and 3; what lies below is not listened to: bass and bass drum.
        f0_min: Lowest pitch in Hz.
        f0_max: Highest pitch in Hz.
        thresholds: PYIN's prior of how inexact a period may be, as a Beta distribution. Its
            default, (2, 18) with a mean of 0.10, is for a voice alone; music behind it makes
            periods less exact: here the mean is 0.17.
        switching: Probability per frame that voicing starts or stops; pYIN's default is 0.01.
        pitch_step: PYIN's resolution in semitones; the pitch is refined afterwards.
        width_hz: Step 4; half width of the mask around every harmonic, in Hz: the Hann window's
            main lobe (two bins, 43 Hz) and a little.
        width_cents: What the half width grows by with each harmonic, in cents of its frequency:
            vibrato and the pitch's own error.
        top_hz: Harmonics above are not followed.
        burst_from_hz: Step 5; unvoiced sound is looked for above.
        burst_reach: How far from a voiced frame a consonant may be, in seconds.
        burst_gain: How much of what bursts out is taken for a consonant, 0 to 1.
        block_seconds: Masks are made for so much at a time.
        margin_seconds: And with so much of the song before and after in view.
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
        """Refuse what cannot be."""
        if not 60 <= self.f0_min < self.f0_max <= 2000:
            raise InputError(
                f"singing from {self.f0_min} to {self.f0_max} Hz: take a range within 60 to 2000 Hz"
            )
        if self.block_seconds < 1 or not 0.1 <= self.margin_seconds <= self.block_seconds:
            raise InputError(
                f"blocks of {self.block_seconds} s with margins of {self.margin_seconds} s: "
                "take blocks of 1 s or more, and margins of 0.1 s up to a block"
            )
