"""Split the songs into shares for independent jobs; it lists no songs."""

import hashlib
import re
from dataclasses import dataclass

from isolde.core.errors import InputError


@dataclass(frozen=True)
class Shard:
    """One of several shares of a batch.

    The share of a song depends on its track name alone: every job finds the same one, and a new
    song moves no other. Sizes of shares differ as those of random draws.

    Attributes:
        number: Number of the share, from 1.
        count: Number of shares.

    Raises:
        InputError: There is no such share.

    Examples:
        >>> [n for n in (1, 2, 3) if Shard(n, 3).holds("album/song")]
        [3]
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        """Refuse a share that does not exist."""
        if not 1 <= self.number <= self.count:
            raise InputError(
                f"shard {self.number}/{self.count} does not exist: give one of 1/{self.count} to "
                f"{self.count}/{self.count}"
                if self.count > 0
                else f"shard {self.number}/{self.count}: give 1 shard or more, like 1/8"
            )

    def holds(self, track: str) -> bool:
        """Tell whether a song is in this share.

        Args:
            track: Name under which its stems are written.
        """
        digest = hashlib.sha256(track.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def parse_shard(text: str) -> Shard:
    """Read a share from text.

    Args:
        text: Number and count, like "3/8" for the third of eight.

    Raises:
        InputError: The text is no share.
    """
    if not (found := re.fullmatch(r"(\d+)/(\d+)", text)):
        raise InputError(
            f"shard '{text}' is no share: give number and count, like 3/8, from 1/8 on"
        )
    return Shard(int(found[1]), int(found[2]))
