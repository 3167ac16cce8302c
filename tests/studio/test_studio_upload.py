"""What is sent and taken back: the song that the server made of it goes, though none has its id."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from isolde.separation import SeparationSettings
from isolde.studio.choices import Choices
from isolde.studio.library import Library
from isolde.studio.web.routes import Studio


@pytest.mark.parametrize(("hangs_up", "n_songs"), [(True, 0), (False, 1)])
def test_a_song_whose_sender_hung_up_goes(tmp_path: Path, hangs_up: bool, n_songs: int):
    settings = SeparationSettings("rules")
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros((800, 1)), 8000)
    library = Library(settings)
    choices = Choices(settings, busy=lambda: True)
    studio = Studio(library, choices, settings=settings, max_upload=10**6, stopping=lambda: False)
    messages = [{"type": "http.request", "body": path.read_bytes(), "more_body": False}]
    if hangs_up:
        messages.append({"type": "http.disconnect"})
    answers: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.sleep(60)
        return messages.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/songs",
        "query_string": b"name=song.wav",
        "headers": [],
        "session": "mine",
    }
    try:
        asyncio.run(studio.app()(scope, receive, send))
        assert answers[0]["status"] == 201
        assert len(library.songs("mine")) == n_songs
    finally:
        choices.close()
        library.close()
