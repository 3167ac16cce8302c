"""Responses of the server: downloads and errors; it computes nothing."""

from pathlib import Path
from urllib.parse import quote

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
"""Media types of the page's files."""


def attachment(name: str) -> dict[str, str]:
    """Return the header that suggests a file name, in the form of RFC 6266 for any characters."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class Download(FileResponse):
    """A file of a song, which stays on the disk until it is sent, even if the song is removed."""

    def __init__(self, song: Song, path: Path, headers: dict[str, str] | None = None) -> None:
        """Prepare the response.

        Args:
            song: Song that holds the file (see `Song.hold`).
            path: Path of the file.
            headers: Headers of the response.
        """
        super().__init__(path, media_type="application/octet-stream", headers=headers)
        self._song, self._file = song, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file and release it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._song.release, self._file)


async def error_response(request: Request, error: Exception) -> Response:
    """Turn an error into a response whose text is the error's own."""
    status = 422
    if isinstance(error, HTTPException):  # an unknown route or method
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, NoSuchSongError):
        status = 404
    elif isinstance(error, TooLargeError):
        status = 413
    elif isinstance(error, OSError) and not isinstance(error, IsoldeError):
        return JSONResponse({"error": f"the disk: {error.strerror or error}"}, status_code=507)
    return JSONResponse({"error": str(error)}, status_code=status)
