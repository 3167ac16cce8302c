"""Open Sound Control: the commands of a live session as messages; it computes no sound.

The address of a message is the command, and its arguments are the command's: /isolde/gain vocals
0.5, or /isolde/gain/vocals 0.5; /isolde/wet 0.7; /isolde/mute 1; /isolde/accompaniment;
/isolde/stop. Each message is answered at /isolde/answer, with the line that the control socket
would give. A button, which sends 1 when it is pressed and 0 when it is released, acts when pressed.
"""

import threading
from collections.abc import Callable
from typing import Any

from isolde.core.errors import InputError, MissingExtraError

ROOT = "/isolde"
SWITCHES = ("mute", "pause")  # their argument is on or off, or a number, 0 for off
VALUES = ("gain", "wet", "strength", "seek")  # their last argument is a value; others have none


class OscServer:
    """Serves commands on 127.0.0.1, one at a time, in a thread.

    Attributes:
        port: UDP port where it listens.
    """

    def __init__(self, answer: Callable[[str], str], *, port: int = 0) -> None:
        """Listen.

        Args:
            answer: Function that carries out a command line and gives the answer.
            port: UDP port; 0 for any that is free.

        Raises:
            InputError: The port is out of range or taken.
            MissingExtraError: Python-osc is not installed.
        """
        try:
            from pythonosc.dispatcher import Dispatcher
            from pythonosc.osc_server import BlockingOSCUDPServer
        except ImportError:
            raise MissingExtraError("python-osc", extra="osc", purpose="OSC control") from None

        def handle(_: Any, address: str, *arguments: Any) -> tuple[str, str]:
            line = command_of(address, arguments)
            return f"{ROOT}/answer", "ok" if line is None else answer(line)

        dispatcher = Dispatcher()
        dispatcher.set_default_handler(handle, needs_reply_address=True)
        try:
            self._server = BlockingOSCUDPServer(("127.0.0.1", port), dispatcher)
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be had ({error}): give another") from None
        self.port = int(self._server.server_address[1])
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.1,), name="isolde osc", daemon=True).start()

    def close(self) -> None:
        """Stop listening; a bundle whose time has not come is dropped."""
        end = threading.Thread(target=self._server.shutdown, daemon=True)
        end.start()
        end.join(1.0)  # the server's thread sleeps until a bundle's time
        self._server.server_close()


def command_of(address: str, arguments: tuple[Any, ...]) -> str | None:
    """Write an OSC message as a command line.

    Args:
        address: Address pattern of the message, as "/isolde/gain/vocals".
        arguments: Arguments of the message: texts, numbers and truth values.

    Returns:
        The line, as "gain vocals 0.5"; the whole address, which is no command, where it is not
        below /isolde; None where a button is released.

    Examples:
        >>> command_of("/isolde/gain/vocals", (0.5,))
        'gain vocals 0.5'
        >>> command_of("/isolde/mute", (1,))
        'mute on'
        >>> command_of("/isolde/vocals", (1.0,))
        'vocals'
    """
    if not address.startswith(f"{ROOT}/"):
        return address
    words = address.removeprefix(f"{ROOT}/").split("/")
    values = [str(value) for value in arguments]
    if words[0] in SWITCHES:
        values = [v if isinstance(v, str) else "on" if v else "off" for v in arguments]
    elif words[0] not in VALUES and len(arguments) == 1 and isinstance(arguments[0], int | float):
        if not arguments[0]:
            return None
        values = []
    return " ".join([*words, *values])
