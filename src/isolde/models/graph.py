"""Run a network graph with a state by ONNX Runtime; it knows neither audio nor layers.

The contract: `frames` (batch, n, width) and the states in, `mask` (batch, n, outputs) and the next
states out, for any n that is a multiple of the graph's step. Answer i of a stream is for frame
i - look_ahead. A graph may also have `presence` (batch, n, 1), the probability that somebody sings.
The rest of the file is free, so a better network is just another file.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from isolde.core.errors import ModelError
from isolde.core.stage import Float32

State = dict[str, Float32]
Shape = Sequence[Any]

FRAMES_AT_ONCE = 8
"""Greatest number of frames of a call: the activations then fit the cache of a processor."""


def check_answer(values: Float32, *, name: str) -> None:
    """Refuse the answer of a network if it holds NaN or infinity.

    Args:
        values: Answer of the network.
        name: Name of the model.

    Raises:
        ModelError: The answer holds NaN or infinity.
    """
    if not isfinite(values.sum()):  # NaN and infinity survive a sum
        raise ModelError(f"the network of '{name}' gives NaN or infinity: damaged?")


@cache
def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime with telemetry off, also if it was imported before."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


class Session:
    """A loaded graph of any kind.

    Attributes:
        inputs: Shape of each input by name; a free size is a name or None.
        outputs: Shape of each output by name.
    """

    def __init__(self, model: bytes | Path, *, threads: int = 1) -> None:
        """Load a graph.

        Args:
            model: Path of the file, or its contents.
            threads: Number of threads of a call; at most the number of cores is used.

        Raises:
            ModelError: The file is no graph.
        """
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = min(threads, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session = ort.InferenceSession(source, options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no class of their own
            first_line = str(error).splitlines()[0]
            raise ModelError(
                f"the model's graph cannot be loaded ({first_line}): give a whole .onnx file"
            ) from None
        self.inputs: dict[str, Shape] = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs: dict[str, Shape] = {o.name: o.shape for o in self._session.get_outputs()}

    def run(
        self,
        feeds: Mapping[str, Float32],
        outputs: Sequence[str] | None = None,
        *,
        release: bool = False,
    ) -> list[Float32]:
        """Compute the outputs.

        Args:
            feeds: Array for each input, by name.
            outputs: Names of the outputs; None for all, in their order.
            release: Whether the memory of the call is freed afterwards.

        Raises:
            ModelError: The graph refuses the arrays.
        """
        options = _onnxruntime().RunOptions() if release else None
        if options:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            values: list[Float32] = self._session.run(outputs, dict(feeds), options)
        except Exception as error:  # ONNX Runtime's errors share no class of their own
            first_line = str(error).splitlines()[0]
            raise ModelError(f"the model's graph cannot compute ({first_line})") from None
        return values


class Graph:
    """A graph with a state; any number of streams can share it, each with its own state.

    Attributes:
        width: Size of the features of a frame.
        step: Number of frames of which every call has a multiple.
        n_outputs: Size of the answer for a frame.
    """

    def __init__(
        self, model: bytes | Path, *, threads: int = 1, step: int = 1, answer: str = "mask"
    ) -> None:
        """Load a graph.

        Args:
            model: Path of the file, or its contents.
            threads: Number of threads of a call.
            step: Number of frames that the graph takes at once.
            answer: Output that calls give: "mask" or "presence"; the other is not computed.

        Raises:
            ModelError: The file is no such graph.
        """
        self._session = Session(model, threads=threads)
        inputs, outputs = dict(self._session.inputs), list(self._session.outputs)
        if "frames" not in inputs or answer not in outputs:
            raise ModelError(
                f"a graph with inputs {sorted(inputs)} and outputs {outputs} is not isolde's: "
                f"it needs 'frames' in and '{answer}' out"
            )
        frames, self.step = inputs.pop("frames"), step
        self._states = inputs
        try:
            self.width, self.n_outputs = int(frames[2]), int(self._session.outputs[answer][2])
            self.state(1)
        except (IndexError, TypeError, ValueError):
            raise ModelError(
                f"a graph with inputs {self._session.inputs} and outputs {self._session.outputs} "
                "leaves sizes free: only the batch and the number of frames may be"
            ) from None
        self._outputs = [answer, *(f"next_{name}" for name in inputs)]

    def state(self, batch: int) -> State:
        """Give the state of zeros; frames of silence should be fed before the first of a song."""
        return {
            name: np.zeros((batch, *(int(d) for d in shape[1:])), np.float32)
            for name, shape in self._states.items()
        }

    def __call__(self, frames: Float32, state: State) -> tuple[Float32, State]:
        """Compute the answers for the next frames of a stream.

        Args:
            frames: Features (batch, n, width); n is a multiple of the step.
            state: State of `state` or of the last call; it is not changed.

        Returns:
            Answers (batch, n, n_outputs), and the state for the next call.
        """
        answers = [np.zeros((frames.shape[0], 0, self.n_outputs), np.float32)]
        at_once = max(FRAMES_AT_ONCE - FRAMES_AT_ONCE % self.step, self.step)
        for start in range(0, frames.shape[1], at_once):
            part = np.ascontiguousarray(frames[:, start : start + at_once], np.float32)
            values = self._session.run({"frames": part, **state}, self._outputs)
            answers.append(values[0])
            state = dict(zip(self._states, values[1:], strict=True))
        return np.concatenate(answers, axis=1), state
