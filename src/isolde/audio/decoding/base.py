"""The interface of decoders, and how they report damage; decodes nothing itself."""

import math
import select
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from isolde.audio.formats import AudioInfo
from isolde.core.closing import Closable
from isolde.core.stage import Float32

NOT_AUDIO = "not audio that can be decoded, or damaged at its start: check that it plays elsewhere"
NO_SAMPLES = "holds no sound, not one sample can be decoded: get another copy"
_LISTED = 3  # places that a note names one by one


@dataclass(frozen=True)
class Loss:
    """A part of the source that cannot be decoded.

    Attributes:
        start: Begin, in seconds of what was decoded.
        end: End, where the sound goes on, in seconds; `start` where nobody knows how much is
            missing.
        cut: Whether the source ends at `start`, and `end` is the length that it states.
    """

    start: float
    end: float
    cut: bool = False


class Decoder(Closable):
    """Audio that is decoded from front to back.

    Where something is lost, silence stands, so that time is kept.

    Attributes:
        info: What is known before the rest is decoded.
        losses: Parts that are lost, as far as it has been decoded.
        notes: Oddities so far, a line each.
        position: Number of the next sample.
    """

    info: AudioInfo

    def __init__(self) -> None:
        """Start at the first sample, with no losses."""
        self.losses: list[Loss] = []
        self.notes: list[str] = []
        self.position = 0

    @abstractmethod
    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end: float32 (n_channels, n)."""

    def skip_to(self, sample: int) -> None:
        """Decode and discard up to a sample, or to the end."""
        while self.position < sample:
            if not self.read(min(65536, sample - self.position)).shape[1]:
                return


def loss_note(losses: Sequence[Loss]) -> str | None:
    """Return a phrase about what was lost, from when to when; None if nothing was."""
    parts = []
    damaged = [loss for loss in losses if not loss.cut]
    if 0 < len(damaged) <= _LISTED:
        places = [
            f"from {loss.start:.3f} s to {loss.end:.3f} s (silence there)"
            if loss.end > loss.start
            else f"at {loss.start:.3f} s"
            for loss in damaged
        ]
        parts.append(f"damaged {', '.join(places)}")
    elif damaged:
        seconds = math.fsum(loss.end - loss.start for loss in damaged)
        parts.append(
            f"damaged in {len(damaged)} places from {damaged[0].start:.3f} s to "
            f"{damaged[-1].end:.3f} s ({seconds:.3f} s of silence there)"
        )
    for loss in losses:
        if loss.cut:
            parts.append(f"cut short or damaged: ends after {loss.start:.3f} s of {loss.end:.3f} s")
    return "; ".join(parts) or None


def stream_name(stream: BinaryIO) -> str:
    """Return a stream's own name, for messages."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else "<stream>"


def read_fully(stream: BinaryIO, n: int) -> bytes:
    """Read n bytes from a stream that may give them in pieces; fewer only at its end."""
    pieces = []
    while n > 0:
        piece: bytes | None = stream.read(n)
        if piece is None:  # a stream that does not block, and has nothing yet
            select.select([stream], [], [])
            continue
        if not piece:
            break
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)
