"""Single keys from a terminal as commands; only this module knows how terminals differ.

POSIX terminals and the Windows console are known. Where standard input is no terminal, and for a
job in the background, there are no keys.
"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable

from isolde.core.signal.masks import STRONGEST

REST = "m mix  -/+ dry/wet  [/] strength  x mute  space pause  ,/. seek 5 s  q quit"
"""Keys that name no stem, for the line of help."""

STEMS = {"v": "vocals", "a": "accompaniment"}
"""Keys of stems, where a model has them."""

PLAIN = {
    "m": "mix",
    "x": "mute",
    " ": "pause",
    ",": "seek -5",
    ".": "seek +5",
    "q": "stop",
}

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O?.)?")
"""Characters that arrow and function keys send, none of which is a key."""


def help_for(stems: tuple[str, ...]) -> str:
    """Give the line that names the keys.

    Examples:
        >>> help_for(("vocals", "drums"))[:23]
        'v vocals  1 vocals  2 d'
    """
    letters = [f"{key} {stem}" for key, stem in STEMS.items() if stem in stems]
    return "  ".join([*letters, *(f"{i} {stem}" for i, stem in enumerate(stems, 1)), REST])


def command_for(key: str, *, stems: tuple[str, ...], wet: float, strength: float) -> str | None:
    """Give the command of a key, from the present settings; None if it has none.

    Examples:
        >>> command_for("m", stems=("vocals", "accompaniment"), wet=1.0, strength=1.0)
        'mix'
    """
    if key in PLAIN:
        return PLAIN[key]
    if STEMS.get(key) in stems:
        return STEMS[key]
    if key.isdecimal() and 1 <= int(key) <= len(stems):
        return stems[int(key) - 1]
    if key in "+=-":
        return f"wet {min(1.0, max(0.0, wet + (-0.1 if key == '-' else 0.1))):.2f}"
    if key in "[]":
        return f"strength {min(STRONGEST, max(0.1, strength * (1.25 if key == ']' else 0.8))):.3f}"
    return None


class Keys:
    """A thread that calls a function with each key, while the terminal does not wait for lines."""

    def __init__(self, on_key: Callable[[str], None]) -> None:
        """Begin, if standard input is a terminal and this job is in the foreground."""
        self._on_key, self._end = on_key, threading.Event()
        self._restore: Callable[[], None] = lambda: None
        terminal = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else None
        self.active = terminal is not None and not _in_background(terminal.fileno())
        if self.active:
            loop = self._windows if sys.platform == "win32" else self._posix_loop()
            threading.Thread(target=loop, name="isolde keys", daemon=True).start()

    def close(self) -> None:
        """Restore the terminal."""
        self._end.set()
        self._restore()

    def _posix_loop(self) -> Callable[[], None]:
        import select
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(sys.stdin)
        self._restore = lambda: termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        tty.setcbreak(sys.stdin)  # Ctrl-C stays a signal

        def loop() -> None:
            while not self._end.is_set():
                if select.select([descriptor], [], [], 0.2)[0]:
                    typed = os.read(descriptor, 1024)  # not by `stdin`: `select` sees no buffer
                    if not typed:
                        return
                    for key in _SEQUENCE.sub("", typed.decode(errors="ignore")):
                        self._on_key(key)

        return loop

    def _windows(self) -> None:  # not tried
        import importlib

        msvcrt = importlib.import_module("msvcrt")
        while not self._end.is_set():
            if msvcrt.kbhit():
                self._on_key(msvcrt.getwch())
            else:
                time.sleep(0.05)


def _in_background(descriptor: int) -> bool:
    """Tell whether another job has the terminal: changing its modes would stop this one."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except (AttributeError, OSError):  # Windows; a terminal that controls no jobs
        return False
