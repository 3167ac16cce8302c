"""Run a network graph as a stream from features to answers; it knows neither spectra nor masks.

Frames of silence are fed before a song, because biases make their state differ from zeros. Silence
is fed after it until every frame has its answer.
"""

import numpy as np

from isolde.core.stage import Float32
from isolde.models.graph import Graph


class GraphStream:
    """Features (streams, n, width) in, answers (streams, m, outputs) out, one for each frame."""

    def __init__(self, graph: Graph, *, streams: int, look_ahead: int, past: int) -> None:
        """Start a stream.

        Args:
            graph: Graph of the network.
            streams: Number of parallel streams.
            look_ahead: Number of frames after a frame that its answer needs.
            past: Number of frames of silence before the first of a song.
        """
        self._graph, self._streams, self._look_ahead = graph, streams, look_ahead
        _, self._begin = graph(self._silence(past + -past % graph.step), graph.state(streams))
        self.reset()

    @property
    def latency(self) -> int:
        """Latency in frames: answer k is ready once frame k + latency is in."""
        return self._look_ahead + self._graph.step - 1

    def reset(self) -> None:
        """Begin a song."""
        self._state = self._begin
        self._early = self._look_ahead  # answers to drop: for frames before the first
        self._waiting = self._silence(0)  # frames that do not fill a step yet
        self._owed = 0  # frames without an answer

    def feed(self, frames: Float32, /) -> Float32:
        """Take frames; return the answers that are ready."""
        self._owed += frames.shape[1]
        if self._graph.step > 1:
            frames = np.concatenate([self._waiting, frames], axis=1)
            whole = frames.shape[1] - frames.shape[1] % self._graph.step
            self._waiting, frames = frames[:, whole:], frames[:, :whole]
        answers, self._state = self._graph(frames, self._state)
        skip = min(self._early, answers.shape[1])
        self._early -= skip
        self._owed -= answers.shape[1] - skip
        return answers[:, skip:]

    def flush(self) -> Float32:
        """End the stream; return the remaining answers."""
        owed, n = self._owed, self._waiting.shape[1] + self._look_ahead
        return self.feed(self._silence(self._look_ahead + -n % self._graph.step))[:, :owed]

    def _silence(self, n: int) -> Float32:
        return np.zeros((self._streams, n, self._graph.width), np.float32)
