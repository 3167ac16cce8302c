"""Hold blocks of a stream until they are needed; it does not know what they contain."""

import numpy as np


class Queue:
    """Blocks joined along one axis, taken from the front.

    Attributes:
        n: Length of the held blocks along the axis.
    """

    def __init__(self, axis: int) -> None:
        """Start without blocks; they are joined along `axis`."""
        self._axis, self._parts = axis, list[np.ndarray]()
        self.n = 0

    def put(self, block: np.ndarray) -> None:
        """Append a block."""
        if block.shape[self._axis]:
            self._parts.append(block)
            self.n += block.shape[self._axis]

    def take(self, n: int, like: np.ndarray) -> np.ndarray:
        """Remove and return the first `n`; `like` has the shape of a block, for an empty queue."""
        whole = np.concatenate([np.take(like, [], axis=self._axis), *self._parts], axis=self._axis)
        first, rest = np.split(whole, [n], axis=self._axis)
        self._parts = [rest]
        self.n = rest.shape[self._axis]
        return first
