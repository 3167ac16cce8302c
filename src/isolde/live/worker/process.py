"""The process in which the network runs: tape in, tape out, orders and reports as messages.

It opens no device and no file but the model, and ends with its parent.
"""

import contextlib
import gc
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum
from multiprocessing.connection import Client, Connection
from pathlib import Path

import numpy as np

from isolde.core.config import build
from isolde.core.errors import IsoldeError, ModelError
from isolde.core.stage import Float32
from isolde.live.plan import Plan
from isolde.live.stream.ring import SharedMemory, Tape
from isolde.live.worker.monitor import TunableMasker
from isolde.live.worker.priority import raise_priority
from isolde.models.catalogue import LIVE
from isolde.models.masker import Masker
from isolde.separation.load import make_estimator
from isolde.separation.stages.separator import Separator


class Order(IntEnum):
    """An order to the worker; each has one number."""

    PUSH = 1
    """The mixture is there up to this position."""
    RESET = 2
    """A new stream begins at this position."""
    FINISH = 3
    """The stream ends at this position: give the rest."""
    STRENGTH = 4
    """The strength of the mask from now on."""
    STOP = 5
    """End."""


class News(IntEnum):
    """A report of the worker."""

    READY = 1
    """The model is loaded."""
    DONE = 2
    """The stems are there up to a position."""
    LOST = 3
    """Mixture was overwritten before it was separated, up to a position."""


ORDER = struct.Struct("<Bd")
NEWS = struct.Struct("<Bqqdd")
"""Kind; end of the stems; end of the mixture that was read; seconds this took; activity."""

_CHUNK_SECONDS = 0.2
"""Seconds of sound separated at once when there is a backlog, to make fewer calls."""


def lay_tapes(memory: SharedMemory, plan: Plan) -> tuple[Tape, Tape]:
    """Map the tapes of mixture and stems onto one piece of memory, the same in both processes."""
    n, capacity = plan.n_channels, plan.capacity
    mixture = Tape(memory, 0, n_rows=n, capacity=capacity)
    offset = Tape.size(n, capacity)
    return mixture, Tape(memory, offset, n_rows=n * len(plan.stems), capacity=capacity)


def memory_size(plan: Plan) -> int:
    """Bytes that `lay_tapes` needs."""
    n, capacity = plan.n_channels, plan.capacity
    return Tape.size(n, capacity) + Tape.size(n * len(plan.stems), capacity)


def load(plan: Plan) -> tuple[Separator, TunableMasker]:
    """Make the offline separator, with a masker whose strength can change.

    Raises:
        ModelError: The model cannot be loaded.
    """
    settings, made = plan.settings, []

    def tunable(inner: Masker) -> Masker:
        strength = settings.strength if settings.mask == "soft" else 1.0
        made.append(TunableMasker(inner, strength=strength))
        return made[-1]

    estimator = make_estimator(
        replace(settings, strength=1.0),  # `tunable` applies it
        sample_rate=plan.sample_rate,
        n_channels=plan.n_channels,
        wrap=tunable,
    )
    if not made:
        raise ModelError(
            f"model '{settings.model}' gives sound and no masks: take one that gives masks, like "
            f"'{LIVE}'"
        )
    separator = Separator(estimator, sample_rate=plan.sample_rate, n_channels=plan.n_channels)
    silence = np.zeros((plan.n_channels, 4 * plan.block), np.float32)
    separator.feed(silence)  # the first call is slow
    separator.reset()
    return separator, made[-1]


class Worker:
    """Separates what arrives on one tape onto another, until it is told to stop."""

    def __init__(self, plan: Plan, connection: Connection, mixture: Tape, stems: Tape) -> None:
        """Load the model."""
        self._connection, self._mixture, self._stems = connection, mixture, stems
        self._separator, self._masker = load(plan)
        backlog = int(_CHUNK_SECONDS * plan.sample_rate)
        self._chunk = min(mixture.largest_write // 2, max(plan.block, backlog))
        self._eaten = 0
        self._block = np.zeros((plan.n_channels, self._chunk), np.float32)

    def serve(self) -> None:
        """Work until STOP, or until the parent is gone."""
        self._tell(News.READY, 0.0)
        with contextlib.suppress(EOFError, OSError):
            pending: list[tuple[Order, float]] = []
            while True:
                pending = self._newest(pending, wait=True)
                while pending:
                    order, number = pending.pop(0)
                    if order is Order.STOP:
                        return
                    if order in (Order.PUSH, Order.FINISH):
                        while self._separate(int(number)):
                            pending = self._newest(pending, wait=False)
                            if any(o in (Order.RESET, Order.STOP) for o, _ in pending):
                                break
                    if order is Order.FINISH and self._eaten >= int(number):
                        self._finish()
                    elif order is Order.RESET:
                        self._restart(int(number))
                    elif order is Order.STRENGTH:
                        self._masker.strength = number

    def _newest(
        self, pending: list[tuple[Order, float]], *, wait: bool
    ) -> list[tuple[Order, float]]:
        """Give all orders that wait, without those that a later one replaces."""
        for order, number in self._orders(wait and not pending):
            if order is Order.RESET:
                pending = [p for p in pending if p[0] is Order.STRENGTH]
            elif order is Order.PUSH and pending and pending[-1][0] is Order.PUSH:
                pending.pop()
            pending.append((order, number))
        return pending

    def _orders(self, wait: bool) -> Iterator[tuple[Order, float]]:
        if wait:
            kind, number = ORDER.unpack(self._connection.recv_bytes())
            yield Order(kind), number
        while self._connection.poll(0):
            kind, number = ORDER.unpack(self._connection.recv_bytes())
            yield Order(kind), number

    def _separate(self, end: int) -> bool:
        """Separate one chunk of the mixture up to `end`; False when there is no more."""
        n = min(end - self._eaten, self._chunk)
        if n <= 0:
            return False
        began = time.perf_counter()
        block = self._block[:, :n]
        if not self._mixture.read(self._eaten, block):
            # The mixture was overwritten: begin anew with what comes next.
            self._restart(self._mixture.written)
            self._tell(News.LOST, 0.0)
            return False
        self._give(self._separator.feed(block))
        self._eaten += n
        self._tell(News.DONE, time.perf_counter() - began)
        return True

    def _finish(self) -> None:
        rest = self._separator.flush()
        n = next(iter(rest.values())).shape[1]
        for start in range(0, n, self._chunk):
            self._give({s: v[:, start : start + self._chunk] for s, v in rest.items()})
        self._tell(News.DONE, 0.0)

    def _restart(self, position: int) -> None:
        self._separator.reset()
        self._stems.jump(position)
        self._eaten = position

    def _give(self, stems: dict[str, Float32]) -> None:
        self._stems.write(np.concatenate(list(stems.values())))

    def _tell(self, news: News, seconds: float) -> None:
        written, activity = self._stems.written, self._masker.activity
        self._connection.send_bytes(NEWS.pack(news, written, self._eaten, seconds, activity))


def main() -> None:
    """Run the child process; address, key, plan and urgency come on standard input."""
    told = json.load(sys.stdin)
    plan = build(Plan, told["plan"], where="the plan")
    try:
        memory = SharedMemory(memory_size(plan), Path(told["memory"]))
        connection = Client(told["address"], authkey=bytes.fromhex(told["key"]))
        connection.send_bytes(b"mapped")  # the name of the memory can be removed
    except (OSError, EOFError):  # the session has ended meanwhile
        return
    with connection:
        try:
            worker = Worker(plan, connection, *lay_tapes(memory, plan))
        except IsoldeError as error:
            connection.send_bytes(b"\0" + os.fsencode(str(error)))  # no report begins with 0
            return
        gc.collect()
        gc.freeze()
        if told["urgent"]:
            raise_priority()  # not before: loading may take its time
        worker.serve()
