"""A trained presence network as a stateful ONNX graph (the contract is in `export`)."""

import numpy as np

from isolde.core.spectrum import GRID_22
from isolde.networks.bands import N_BINS, SIGNALS
from isolde.networks.onnx.bands import BandWriter
from isolde.networks.onnx.nodes import TO_THE_END, numbers
from isolde.networks.presence import (
    CENTRE,
    END_BIN,
    FALL,
    FIRST_BIN,
    FLOOR,
    SPREAD,
    STEEP,
    PresenceNetwork,
)

BINS = END_BIN - FIRST_BIN


def presence_graph(network: PresenceNetwork) -> bytes:
    """Write the ONNX file; feed it `bands.SETTLING` frames of silence before a song.

    Args:
        network: Network with trained weights; not changed.

    Returns:
        The serialised model: frames (streams, n, 2048) and states to probabilities
        (streams, n, 1) and states.
    """
    w = BandWriter(network.trunk)
    levels, dip = _heard(w, network)
    head = w.dense(w.leaky(w.dense(levels, network.dense)), network.output)
    below = w.node("Relu", w.node("Sub", dip, w.number(FALL)))
    odds = w.node("Sub", head, w.node("Mul", below, w.number(STEEP)))
    return w.finish(w.node("Sigmoid", odds), 1)


def level_graph(network: PresenceNetwork) -> bytes:
    """Write the same without the head: it answers what the head hears, to train one on.

    Args:
        network: Network, whose head does not matter.

    Returns:
        The serialised model: frames (streams, n, 2048) and states to levels
        (streams, n, spans + 1) and states.
    """
    w = BandWriter(network.trunk)
    both = w.node("Concat", *_heard(w, network), axis=2)
    return w.finish(both, len(network.shape.spans) + 1)


def _heard(w: BandWriter, network: PresenceNetwork) -> tuple[str, str]:
    """The levels of the masked voice (n, streams, spans) and its dip (n, streams, 1)."""
    masks = w.read(w.answer(w.encode("frames")))  # (n * streams, 2, 513)
    return _levels(w, _power(w, masks, network), network)


def _power(w: BandWriter, masks: str, network: PresenceNetwork) -> str:
    """What the masks keep of the frames that they are for: (n, streams)."""
    one = w.number(1.0)
    heard = w.node("Reshape", "frames", w.whole(0, 0, N_BINS, SIGNALS))
    heard = w.part(heard, {2: (FIRST_BIN, END_BIN), 3: (0, 2)})
    heard = w.node("Sub", w.node("Exp", heard), one)
    loud = w.node("Div", heard, w.number(network.shape.scale))
    loud = w.node("Transpose", loud, perm=[1, 0, 2, 3])
    loud = w.delay_by(loud, network.shape.trunk.look_ahead, BINS, 2)
    kept = w.node("Reshape", masks, w.whole(-1, 2, GRID_22.n_bins))
    kept = w.part(kept, {2: (FIRST_BIN, END_BIN)})
    kept = w.node("Transpose", kept, perm=[0, 2, 1])
    kept = w.node("Reshape", kept, w.node("Concat", w.sizes, w.whole(BINS, 2), axis=0))
    voice = w.node("Mul", kept, loud)
    squares = w.node("Mul", voice, voice)
    return w.node("ReduceSum", squares, w.whole(2, 3), keepdims=0)


def _levels(w: BandWriter, power: str, network: PresenceNetwork) -> tuple[str, str]:
    """The means of the power as levels, (n, streams, spans), and the dip, (n, streams, 1)."""
    shape = network.shape
    power = w.node("Unsqueeze", w.node("Transpose", power, perm=[1, 0]), w.whole(1))
    if shape.around:
        before = w.state(1, 2 * shape.around)
        power = w.node("Concat", before, power, axis=2)
        w.part(power, {2: (-2 * shape.around, TO_THE_END)}, output=f"next_{before}")
    kernels = w.constant(numbers(network.means))
    means = w.node("Conv", power, kernels, kernel_shape=[2 * shape.around + 1])
    levels = w.node("Sub", _bels(w, means), w.number(CENTRE))
    levels = w.node("Div", levels, w.number(SPREAD))

    def greatest(value: str, side: int) -> str:
        return w.node("MaxPool", value, kernel_shape=[2 * side + 1], strides=[1])

    beyond = shape.around - 2 * shape.hole - shape.reach
    each = w.part(_bels(w, power), {2: (beyond, -beyond or TO_THE_END)})
    filled = w.node("Neg", greatest(w.node("Neg", greatest(each, shape.hole)), shape.hole))
    here = w.part(filled, {2: (shape.reach, -shape.reach or TO_THE_END)})
    dip = w.node("Sub", greatest(filled, shape.reach), here)
    first, second = (w.node("Transpose", v, perm=[2, 0, 1]) for v in (levels, dip))
    return first, second


def _bels(w: BandWriter, power: str) -> str:
    nepers = w.node("Log", w.node("Add", power, w.number(FLOOR)))
    return w.node("Div", nepers, w.number(float(np.log(10.0))))
