"""A stateful network graph run by ONNX Runtime; it knows neither audio nor layers.

The contract: `frames` (batch, n, width) and the states in, `mask` (batch, n, outputs) and the next
states out, for any n that is a multiple of the graph's step. Answer i of a stream is for frame
i - look_ahead. A graph may also have `presence` (batch, n, 1), the probability that somebody sings.
Everything else in the file is the graph's own affair, so a better network is just another file.
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
"""Frames of one call at most: keeps the maps of a call within a processor's cache."""


def check_answer(values: Float32, *, name: str) -> None:
    """Refuse what a network answers where it is no number.

    Args:
        values: The answer.
        name: Name of the model.

    Raises:
        ModelError: It holds NaN or infinity.
    """
    if not isfinite(values.sum()):  # NaN and infinity survive a sum
        raise ModelError(f"the network of '{name}' gives NaN or infinity: damaged?")


@cache
def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime, and let it tell its maker nothing, also where it was imported before."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


class Session:
    """A graph of any kind, loaded: named inputs and outputs, and one call.

    Attributes:
        inputs: Name -> shape, a name or None where a size is free.
        outputs: Likewise.
    """

    def __init__(self, model: bytes | Path, *, threads: int = 1) -> None:
        """Load a graph.

        Args:
            model: The file, or what it holds.
            threads: Number of threads that one call may use; no more than there are cores.

        Raises:
            ModelError: When it is no graph.
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
        """Compute.

        Args:
            feeds: An array for each input.
            outputs: Names; None: all, in their order.
            release: Whether the memory of the call is given back, for others that compute next.

        Raises:
            ModelError: When the graph refuses the arrays.
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
    """One stateful graph; any number of streams can run through it, each with its own state.

    Attributes:
        width: Numbers of a frame.
        step: Frames that it takes at once: a call's number of frames is a multiple.
        n_outputs: Numbers of a frame's answer.
    """

    def __init__(
        self, model: bytes | Path, *, threads: int = 1, step: int = 1, answer: str = "mask"
    ) -> None:
        """Load a graph.

        Args:
            model: The file, or what it holds.
            threads: Number of threads that one call may use.
            step: Frames that the graph takes at once.
            answer: Output that calls give: "mask" or "presence". What only others need is not
                computed.

        Raises:
            ModelError: When it is no such graph.
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
        """Zeros to begin a stream with; feed real padding frames before the first of a song."""
        return {
            name: np.zeros((batch, *(int(d) for d in shape[1:])), np.float32)
            for name, shape in self._states.items()
        }

    def __call__(self, frames: Float32, state: State) -> tuple[Float32, State]:
        """Answer for the next frames of a stream.

        Args:
            frames: (batch, n, width) features; n is a multiple of the step.
            state: State from `state` or the call before; not changed.

        Returns:
            the answer (batch, n, outputs) and the state for the next call.
        """
        answers = [np.zeros((frames.shape[0], 0, self.n_outputs), np.float32)]
        at_once = max(FRAMES_AT_ONCE - FRAMES_AT_ONCE % self.step, self.step)
        for start in range(0, frames.shape[1], at_once):
            part = np.ascontiguousarray(frames[:, start : start + at_once], np.float32)
            values = self._session.run({"frames": part, **state}, self._outputs)
            answers.append(values[0])
            state = dict(zip(self._states, values[1:], strict=True))
        return np.concatenate(answers, axis=1), state
