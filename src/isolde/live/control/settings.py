"""The settings of a live session on the command line; it starts none."""

from dataclasses import dataclass
from pathlib import Path

from isolde.core.errors import InputError
from isolde.core.stage import LOWEST_RATE
from isolde.live.io.pipes import RAW
from isolde.separation.settings import SeparationSettings

_LONGEST_LATENCY = 10.0
"""Longest buffer of a device in seconds."""


@dataclass(frozen=True)
class LiveSettings:
    """Settings of a session; see `isolde live --help`.

    Raises:
        InputError: A number is out of range, or an option would change nothing.
    """

    source: str
    input_name: str | None
    output_name: str | None
    separation: SeparationSettings
    low_latency: bool
    play: str
    wet: float
    rate: int | None
    channels: int | None
    block: int | None
    depth: int | None
    device_latency: float | None
    start: float
    stop_after: float | None
    raw: str | None
    record: Path | None
    overwrite: bool
    control: int | None
    osc: int | None
    quiet: bool

    def __post_init__(self) -> None:
        """Check the settings."""
        for name, number in (("block", self.block), ("channels", self.channels)):
            if number is not None and number < 1:
                raise InputError(f"--{name} {number}: give 1 or more, or leave it out")
        if self.rate is not None and self.rate < LOWEST_RATE:
            raise InputError(f"--rate {self.rate}: give {LOWEST_RATE} Hz or more, or leave it out")
        if self.device_latency is not None and not 0 < self.device_latency <= _LONGEST_LATENCY:
            raise InputError(
                f"--device-latency {self.device_latency:g}: give seconds above 0, up to "
                f"{_LONGEST_LATENCY:g}, or leave it out"
            )
        if self.stop_after is not None and not self.stop_after > 0:
            raise InputError(
                f"--stop-after {self.stop_after:g}: give more than 0 s, or leave it out"
            )
        if self.raw is not None and self.raw not in RAW:
            raise InputError(f"--raw {self.raw}: give one of {', '.join(RAW)}")
        if self.start and not (self.source and self.start > 0):
            raise InputError(
                f"--start {self.start:g}: give 0 or more, and only with a song or a pipe"
            )
        self._refuse_idle()

    @property
    def piped(self) -> bool:
        """Whether it filters standard input to standard output, without a device."""
        return self.source == "-" and self.output_name is None

    @property
    def end(self) -> float | None:
        """Time in seconds at which a pipe's input is left; None: it is read to its end."""
        return None if self.stop_after is None else self.start + self.stop_after

    def _refuse_idle(self) -> None:
        """Refuse an option that would change nothing."""
        idle: dict[str, str] = {}
        if self.piped:
            idle |= dict.fromkeys(("depth", "device_latency"), "a pipe has no device")
        else:
            idle["raw"] = "raw PCM goes from pipe to pipe"
        if self.piped and not self.raw:
            idle |= dict.fromkeys(("rate", "channels"), "a wav names its own")
        if not self.record and self.overwrite:
            raise InputError("--overwrite has no meaning here, without --record: leave it out")
        if self.source:
            idle["input_name"] = f"the input is {self.source}"
        for name, why in idle.items():
            if getattr(self, name) is not None:
                option = name.removesuffix("_name").replace("_", "-")
                raise InputError(f"--{option} has no meaning here, {why}: leave it out")
