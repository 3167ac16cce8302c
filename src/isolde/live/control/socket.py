"""A control socket for this machine only: each line in is a command, each line out its answer."""

import contextlib
import socket
import threading

from isolde.core.errors import InputError
from isolde.live.control.controls import Controls

_LONGEST = 1000
"""Bytes of a line that are read as a command."""


class ControlSocket:
    """Serves the commands of a session on 127.0.0.1, with a thread for each caller.

    Attributes:
        port: TCP port where it listens.
    """

    def __init__(self, controls: Controls, *, port: int = 0) -> None:
        """Listen.

        Args:
            controls: Controls that carry out the commands.
            port: TCP port; 0 for any that is free.

        Raises:
            InputError: The port is out of range or taken.
        """
        self._controls, self._end = controls, threading.Event()
        try:
            self._socket = socket.create_server(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be had ({error}): give another") from None
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, name="isolde control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._end.set()
        with contextlib.suppress(OSError):  # wakes `accept`, which else keeps the port
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._end.is_set():
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        """Answer one caller; close the connection if the first line is no command.

        A web page can make a browser send lines here; none of them begins with a command.
        """
        first = True
        with caller, caller.makefile("rwb") as lines:
            try:
                while not self._end.is_set():
                    line = whole = lines.readline(_LONGEST)
                    if not line:
                        return
                    while line and not line.endswith(b"\n"):  # the rest of it is no other command
                        line = lines.readline(_LONGEST)
                    answer = self._controls.answer(whole.decode("utf-8", "replace").strip())
                    lines.write(answer.encode() + b"\n")
                    lines.flush()
                    if first and answer.startswith("error"):
                        return
                    first = False
            except OSError:
                return
