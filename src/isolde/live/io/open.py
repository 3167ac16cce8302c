"""Devices opened for a session, with silence in store; it moves no sound after that."""

import numpy as np

from isolde.live.io.devices import Device, Ports
from isolde.live.plan import Plan

_STORE_SECONDS = 0.035
"""Silence laid down before the output at "low" latency, at most, and at least two blocks."""
_SETTLING_SECONDS = 0.1
"""Captured and thrown away first: capturing takes a while to begin."""


def open_ports(plan: Plan, *, source: Device | None, target: Device, latency: float | str) -> Ports:
    """Open a session's devices.

    Capturing takes a while to begin; without silence in store, laid down when it has begun, the
    output would starve meanwhile.

    Args:
        plan: The session's numbers.
        source: Source to capture from, or None.
        target: Target to play to.
        latency: Latency in seconds in each device's buffer, or "low" or "high".

    Raises:
        AudioError: When a device cannot be opened so.
    """
    ports = Ports(
        source=source,
        target=target,
        sample_rate=plan.sample_rate,
        n_channels=plan.n_channels,
        block=plan.block,
        latency=latency,
    )
    if source is None:
        return ports
    for _ in range(1 + int(_SETTLING_SECONDS / plan.block_seconds)):
        ports.read()
    seconds = ports.latency[1]
    if latency == "low":
        seconds = min(seconds, max(2 * plan.block_seconds, _STORE_SECONDS))
    silence = np.zeros((plan.n_channels, plan.block), np.float32)
    for _ in range(max(1, round(seconds * plan.sample_rate) // plan.block)):
        if ports.room >= plan.block:
            ports.write(silence)
    return ports
