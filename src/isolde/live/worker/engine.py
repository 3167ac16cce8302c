"""Starts the worker, sends it orders and collects its reports; it separates nothing itself.

The worker is a child process, so that Python code of this process does not delay the network, and
the network does not delay the devices.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from isolde.core.errors import IsoldeError, ModelError
from isolde.live.plan import Plan
from isolde.live.stream.ring import SharedMemory
from isolde.live.worker.process import NEWS, ORDER, News, Order, lay_tapes, memory_size

_UNREAD_ORDERS = 64
"""Orders that may wait unread; then a PUSH is left out, since the next one includes it."""


@dataclass(frozen=True)
class WorkerReport:
    """One message of the worker.

    Attributes:
        kind: What happened.
        available: Position up to which stems are on the tape.
        eaten: Position up to which the mixture has been separated.
        seconds: Seconds that the last piece took.
        activity: Mean of the first stem's mask, in [0, 1].
    """

    kind: News
    available: int
    eaten: int
    seconds: float
    activity: float


class Engine:
    """The worker, its tapes and the messages to and from it.

    Attributes:
        mixture: Tape to write the mixture to.
        stems: Tape that the worker writes, stem after stem, channel after channel.
    """

    def __init__(self, plan: Plan, *, urgent: bool = False) -> None:
        """Start the worker, which then loads its model.

        Args:
            plan: The session's numbers.
            urgent: Whether the process raises its priority.

        Raises:
            AudioError: There is no memory to share.
            ModelError: The process cannot be started.
        """
        self.plan = plan
        self._memory = SharedMemory(memory_size(plan))
        self.mixture, self.stems = lay_tapes(self._memory, plan)
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._error: str | None = None
        self._unread = 0
        self._waiting: list[bytes] = []
        self._begun = threading.Event()
        self._process = self._start(urgent)

    @property
    def pid(self) -> int:
        """Number of the process in which the network runs."""
        return self._process.pid

    def order(self, kind: Order, number: float) -> None:
        """Send an order, without waiting."""
        message = ORDER.pack(kind, number)
        with self._lock:
            if self._connection is None:
                if kind is Order.PUSH and self._waiting and self._waiting[-1][0] == Order.PUSH:
                    self._waiting.pop()
                self._waiting.append(message)
                return
            if kind is Order.PUSH and self._unread >= _UNREAD_ORDERS:
                return
            self._unread += kind is Order.PUSH
            with contextlib.suppress(OSError):  # `news` notices a worker that is gone
                self._connection.send_bytes(message)

    def news(self, timeout: float = 0.0) -> list[WorkerReport]:
        """Return all reports since the last call.

        Args:
            timeout: Seconds to wait for the first one.

        Raises:
            ModelError: The worker could not load its model, or has died.
        """
        connection = self._connection
        if connection is None:
            if self._error is None and not self._begun.wait(timeout):
                return []
            connection = self._connection
        if connection is None:
            raise ModelError(self._error or "the separator has been closed")
        reports: list[WorkerReport] = []
        try:
            while connection.poll(0.0 if reports else timeout):
                message = connection.recv_bytes()
                if not message[0]:
                    raise ModelError(os.fsdecode(message[1:]))
                kind, *values = NEWS.unpack(message)
                reports.append(WorkerReport(News(kind), *values))
        except (EOFError, OSError) as error:
            if isinstance(error, IsoldeError):
                raise
            raise ModelError(_death(self._process)) from None
        if reports:
            self._unread = 0
        return reports

    def close(self, timeout: float = 2.0) -> None:
        """Ask the worker to end, and kill it after `timeout` seconds."""
        self.order(Order.STOP, 0)
        try:
            self._process.wait(timeout if self._connection else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._begun.wait(1.0)
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        self._error = self._error or "the separator has been closed"
        self.mixture.release()
        self.stems.release()
        self._memory.close()

    def _start(self, urgent: bool) -> "subprocess.Popen[bytes]":
        # A plain child, not `multiprocessing`: that would import the caller's main module again.
        key = secrets.token_bytes(16)
        listener = Listener(authkey=key)
        told = {
            "address": listener.address,
            "key": key.hex(),
            "memory": str(self._memory.path),
            "plan": asdict(self.plan),
            "urgent": urgent,
        }
        root = str(Path(__file__).parents[3])
        command = (
            f"import sys; sys.path.insert(0, {root!r});"
            " from isolde.live.worker.process import main; main()"
        )
        # Ctrl-C is for this process; it ends the other one when all is written.
        options: dict[str, object] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        try:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-P", "-c", command],  # -P: no module of the current folder
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                **options,  # type: ignore[call-overload]
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(told).encode())
            process.stdin.close()
        except OSError as error:
            listener.close()
            raise ModelError(f"the separator's process cannot be started ({error})") from None
        threading.Thread(
            target=self._accept, args=(listener,), name="isolde start", daemon=True
        ).start()
        threading.Thread(target=self._unblock, args=(process, listener), daemon=True).start()
        return process

    def _accept(self, listener: Listener) -> None:
        """Take the worker's call, then send the orders that were given meanwhile."""
        try:
            connection = listener.accept()
            connection.recv_bytes()
        except (OSError, EOFError) as error:
            self._error = self._error or f"the separator's process did not connect ({error})"
            self._begun.set()
            return
        finally:
            listener.close()
        self._memory.forget()
        with self._lock:
            with contextlib.suppress(OSError):  # `news` notices a worker that is gone
                for message in self._waiting:
                    connection.send_bytes(message)
            self._connection = connection
        self._begun.set()

    def _unblock(self, process: "subprocess.Popen[bytes]", listener: Listener) -> None:
        """End the waiting for a child that dies before it calls."""
        process.wait()
        if not self._begun.is_set():
            self._error = _death(process)
            self._begun.set()
            with contextlib.suppress(OSError, EOFError):
                Client(listener.address).close()  # wakes `accept`, whose handshake then fails


def _death(process: "subprocess.Popen[bytes]") -> str:
    return f"the separator's process has ended (code {process.poll()}): start again"
