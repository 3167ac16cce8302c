"""What the server answers: songs, samples, pictures, times and files; it decides nothing of them.

Each route is also one that a script can use (docs/guide/studio.md).
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
from isolde.studio.exports import check_ready, file_of, gains_of
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
from isolde.studio.web.answers import TYPES, Download, attachment, explain
from isolde.studio.web.asked import SHOWN, check_query, settings_of
from isolde.studio.web.news import news
from isolde.studio.web.upload import receive
from isolde.studio.words import tell

MAX_RANGE = 1 << 23
"""Bytes of samples in one answer."""


class Studio:
    """The routes around a library."""

    def __init__(
        self,
        library: Library,
        choices: Choices,
        *,
        settings: SeparationSettings,
        max_upload: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Bind the routes to what they speak of.

        Args:
            library: Of songs.
            choices: Of models.
            settings: How songs are separated that say nothing else.
            max_upload: Bytes of a song at most.
            stopping: Whether the server is about to end.
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
        handlers: dict[Any, Any] = dict.fromkeys((IsoldeError, OSError, HTTPException), explain)
        return Starlette(routes=routes, exception_handlers=handlers)

    async def page(self, request: Request) -> Response:
        """Send the page and its parts."""
        path = self._page.get(request.path_params.get("name", "index.html"))
        if path is None:
            return JSONResponse({"error": "there is no such page"}, status_code=404)
        return FileResponse(path, media_type=TYPES[path.suffix])

    async def about(self, request: Request) -> Response:
        """Say what the page has to know: models, formats, the pictures' axes."""
        check_query(request)
        return JSONResponse(
            {
                "version": __version__,
                "models": self._choices.listed(),
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
        return JSONResponse([tell(song) for song in self._library.songs(_session(request))])

    async def add_song(self, request: Request) -> Response:
        """Add a song: the request's body; with `demo`, the one that the package ships."""
        check_query(request, "name", "demo", "model", "strength")
        session = _session(request)
        settings = settings_of(request, self._settings, own=self._settings)
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
        if await request.is_disconnected():  # whoever sent it took it back, and knows no id of it
            await run_in_threadpool(self._library.remove, song)
        return JSONResponse(tell(song), status_code=201)

    async def add_again(self, request: Request) -> Response:
        """Add the same song with another model or strength, to take its place."""
        check_query(request, "model", "strength")
        song = self._song(request)
        settings = settings_of(request, song.settings, own=self._settings)
        add = partial(self._library.add_again, song, session=_session(request), settings=settings)
        return JSONResponse(tell(await run_in_threadpool(add)), status_code=201)

    async def take_place(self, request: Request) -> Response:
        """Let what is coming for a song take its place."""
        check_query(request)
        take = partial(self._library.take, self._song(request), session=_session(request))
        await run_in_threadpool(take)
        return Response(status_code=204)

    async def show_song(self, request: Request) -> Response:
        """Say how far a song is."""
        check_query(request)
        return JSONResponse(tell(self._song(request)))

    async def remove_song(self, request: Request) -> Response:
        """Delete a song and all that is kept of it."""
        check_query(request)
        await run_in_threadpool(self._library.remove, self._song(request))
        return Response(status_code=204)

    async def prefer_song(self, request: Request) -> Response:
        """Separate this song before all others."""
        check_query(request)
        self._library.engine.prefer(self._song(request))
        return Response(status_code=204)

    async def stem(self, request: Request) -> Response:
        """Send a stem once it is whole: float32 little-endian, channels side by side.

        With a Range of bytes the answer is 206 with what is ready of it, or 416 while nothing is.
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
            song.send(path)
            return Download(song, path, {"X-Ready-Bytes": str(ready)})
        asked = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", range_)
        if asked is None:
            error = f"range '{range_[:SHOWN]}': give one, as bytes=FIRST-LAST or bytes=FIRST-"
            return JSONResponse({"error": error}, status_code=400)
        start = int(asked[1])
        stop = min(int(asked[2]) + 1 if asked[2] else ready, ready, start + MAX_RANGE)
        if spool is None or start >= stop:
            headers = {"Content-Range": f"bytes */{total}", "X-Ready-Bytes": str(ready)}
            return Response(status_code=416, headers=headers)
        data = await run_in_threadpool(spool.read, start, stop)
        if not data:
            raise NoSuchSongError("the song was removed meanwhile")
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}",
            "X-Ready-Bytes": str(ready),
        }
        return Response(data, 206, headers, media_type="application/octet-stream")

    async def tile(self, request: Request) -> Response:
        """Send a piece of a spectrogram: columns of bytes, as far as they are there."""
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
        """Send the same in colours: a layer of both spectrograms, as wide as both are there."""
        check_query(request, "colours", "ready")
        song, at = self._song(request), request.path_params
        colours = request.query_params.get("colours", COLOURS)

        def painted() -> bytes:
            tiles = [columns.tile(at["scale"], at["index"]) for columns in song.levels.values()]
            return paint(at["layer"], *(tiles or [b"", b""]), rows=ROWS, colours=colours)

        return Response(await run_in_threadpool(painted), media_type="image/png")

    async def peaks(self, request: Request) -> Response:
        """Send the peaks of mixture and vocals from a column on, as far as they are there."""
        check_query(request, "from")
        song, start = self._song(request), request.query_params.get("from", "0")
        if not re.fullmatch("[0-9]{1,12}", start):
            raise InputError(f"from={start[:40]}: give the number of a column, 0 for all")
        data = await run_in_threadpool(song.peaks.columns, int(start)) if song.peaks else b""
        return Response(data, media_type="application/octet-stream")

    async def activity(self, request: Request) -> Response:
        """Say where somebody sings: segments so far; with `format`, a file of labels."""
        check_query(request, "format")
        song = self._song(request)
        format_ = request.query_params.get("format")
        if format_ is None:
            return JSONResponse({"segments": song.spans, "complete": song.state == "ready"})
        text = await run_in_threadpool(lambda: render(song.activity(), format_, track=song.track))
        name = f"{song.track}{FORMATS[format_][0]}"
        return Response(text, media_type="text/plain", headers=attachment(name))

    async def file(self, request: Request) -> Response:
        """Send a file to take home: `{stem, mix, stems or phrases}.{format}`, `stems.stem.mp4`."""
        song = self._song(request)
        what, _, container = request.path_params["name"].rpartition(".")
        if what == "stems.stem":
            what, container = "stems", f"stem.{container}"
        check_query(request, *(song.stems if what == "mix" else ()))
        gains = gains_of(song, request.query_params)
        path, name = await run_in_threadpool(file_of, song, what, container, gains)
        return Download(song, path, attachment(name))

    async def events(self, request: Request) -> Response:
        """Server-sent events: each song whenever it changes, and the ids of those that went."""
        return StreamingResponse(
            news(self._library, self._choices, _session(request), stopping=self._stopping),
            headers={"Connection": "close"},  # so that the server can end when the news do
            media_type="text/event-stream",
        )

    def _song(self, request: Request) -> Song:
        return self._library.song(_session(request), request.path_params["song"])


def _session(request: Request) -> str:
    return str(request.scope["session"])
