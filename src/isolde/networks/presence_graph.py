"""A trained presence network as a stateful ONNX graph (the contract is in `export`)."""

from isolde.networks.bands_graph import BandWriter
from isolde.networks.presence import PresenceNetwork


def presence_graph(network: PresenceNetwork) -> bytes:
    """The ONNX file; feed it `bands_graph.SETTLING` frames of silence before a song.

    Args:
        network: trained weights; not changed.

    Returns:
        the serialised model: frames (streams, n, 2048) and states to probabilities
        (streams, n, 1) and states.
    """
    w, shape = BandWriter(network.trunk), network.shape
    seen = w.leaky(w.dense(w.encode("frames"), network.see))
    seen = w.node("Reshape", seen, w.whole(0, 0, -1))
    seen = w.leaky(w.dense(seen, network.gather))  # (n, streams, hidden)
    said = w.remember(seen, network.memory, shape.hidden)
    said = w.node("Squeeze", said, w.whole(1))
    late = w.delayed(seen, shape.delay, shape.hidden)
    answer = w.node("Sigmoid", w.dense(w.node("Add", late, said), network.output))
    return w.finished(answer, 1)
