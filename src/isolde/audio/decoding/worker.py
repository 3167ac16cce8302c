"""Processes that decode: started when needed, kept for the next file; knows no formats.

A process takes a few tenths of a second to start, so idle ones wait for the next file.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from isolde.core.errors import AudioError

_MAX_IDLE = 4
_SERVER = "isolde.audio.decoding.server"

_idle: list["Worker"] = []
_lock = threading.Lock()


class WorkerDiedError(Exception):
    """The process ended: the file crashed it, or one request took too long."""


class Worker:
    """One decoding process, with one file open at a time.

    Attributes:
        is_fresh: Whether nothing has been asked of it yet.
        is_busy: Whether it owes an answer, to another thread.
        pid: Identifier of the process.
    """

    def __init__(self) -> None:
        """Start the process.

        Raises:
            AudioError: No process can be started.
        """
        self.is_fresh, self.is_busy = True, False
        # "" is the working folder, which may be gone; this package is found without it.
        paths = [*filter(None, sys.path), str(Path(__file__).parents[3])]
        null = _open_null()
        try:
            # In a session of its own, so that Ctrl-C is ours to answer.
            self._process = subprocess.Popen(
                [sys.executable, "-m", _SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=null,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise AudioError(
                f"the process that decodes cannot be started ({error.strerror}): close other "
                "programs"
            ) from error
        finally:
            os.close(null)
        self.pid = self._process.pid

    def ask(self, **request: Any) -> tuple[dict[str, Any], bytearray]:
        """Send a request and wait for the answer.

        Args:
            request: Request, see `server`.

        Returns:
            The answer, and its samples as bytes.

        Raises:
            WorkerDiedError: The process ended instead.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        self.is_fresh, self.is_busy = False, True
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
            if not line.endswith(b"\n"):
                raise WorkerDiedError
            answer = json.loads(line)
            data = bytearray(answer["n_bytes"])
            if stdout.readinto(data) < len(data):  # type: ignore[attr-defined]
                raise WorkerDiedError
        except BaseException as error:  # between request and answer, nobody could use it again
            self.end()
            if isinstance(error, (OSError, ValueError)):
                raise WorkerDiedError from error
            raise
        self.is_busy = False
        return answer, data

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.leave()

    def leave(self) -> None:
        """Close the pipes, upon which the process ends; do not wait."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                continue


def _open_null() -> int:
    """Open the null device, or a pipe without a reader where there is none."""
    try:
        return os.open(os.devnull, os.O_WRONLY)
    except OSError:
        reader, writer = os.pipe()
        os.close(reader)
        return writer


def borrow() -> Worker:
    """Take an idle process, or start one.

    Raises:
        AudioError: No process can be started.
    """
    with _lock:
        if _idle:
            return _idle.pop()
    return Worker()


def give_back(worker: Worker) -> None:
    """Keep the process for the next file, or end it if enough are idle."""
    with _lock:
        if len(_idle) < _MAX_IDLE:
            _idle.append(worker)
            return
    worker.leave()


def open_in_worker(path: Path, stream: int | None) -> tuple[Worker, dict[str, Any]]:
    """Open a file in a process that is alive.

    Args:
        path: Regular file.
        stream: Number of the audio stream, see `FrameDecoder`.

    Returns:
        The process, and its answer.

    Raises:
        AudioError: No process can be started.
        WorkerDiedError: The file ends the process.
    """
    request = {"do": "open", "path": os.path.abspath(path), "stream": stream}
    while True:
        worker = borrow()
        fresh = worker.is_fresh
        try:
            return worker, worker.ask(**request)[0]
        except WorkerDiedError:
            if fresh:
                raise


def _forget_all() -> None:
    """Forget the processes after a fork: they belong to the parent."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


def _leave_all() -> None:
    """End the idle processes."""
    while _idle:
        _idle.pop().leave()


atexit.register(_leave_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
