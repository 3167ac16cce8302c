"""Opens the devices of a session, and again when they have gone; it moves no sound after that."""

import threading
import time

import numpy as np

from isolde.core.errors import InputError, IsoldeError
from isolde.live.io import devices
from isolde.live.io.devices import Device, Ports
from isolde.live.plan import Plan
from isolde.live.worker.priority import high_priority

_STORE_SECONDS = 0.035
"""Seconds of silence that the output begins with at "low" latency, or two blocks if more."""
_SETTLING_SECONDS = 0.1
"""Seconds that are captured and dropped first: capturing takes a while to begin."""
_REOPEN_SECONDS = 0.5
"""Seconds from one try to find a lost device to the next."""


class Connection:
    """A session's devices by their names: a device that comes back may have another number.

    Attributes:
        patience: Seconds to wait for a device that has gone.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        source: Device | None,
        target: Device,
        latency: float | str,
        patience: float,
    ) -> None:
        """Note what to open.

        Args:
            plan: The session's numbers.
            source: Device to capture from, or None.
            target: Device to play to.
            latency: Latency in seconds in each device's buffer, or "low" or "high".
            patience: Seconds to wait for a device that has gone.
        """
        self._plan, self._source, self._target, self._latency = plan, source, target, latency
        self.patience = patience

    def open(self) -> Ports:
        """Open the devices.

        Once capturing has begun, silence is written to the output, which would else be empty at
        first.

        Raises:
            AudioError: A device cannot be opened.
        """
        plan = self._plan
        with high_priority():  # for the threads that the sound server's library starts
            ports = Ports(
                source=self._source,
                target=self._target,
                sample_rate=plan.sample_rate,
                n_channels=plan.n_channels,
                block=plan.block,
                latency=self._latency,
            )
            if self._source is None:
                return ports
            try:
                for _ in range(1 + int(_SETTLING_SECONDS / plan.block_seconds)):
                    ports.read()
                seconds = ports.latency[1]
                if self._latency == "low":
                    seconds = min(seconds, max(2 * plan.block_seconds, _STORE_SECONDS))
                silence = np.zeros((plan.n_channels, plan.block), np.float32)
                for _ in range(max(1, round(seconds * plan.sample_rate) // plan.block)):
                    if ports.room >= plan.block:
                        ports.write(silence)
            except BaseException:
                ports.close()
                raise
        return ports

    def reopen(self, stop: threading.Event) -> Ports | None:
        """Wait for devices that have gone; None when they do not come back in time.

        Args:
            stop: Event that ends the waiting.
        """
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline and not stop.wait(_REOPEN_SECONDS):
            devices.refresh()
            try:
                if self._source is not None:
                    self._source = devices.find(self._source.name, "input")
                self._target = devices.find(self._target.name, "output")
                return self.open()
            except IsoldeError:
                continue
        return None


def check_channels(
    n_channels: int, device: Device, kind: str, *, instead: int | None = None
) -> None:
    """Refuse more channels than a device has.

    Args:
        n_channels: Number of channels of the stream.
        device: Device to play them to or to capture them from.
        kind: "input" or "output".
        instead: Number of channels to advise; None: as many as the device has.

    Raises:
        InputError: The device has fewer.
    """
    has = device.n_inputs if kind == "input" else device.n_outputs
    if n_channels > has:
        raise InputError(
            f"{kind} '{device.name}' has {has} channels, not {n_channels}: "
            f"give --channels {instead or has}"
        )
