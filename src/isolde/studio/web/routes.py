"""The routes: songs, samples, pictures, times and files as responses; it computes none of them.

Scripts can use the same routes as the page (docs/guide/studio.md).
"""

import re
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from isolde import __version__
from isolde.activity import FORMATS, render
from isolde.audio import CONTAINERS
from isolde.core.errors import InputError, IsoldeError
from isolde.core.signal.log_frequency import HIGHEST_HZ, LOWEST_HZ
from isolde.separation import SeparationSettings
from isolde.studio.choices import Choices
from isolde.studio.colours import COLOURS, paint
from isolde.studio.description import describe
from isolde.studio.exports import check_ready, export_file, parse_gains
from isolde.studio.library import Library
from isolde.studio.picture import (
    HIGHEST_DB,
    LOWEST_DB,
    ROWS,
    SCALE_STEP,
    SCALES,
    TILE_COLUMNS,
)
from isolde.studio.separation import LAYERS
from isolde.studio.song import NoSuchSongError, Song
from isolde.studio.spool import SAMPLE_BYTES
from isolde.studio.web.events import stream_events
from isolde.studio.web.query import SHOWN, check_query, parse_settings
from isolde.studio.web.responses import TYPES, Download, attachment, error_response
from isolde.studio.web.upload import receive

MAX_RANGE = 1 << 23
"""Greatest number of bytes of samples in one response."""


class Studio:
    """The routes to a library of songs."""

    def __init__(
        self,
        library: Library,
        choices: Choices,
        *,
        settings: SeparationSettings,
        max_upload: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Find the files of the page.

        Args:
            library: Library of songs.
            choices: Models that the page offers.
            settings: Settings of songs that choose none.
            max_upload: Greatest size of a song in bytes.
            stopping: Function that tells whether the server is about to stop.
        """
        self._library, self._choices = library, choices
        self._settings = settings
        self._max_upload, self._stopping = max_upload, stopping
        root = Path(str(files("isolde"))) / "studio" / "page"
        self._page = {
            path.relative_to(root).as_posix(): path
            for path in root.rglob("*")
            if path.suffix in TYPES
        }

    def app(self) -> Starlette:
        """Build the application."""
        song = "/songs/{song}"
        routes = [
            Route("/", self.page),
            Route("/page/{name:path}", self.page),
            Route("/about", self.about),
            Route("/events", self.events),
            Route("/songs", self.list_songs, methods=["GET"]),
            Route("/songs", self.add_song, methods=["POST"]),
            Route(song, self.show_song, methods=["GET"]),
            Route(song, self.remove_song, methods=["DELETE"]),
            Route(f"{song}/again", self.add_again, methods=["POST"]),
            Route(f"{song}/take", self.take_place, methods=["POST"]),
            Route(f"{song}/first", self.prefer_song, methods=["POST"]),
            Route(f"{song}/stems/{{stem}}", self.stem),
            Route(f"{song}/tiles/{{layer}}/{{scale:int}}/{{index:int}}", self.tile),
            Route(f"{song}/tiles/{{layer}}/{{scale:int}}/{{index:int}}.png", self.picture),
            Route(f"{song}/peaks", self.peaks),
            Route(f"{song}/activity", self.activity),
            Route(f"{song}/files/{{name}}", self.file),
        ]
        errors = (IsoldeError, OSError, HTTPException)
        handlers: dict[Any, Any] = dict.fromkeys(errors, error_response)
        return Starlette(routes=routes, exception_handlers=handlers)

    async def page(self, request: Request) -> Response:
        """Send the page or one of its files."""
        path = self._page.get(request.path_params.get("name", "index.html"))
        if path is None:
            return JSONResponse({"error": "there is no such page"}, status_code=404)
        return FileResponse(path, media_type=TYPES[path.suffix])

    async def about(self, request: Request) -> Response:
        """Send what the page needs to know: models, formats, axes of the pictures."""
        check_query(request)
        return JSONResponse(
            {
                "version": __version__,
                "models": self._choices.list_models(),
                "model": self._settings.model,
                "strength": self._settings.strength,
                "containers": list(CONTAINERS),
                "labels": list(FORMATS),
                "max_upload": self._max_upload,
                "picture": {
                    "rows": ROWS,
                    "columns": TILE_COLUMNS,
                    "scales": SCALES,
                    "scale_step": SCALE_STEP,
                    "decibels": [LOWEST_DB, HIGHEST_DB],
                    "hertz": [LOWEST_HZ, HIGHEST_HZ],
                },
            }
        )

    async def list_songs(self, request: Request) -> Response:
        """List the songs of the session."""
        check_query(request)
        return JSONResponse([describe(song) for song in self._library.songs(_session(request))])

    async def add_song(self, request: Request) -> Response:
        """Add a song: the request's body or, with `demo`, the demo song."""
        check_query(request, "name", "demo", "model", "strength")
        session = _session(request)
        settings = parse_settings(request, self._settings, own=self._settings)
        add: Callable[[], Song]
        if (demo := request.query_params.get("demo")) is not None:
            if demo not in ("", "1"):
                raise InputError(f"demo={demo[:SHOWN]}: give 1, or leave it out for a song")
            add = partial(self._library.add_demo, session=session, settings=settings)
        else:
            name = request.query_params.get("name", "song")
            path = await receive(request, name, library=self._library, most=self._max_upload)
            add = partial(self._library.add, path, name=name, session=session, settings=settings)
        song = await run_in_threadpool(add)
        if await request.is_disconnected():  # the client hung up and does not know the id
            await run_in_threadpool(self._library.remove, song)
        return JSONResponse(describe(song), status_code=201)

    async def add_again(self, request: Request) -> Response:
        """Add the same song with another model or strength, as its replacement."""
        check_query(request, "model", "strength")
        song = self._song(request)
        settings = parse_settings(request, song.settings, own=self._settings)
        add = partial(self._library.add_again, song, session=_session(request), settings=settings)
        return JSONResponse(describe(await run_in_threadpool(add)), status_code=201)

    async def take_place(self, request: Request) -> Response:
        """Let the replacement of a song take its place."""
        check_query(request)
        take = partial(self._library.take, self._song(request), session=_session(request))
        await run_in_threadpool(take)
        return Response(status_code=204)

    async def show_song(self, request: Request) -> Response:
        """Send the values of a song."""
        check_query(request)
        return JSONResponse(describe(self._song(request)))

    async def remove_song(self, request: Request) -> Response:
        """Delete a song and its files."""
        check_query(request)
        await run_in_threadpool(self._library.remove, self._song(request))
        return Response(status_code=204)

    async def prefer_song(self, request: Request) -> Response:
        """Separate this song before all others."""
        check_query(request)
        self._library.engine.prefer(self._song(request))
        return Response(status_code=204)

    async def stem(self, request: Request) -> Response:
        """Send a stem once the song is ready: float32 little-endian, interleaved channels.

        With a Range of bytes the response is 206 with the part that is ready, or 416 if none is.
        """
        check_query(request)
        song = self._song(request)
        stem = request.path_params["stem"]
        if stem not in song.stems:
            raise NoSuchSongError(f"there is no stem '{stem}': take {', '.join(song.stems)}")
        spool = song.spools.get(stem)
        step = SAMPLE_BYTES * song.info.n_channels
        ready = song.n_ready * step
        total = "*" if song.n_samples is None else str(song.n_samples * step)
        range_ = request.headers.get("range")
        if range_ is None:
            check_ready(song)
            path = song.spools[stem].path
            song.hold(path)
            return Download(song, path)
        asked = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", range_)
        if asked is None:
            error = f"range '{range_[:SHOWN]}': give one, as bytes=FIRST-LAST or bytes=FIRST-"
            return JSONResponse({"error": error}, status_code=400)
        start = int(asked[1])
        stop = min(int(asked[2]) + 1 if asked[2] else ready, ready, start + MAX_RANGE)
        if spool is None or start >= stop:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{total}"})
        data = await run_in_threadpool(spool.read, start, stop)
        if not data:
            raise NoSuchSongError("the song was removed meanwhile")
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}",
        }
        return Response(data, 206, headers, media_type="application/octet-stream")

    async def tile(self, request: Request) -> Response:
        """Send the available columns of a tile of a spectrogram, as bytes."""
        check_query(request)
        song, at = self._song(request), request.path_params
        if at["layer"] not in LAYERS:
            raise InputError(
                f"layer '{at['layer'][:SHOWN]}': give {' or '.join(LAYERS)}, of others the .png"
            )
        columns = song.levels.get(at["layer"])
        data = await run_in_threadpool(columns.tile, at["scale"], at["index"]) if columns else b""
        return Response(data, media_type="application/octet-stream")

    async def picture(self, request: Request) -> Response:
        """Send a tile as a picture, as wide as both spectrograms are available."""
        check_query(request, "colours", "ready")
        song, at = self._song(request), request.path_params
        colours = request.query_params.get("colours", COLOURS)

        def painted() -> bytes:
            tiles = [columns.tile(at["scale"], at["index"]) for columns in song.levels.values()]
            return paint(at["layer"], *(tiles or [b"", b""]), rows=ROWS, colours=colours)

        return Response(await run_in_threadpool(painted), media_type="image/png")

    async def peaks(self, request: Request) -> Response:
        """Send the available peaks of mixture and vocals from a column on."""
        check_query(request, "from")
        song, start = self._song(request), request.query_params.get("from", "0")
        if not re.fullmatch("[0-9]{1,12}", start):
            raise InputError(f"from={start[:40]}: give the number of a column, 0 for all")
        data = await run_in_threadpool(song.peaks.columns, int(start)) if song.peaks else b""
        return Response(data, media_type="application/octet-stream")

    async def activity(self, request: Request) -> Response:
        """Send the segments of singing so far; with `format`, a file of labels."""
        check_query(request, "format")
        song = self._song(request)
        format_ = request.query_params.get("format")
        if format_ is None:
            return JSONResponse({"segments": song.spans, "complete": song.state == "ready"})
        text = await run_in_threadpool(lambda: render(song.activity(), format_, track=song.track))
        name = f"{song.track}{FORMATS[format_][0]}"
        return Response(text, media_type="text/plain", headers=attachment(name))

    async def file(self, request: Request) -> Response:
        """Send a file: `{stem, mix, stems or phrases}.{format}` or `stems.stem.mp4`."""
        song = self._song(request)
        what, _, container = request.path_params["name"].rpartition(".")
        if what == "stems.stem":
            what, container = "stems", f"stem.{container}"
        check_query(request, *(song.stems if what == "mix" else ()))
        gains = parse_gains(song, request.query_params)
        path, name = await run_in_threadpool(export_file, song, what, container, gains)
        return Download(song, path, attachment(name))

    async def events(self, request: Request) -> Response:
        """Send server-sent events: songs that change, and the ids of removed ones."""
        return StreamingResponse(
            stream_events(self._library, self._choices, _session(request), stopping=self._stopping),
            headers={"Connection": "close"},  # so that the server can stop when the stream ends
            media_type="text/event-stream",
        )

    def _song(self, request: Request) -> Song:
        return self._library.song(_session(request), request.path_params["song"])


def _session(request: Request) -> str:
    return str(request.scope["session"])
