"""The server from its settings to Ctrl-C, which leaves nothing behind; it answers no request."""

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
"""Where the page is if nobody else is there."""


@dataclass(frozen=True)
class StudioSettings:
    """How the studio is served.

    Attributes:
        separation: How songs are separated that choose nothing else.
        host: Address to listen on.
        port: To listen on; 0: PORT, or any when it is taken.
        keep: Folder that gets the stems of every song; None: nothing stays.
        max_upload: Bytes of a song at most.
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
    """Serve the page until somebody interrupts; then delete what was kept.

    Args:
        settings: See `StudioSettings`.
        songs: To begin with.
        opened: Called with the address, token and all, once it can be opened.

    Raises:
        AudioError: When the port is taken, a song cannot be read or stems cannot be kept.
        InputError: When a setting cannot be used.
        MissingExtraError: When the extra "studio" is not installed.
        ModelError: When there is no such model.
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
    before: dict[int, Any] = {}  # what signals did
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
            """Let the server end: an exception could be lost where Python imports or destroys."""
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
        for number, handler in before.items():  # at last: who presses Ctrl-C again keeps nothing
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that what was kept is deleted."""
    sys.exit(128 + number)


def _check_keep(folder: Path) -> None:
    """Make the folder for stems where it is not there, and write in it for a try.

    Raises:
        AudioError: When nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise AudioError(
            f"{folder}: cannot keep stems there ({error.strerror or error}): give another --keep"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        AudioError: When the port is taken or the address is not this computer's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in [port] if port else [PORT, 0]:
        try:
            return socket.create_server((host, wanted), family=family)
        except OSError as error:
            if wanted and not port:
                continue
            why = str(error.strerror or error).partition(" (while ")[0]  # it names the address too
            place = f"{host}:{wanted}" if wanted else host
            raise AudioError(
                f"{place}: cannot listen there ({why}): give another --port or --host"
            ) from None
    raise AssertionError("unreachable")
