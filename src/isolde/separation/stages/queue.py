"""Blocks of a stream that wait for their other half; it knows nothing of what they hold."""

import numpy as np


class Queue:
    """Blocks joined along one axis, taken from the front.

    Attributes:
        n: Length of what waits, along the axis.
    """

    def __init__(self, axis: int) -> None:
        """Begin with nothing, for blocks that are joined along `axis`."""
        self._axis, self._parts = axis, list[np.ndarray]()
        self.n = 0

    def put(self, block: np.ndarray) -> None:
        """Append a block."""
        if block.shape[self._axis]:
            self._parts.append(block)
            self.n += block.shape[self._axis]

    def take(self, n: int, like: np.ndarray) -> np.ndarray:
        """Remove the first `n`; of the shape of `like` when there are none."""
        whole = np.concatenate([np.take(like, [], axis=self._axis), *self._parts], axis=self._axis)
        first, rest = np.split(whole, [n], axis=self._axis)
        self._parts = [rest]
        self.n = rest.shape[self._axis]
        return first
