"""The near side of the worker: starts it, hands over positions, collects its news; never blocks.

The worker is a child process, so that no Python code of this one can hold up the network, and the
network holds up no device. (`place="thread"` runs the same worker in a thread, to compare.)
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, Listener
from pathlib import Path

from isolde.core.errors import IsoldeError, ModelError
from isolde.live.plan import Plan
from isolde.live.stream.ring import SharedMemory
from isolde.live.worker.process import NEWS, ORDER, News, Order, Worker, lay_tapes, memory_size

_START_SECONDS = 60.0
_UNREAD_ORDERS = 64
"""Orders that may wait unread; beyond that a PUSH is left to the next one, which includes it."""


@dataclass(frozen=True)
class WorkerReport:
    """One message of the worker.

    Attributes:
        kind: What happened.
        available: Position up to which stems are on the tape.
        eaten: The mixture has been separated up to this position.
        seconds: That the last piece took.
        activity: Mean of the first mask, in [0, 1].
    """

    kind: News
    available: int
    eaten: int
    seconds: float
    activity: float


class Engine:
    """The worker, its tapes and the messages to and from it.

    Attributes:
        mixture: The tape to write the mixture to.
        stems: The tape that the worker writes, stem after stem, channel after channel.
    """

    def __init__(self, plan: Plan, *, place: str = "process", urgent: bool = False) -> None:
        """Start the worker; it loads its model meanwhile.

        Args:
            plan: The session's numbers.
            place: "process", or "thread" for comparisons.
            urgent: Whether the process asks to go before usual programs: somebody listens.

        Raises:
            AudioError: When there is no memory to share.
            ModelError: When the process cannot be started.
        """
        self.plan = plan
        self._memory = SharedMemory(memory_size(plan))
        self.mixture, self.stems = lay_tapes(self._memory, plan)
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._error: str | None = None
        self._unread = 0
        self._waiting: list[bytes] = []
        self._begun = threading.Event()
        if place == "thread":
            self._start_thread()
        else:
            self._start_process(urgent)

    @property
    def pid(self) -> int:
        """Of the process in which the network runs."""
        return self._process.pid if self._process else os.getpid()

    def order(self, kind: Order, number: float) -> None:
        """Tell the worker; returns at once."""
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
            with contextlib.suppress(OSError):  # a worker that is gone is noticed by `news`
                self._connection.send_bytes(message)

    def news(self, timeout: float = 0.0) -> list[WorkerReport]:
        """Return all reports since the last call.

        Args:
            timeout: Seconds to wait for the first one.

        Raises:
            ModelError: When the worker could not load its model, or has died.
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
                if len(message) != NEWS.size:
                    raise ModelError(message.decode())
                kind, *values = NEWS.unpack(message)
                if kind:
                    reports.append(WorkerReport(News(kind), *values))
        except (EOFError, OSError) as error:
            if isinstance(error, IsoldeError):
                raise
            raise ModelError(self._death()) from None
        if reports:
            self._unread = 0
        return reports

    def wait_ready(self, timeout: float = _START_SECONDS) -> list[WorkerReport]:
        """Wait until the model is loaded; gives the reports that came meanwhile.

        Raises:
            ModelError: When it cannot be loaded, or not in time.
        """
        deadline = time.monotonic() + timeout
        reports: list[WorkerReport] = []
        while not any(r.kind is News.READY for r in reports):
            left = deadline - time.monotonic()
            if left <= 0:
                raise ModelError(f"the separator was not ready after {timeout:.0f} s: try again")
            reports += self.news(min(left, 0.5))
        return reports

    def close(self, timeout: float = 2.0) -> None:
        """End the worker, kindly for `timeout` seconds, then not."""
        self.order(Order.STOP, 0)
        if self._process is not None:
            try:
                self._process.wait(timeout if self._connection else 0.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._begun.wait(1.0)
        if self._thread is not None:
            self._thread.join(timeout)
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        self._error = self._error or "the separator has been closed"
        self.mixture.release()
        self.stems.release()
        self._memory.close()

    def _start_thread(self) -> None:
        near, far = Pipe()

        def run() -> None:
            try:
                Worker(self.plan, far, self.mixture, self.stems).serve()
            except IsoldeError as error:
                with contextlib.suppress(OSError):
                    far.send_bytes(str(error).encode())

        self._connection = near
        self._begun.set()
        self._thread = threading.Thread(target=run, name="isolde separator", daemon=True)
        self._thread.start()

    def _start_process(self, urgent: bool) -> None:
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
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                **options,  # type: ignore[call-overload]
            )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(told).encode())
            self._process.stdin.close()
        except OSError as error:
            listener.close()
            raise ModelError(f"the separator's process cannot be started ({error})") from None
        threading.Thread(
            target=self._accept, args=(listener,), name="isolde start", daemon=True
        ).start()
        threading.Thread(target=self._unblock, args=(listener,), daemon=True).start()

    def _accept(self, listener: Listener) -> None:
        """Take the worker's call, then send what it was told meanwhile."""
        try:
            connection = listener.accept()
            connection.recv_bytes()
        except (OSError, EOFError) as error:
            self._error = self._error or f"the separator's process has not called ({error})"
            self._begun.set()
            return
        finally:
            listener.close()
        self._memory.forget()
        with self._lock:
            for message in self._waiting:
                connection.send_bytes(message)
            self._waiting.clear()
            self._connection = connection
        self._begun.set()

    def _unblock(self, listener: Listener) -> None:
        """If the child dies before it calls, end the waiting for it."""
        assert self._process is not None
        self._process.wait()
        if not self._begun.is_set():
            self._error = self._death()
            self._begun.set()
            with contextlib.suppress(OSError, EOFError):
                from multiprocessing.connection import Client

                Client(listener.address).close()  # wakes `accept`, whose handshake then fails

    def _death(self) -> str:
        code = self._process.poll() if self._process else None
        return f"the separator's process has ended (code {code}): start again"
