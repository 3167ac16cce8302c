"""Files to take home: those that are being sent stay, and of the others only a few."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from helpers.sounds import noise
from isolde.separation import SeparationSettings
from isolde.studio.exports import MAX_FILES, file_of
from isolde.studio.library import Library
from isolde.studio.song import READY, Song
from isolde.studio.web.answers import Download


@pytest.fixture
def song() -> Iterator[Song]:
    """A tenth of a second, separated."""
    library = Library(SeparationSettings("rules"))
    path = library.upload_path("song.wav")
    soundfile.write(path, noise(1, 800, peak=0.1).T, 8000)
    made = library.add(path, name="song.wav", session="", settings=SeparationSettings("rules"))
    until = time.monotonic() + 60
    while made.state != READY and time.monotonic() < until:
        time.sleep(0.01)
    assert made.state == READY
    yield made
    library.close()


def mix(song: Song, level: float) -> Path:
    return file_of(song, "mix", "wav", {**dict.fromkeys(song.stems, 1.0), "vocals": level})[0]


def answer(download: Download) -> list[Any]:
    """What it sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(download({"type": "http", "method": "GET", "headers": []}, receive, send))
    return sent


def test_what_is_being_sent_stays_and_goes_when_it_is_sent(song: Song):
    paths = [mix(song, level / 9) for level in range(MAX_FILES + 2)]
    whole = [path.read_bytes() for path in paths]
    for path, data in zip(paths, whole, strict=True):
        sent = answer(Download(song, path, "mix.wav"))
        assert sent[0]["status"] == 200
        assert b"".join(message.get("body", b"") for message in sent) == data
    assert song.sending == []
    last = mix(song, 1)
    assert [path.is_file() for path in paths] == [False] * 3 + [True] * (MAX_FILES - 1)
    assert last.is_file()


def test_a_file_of_a_song_that_went_is_refused_in_words(song: Song):
    path = mix(song, 1)
    path.unlink()
    sent = answer(Download(song, path, "mix.wav"))
    assert sent[0]["status"] == 404
    assert b"removed meanwhile" in sent[1]["body"]
    assert song.sending == []
