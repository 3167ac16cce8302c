"""The server from its settings to Ctrl-C, which deletes its files; it answers no request."""

import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from isolde.core.errors import AudioError, InputError, MissingExtraError
from isolde.separation import SeparationSettings
from isolde.separation.load import stems_of

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 8710
"""Port that is tried first."""


@dataclass(frozen=True)
class StudioSettings:
    """How the studio is served.

    Attributes:
        separation: Settings of songs that choose none.
        host: Address to listen on.
        port: Port to listen on; 0 for PORT, or any free one if PORT is taken.
        keep: Folder to which the stems of every song are written; None to write none.
        max_upload: Greatest size of a song in bytes.
    """

    separation: SeparationSettings = field(default_factory=SeparationSettings)
    host: str = LOOPBACK[0]
    port: int = 0
    keep: Path | None = None
    max_upload: int = 4_000_000_000


def serve(
    settings: StudioSettings,
    songs: Sequence[Path] = (),
    *,
    opened: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted; then delete all files of songs.

    Args:
        settings: Settings of the server.
        songs: Songs that are open from the beginning.
        opened: Function called with the address, including the token, once it can be opened.

    Raises:
        AudioError: The port is taken, a song cannot be read or stems cannot be kept.
        InputError: A setting is invalid.
        MissingExtraError: The extra "studio" is not installed.
        ModelError: There is no such model.
    """
    try:
        import starlette
        import uvicorn
    except ImportError:
        raise MissingExtraError("starlette", extra="studio", purpose="the studio") from None
    del starlette
    from isolde.studio.choices import Choices
    from isolde.studio.library import Library
    from isolde.studio.memory import limit_arenas
    from isolde.studio.web.guard import Guard
    from isolde.studio.web.routes import Studio

    limit_arenas()
    stems_of(settings.separation.model)
    if settings.max_upload < 1:
        raise InputError(f"uploads of {settings.max_upload} bytes: give 1 or more")
    if settings.keep is not None:
        _check_keep(settings.keep)
    listener = _listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    token = secrets.token_urlsafe(24)
    library = choices = None
    before: dict[int, Any] = {}  # handlers of signals
    try:
        library = Library(settings.separation, keep=settings.keep)
        choices = Choices(settings.separation, busy=lambda: library.engine.busy)
        for path in songs:
            library.add(path, name=path.name, session="", settings=settings.separation)
        studio = Studio(
            library,
            choices,
            settings=settings.separation,
            max_upload=settings.max_upload,
            stopping=lambda: server.should_exit,
        )
        names = [settings.host, host, *LOOPBACK]
        config = uvicorn.Config(
            Guard(studio.app(), token=token, hosts=names, port=port),
            log_level="warning",
            access_log=False,
            lifespan="off",
            http="h11",
            ws="none",
            loop="asyncio",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        shown = "localhost" if host in ("0.0.0.0", "::") else settings.host
        shown = f"[{shown}]" if ":" in shown else shown

        def end_soon(number: int, frame: FrameType | None) -> None:
            """Stop the server: an exception could be lost during imports or destructors."""
            server.should_exit = True

        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, _end)
        before[signal.SIGINT] = signal.signal(signal.SIGINT, end_soon)
        opened(f"http://{shown}:{port}/?token={token}")
        server.run(sockets=[listener])
    finally:
        listener.close()
        if choices is not None:
            choices.close()
        if library is not None:
            library.close()
        for number, handler in before.items():  # last: a second Ctrl-C must not stop the deletion
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    """Raise an exception, so that all files are deleted."""
    sys.exit(128 + number)


def _check_keep(folder: Path) -> None:
    """Make the folder for stems if it is missing, and test that it can be written to.

    Raises:
        AudioError: It cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise AudioError(
            f"{folder}: cannot keep stems there ({error.strerror or error}): give another --keep"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        AudioError: The port is taken or the address is not this computer's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in [port] if port else [PORT, 0]:
        try:
            return socket.create_server((host, wanted), family=family)
        except OSError as error:
            if wanted and not port:
                continue
            why = str(error.strerror or error).partition(" (while ")[0]  # without the address
            place = f"{host}:{wanted}" if wanted else host
            raise AudioError(
                f"{place}: cannot listen there ({why}): give another --port or --host"
            ) from None
    raise AssertionError("unreachable")
