"""Start other programs so that none of their processes outlives the work; it knows no audio.

On POSIX systems each program leads its own process group, which ends with it.
"""

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

TIMEOUT: float = 3600  # seconds for a song, unless the user gives another time
END_SECONDS = 10.0  # for a program to end after its pipes are closed or it is killed


def start(words: Sequence[str], *, is_asked: bool = False) -> subprocess.Popen[str]:
    """Start a program whose standard output is read.

    Args:
        words: Program and arguments; no shell is involved.
        is_asked: Whether it is given lines on its standard input, see `ask`; else it has none, and
            its standard error is read as well.

    Raises:
        OSError: It cannot be started.
    """
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE if is_asked else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if is_asked else subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def ask(program: subprocess.Popen[str], line: str, *, timeout: float | None) -> str:
    """Send a line to a program, and wait for a line of its output.

    Args:
        program: Program that was started to be asked.
        line: Text without an end of line.
        timeout: Seconds to wait; None to wait until it answers or ends.

    Returns:
        Its line; empty if it has closed its standard output, as at its end.

    Raises:
        TimeoutExpired: It does not answer in that time.
    """
    assert program.stdin is not None and program.stdout is not None
    with suppress(OSError):  # it has ended, which its output tells as well
        program.stdin.write(f"{line}\n")
        program.stdin.flush()
    read, lines = program.stdout.readline, queue.SimpleQueue[str]()
    threading.Thread(target=lambda: lines.put(read()), daemon=True).start()
    try:
        return lines.get(timeout=timeout)
    except queue.Empty:
        raise subprocess.TimeoutExpired(program.args, timeout or 0.0) from None


def kill(program: subprocess.Popen[str]) -> None:
    """Kill a program and its children; nothing happens if all have ended."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(program.pid, signal.SIGKILL)
        else:
            program.kill()
    with suppress(OSError, ValueError, subprocess.TimeoutExpired):
        program.communicate(timeout=END_SECONDS)  # closes the pipes, and waits


def close(program: subprocess.Popen[str]) -> None:
    """Close the standard input of a program, which ends it; kill it if it does not end."""
    try:
        program.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        kill(program)
    except BaseException:
        kill(program)
        raise


def code_of(program: subprocess.Popen[str]) -> str:
    """Return the exit code of a program that has ended, or the signal that ended it."""
    code = program.wait(END_SECONDS)
    return f"signal {-code}" if code < 0 else str(code)
