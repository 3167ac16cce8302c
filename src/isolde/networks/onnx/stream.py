"""A network's streaming form as a stateful ONNX graph, by PyTorch's own exporter."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isolde.core.errors import MissingExtraError

OPSET = 20


def stream_graph(
    network: nn.Module,
    frames: Tensor,
    state: Mapping[str, Tensor],
    *,
    answers: Sequence[str],
    step: int = 1,
) -> bytes:
    """Write an ONNX file.

    Args:
        network: Frames and a list of states in; the answers and the next states out.
        frames: Some, (batch, n, ...), both at least 2; any other numbers of streams and of frames
            will do as well, these a multiple of the step.
        state: Of as many streams, by the name that each is to have.
        answers: Names of the answers.
        step: Frames that the network takes at once.

    Returns:
        The serialised model: `frames` and the states in, the answers and `next_` states out.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingExtraError("onnxscript", extra="train", purpose="writing a model") from None
    some, steps = torch.export.Dim("batch"), torch.export.Dim("steps")
    with warnings.catch_warnings(), _quiet("torch.onnx"), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            (frames, list(state.values())),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["frames", *state],
            output_names=[*answers, *(f"next_{name}" for name in state)],
            dynamic_shapes=({0: some, 1: step * steps}, [{0: some} for _ in state]),
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # where in the code it came from: a tenth of the file
    return bytes(model.SerializeToString())


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Only errors of a logger, which else tells of packages that nobody needs."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
