"""Names of downloads and errors in the words of the command, as answers; it finds no data."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from isolde.core.errors import IsoldeError
from isolde.studio.song import NoSuchSongError, Song
from isolde.studio.web.upload import TooLargeError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Types of the page's files."""


def attachment(name: str) -> dict[str, str]:
    """Give the header that suggests a name; RFC 6266's form for all that is not ASCII."""
    from urllib.parse import quote

    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class Download(FileResponse):
    """A file of a song, which is kept until it is sent, though the song may go."""

    def __init__(self, song: Song, path: Path, headers: dict[str, str]) -> None:
        """Prepare the answer.

        Args:
            song: Song that has the file among those that are being sent.
            path: Path of the file.
            headers: Headers of the answer.
        """
        super().__init__(path, media_type="application/octet-stream", headers=headers)
        self._song, self._file = song, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and let go of it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._song.sent, self._file)


async def explain(request: Request, error: Exception) -> Response:
    """Answer an error in the words of the command."""
    status = 422
    if isinstance(error, HTTPException):  # a route or a method that is not there
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, NoSuchSongError):
        status = 404
    elif isinstance(error, TooLargeError):
        status = 413
    elif isinstance(error, OSError) and not isinstance(error, IsoldeError):
        return JSONResponse({"error": f"the disk: {error.strerror or error}"}, status_code=507)
    return JSONResponse({"error": str(error)}, status_code=status)
