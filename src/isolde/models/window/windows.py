"""Process a stream in overlapping windows and cross-fade the answers; it knows no network.

A network without a state takes a window of `size` frames (or samples) at once. Window k lies at
[k step, k step + size), with some frames of context before and after it, and neighbours overlap by
size - step <= step. In an overlap of m the weights are straight lines,

    up[i] = (i + 1/2) / m        of the later window
    1 - up[i]                    of the earlier one

and 1 elsewhere, so that they sum to 1 everywhere. Windows are counted from the first frame of the
stream, so block sizes do not matter. In a stream longer than a window the last window ends where
the stream ends. A shorter stream has one window, filled up with silence, or as short as possible
and filled up with the beginning of the stream, like a loop. Other missing context is silence.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError
from isolde.core.stage import Float32

Array = NDArray[Any]
Process = Callable[[Array], Float32]


class Windows:
    """A stage from (n_channels, n, ...) to (n_stems, n_channels, n, ...), window by window."""

    def __init__(
        self,
        process: Process,
        *,
        size: int,
        step: int,
        empty: Float32,
        before: int = 0,
        after: int = 0,
        multiple: int = 0,
    ) -> None:
        """Start a stream.

        Args:
            process: Function from (n_channels, before + size + after, ...) to an answer of as many
                frames, (n_stems, n_channels, before + size + after, ...).
            size: Length of a window in frames, without context.
            step: Frames from one window to the next, size / 2 to size.
            empty: Answer of no frames, (n_stems, n_channels, 0, ...).
            before: Number of frames of context before a window.
            after: Number of frames of context after a window.
            multiple: The window of a short stream has a multiple of this number of frames, and is
                filled up with the beginning of the stream; 0: it has `size` frames, filled up with
                silence.

        Raises:
            InputError: The windows would leave gaps, or three of them would overlap.
        """
        if not 0 < step <= size <= 2 * step or min(before, after) < 0:
            raise InputError(
                f"windows of {size} every {step} that hear {before} before and {after} after: "
                "give a step of half a window to a whole one, and nothing negative"
            )
        self._process, self._empty = process, empty
        self._size, self._step, self._before, self._after = size, step, before, after
        self._multiple, self._loops = multiple or size, bool(multiple)
        overlap = size - step
        self._up = ((np.arange(overlap) + 0.5) / max(1, overlap)).astype(np.float32)
        self._up = self._up.reshape(-1, *(1,) * (empty.ndim - 3))
        self.reset()

    @property
    def latency(self) -> int:
        """Latency in frames: answer k, counted from 0, is ready once k + latency frames are in."""
        return self._size + self._after

    def reset(self) -> None:
        """Begin anew."""
        self._parts: list[Array] = []  # held blocks of the stream, from frame `_from` on
        self._from = self._n = 0
        self._next = 0  # number of the next window
        self._tail = self._empty  # answer of the last window where the next one overlaps

    def feed(self, block: Array, /) -> Float32:
        """Take the next frames (n_channels, n, ...); return the answers that are ready."""
        if block.shape[1] or not self._parts:
            self._parts.append(block.copy())
        self._n += block.shape[1]
        ready = [self._empty]
        while self._n >= self._next * self._step + self._size + self._after:
            ready.append(self._window(self._next * self._step, self._size, last=False))
        return np.concatenate(ready, axis=2)

    def flush(self) -> Float32:
        """End the stream; return the remaining answers."""
        ready = [self._empty]
        whole = -(-self._n // self._multiple) * self._multiple
        size = min(self._size, whole)
        if self._loops and 0 < self._n < size:
            self._parts = [np.take(self._held(), range(size), axis=1, mode="wrap")]
        while self._n > self._done + self._tail.shape[2]:
            place = min(self._done, max(0, self._n - size))
            ready.append(self._window(place, size, last=place + size >= self._n))
        if self._tail.shape[2]:  # the last window reaches the end
            ready.append(self._tail[:, :, : self._n - self._done])
            self._next, self._tail = self._next + 1, self._empty
        return np.concatenate(ready, axis=2)

    @property
    def _done(self) -> int:
        """Number of answers returned so far."""
        return self._next * self._step

    def _window(self, place: int, size: int, *, last: bool) -> Float32:
        """Process `size` frames from `place` on; return the answers that are final."""
        answer = self._process(self._cut(place - self._before, place + size + self._after))
        answer = answer[:, :, self._before + self._done - place : self._before + size]
        overlap = self._tail.shape[2]
        if overlap:
            up = self._up[:overlap]
            joined = self._tail * (1 - up) + answer[:, :, :overlap] * up
            answer = np.concatenate([joined, answer[:, :, overlap:]], axis=2)
        if last:
            # No window follows: `flush` returns all of it, as the tail of the last window.
            self._tail = answer
            return self._empty
        self._next += 1
        self._tail = answer[:, :, self._step :]
        self._forget(place - self._before)
        return answer[:, :, : self._step]

    def _cut(self, start: int, end: int) -> Array:
        """Cut frames [start, end) from the held ones, with zeros outside of them."""
        held = self._held()
        first, final = max(start, self._from), max(start, min(end, self._from + held.shape[1]))
        inside = held[:, first - self._from : max(first, final) - self._from]
        pads = [(0, 0), (first - start, end - max(first, final)), *[(0, 0)] * (held.ndim - 2)]
        return np.pad(inside, pads)

    def _held(self) -> Array:
        """Join the held blocks to one array."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts, axis=1)]
        return self._parts[0]

    def _forget(self, start: int) -> None:
        """Drop the frames before `start`, which no later window needs."""
        drop = max(0, start - self._from)
        self._parts = [self._held()[:, drop:].copy()]
        self._from += drop
