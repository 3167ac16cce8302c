"""Files to take home: those that are being sent stay, and of the others only a few."""

import asyncio
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from starlette.requests import Request

from helpers.sounds import noise
from isolde.core.errors import AudioError
from isolde.separation import SeparationSettings
from isolde.studio import exports
from isolde.studio.exports import MAX_FILES, export_file
from isolde.studio.library import Library
from isolde.studio.song import READY, NoSuchSongError, Song
from isolde.studio.web.responses import Download
from isolde.studio.web.routes import Studio


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
    return export_file(song, "mix", "wav", {**dict.fromkeys(song.stems, 1.0), "vocals": level})[0]


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
        sent = answer(Download(song, path, {}))
        assert sent[0]["status"] == 200
        assert b"".join(message.get("body", b"") for message in sent) == data
    assert song.held == []
    last = mix(song, 1)
    assert [path.is_file() for path in paths] == [False] * 3 + [True] * (MAX_FILES - 1)
    assert last.is_file()


def test_a_song_that_goes_while_it_is_sent_is_sent_whole_and_then_goes(song: Song):
    paths = [mix(song, 1), song.spools["vocals"].path]
    song.hold(paths[1])
    whole = [path.read_bytes() for path in paths]
    song.close()
    for path, data in zip(paths, whole, strict=True):
        sent = answer(Download(song, path, {}))
        assert b"".join(message.get("body", b"") for message in sent) == data
    assert not song.folder.exists()


def test_of_a_song_that_went_nothing_is_made_or_sent(song: Song):
    path = mix(song, 1)
    song.release(path)
    song.close()
    with pytest.raises(NoSuchSongError, match="removed meanwhile"):
        mix(song, 0.5)
    with pytest.raises(NoSuchSongError, match="removed meanwhile"):
        song.hold(path)
    assert (song.held, song.folder.exists()) == ([], False)


@pytest.mark.parametrize("range_", [b"bytes=0-99", None])
def test_samples_of_a_song_that_goes_meanwhile_are_refused(song: Song, range_: bytes | None):
    class Closing:
        def song(self, session: str, song_id: str) -> Song:
            song.close()
            return song

    settings = SeparationSettings("rules")
    nobody: Any = None
    library: Any = Closing()
    studio = Studio(library, nobody, settings=settings, max_upload=1, stopping=lambda: False)
    headers = [] if range_ is None else [(b"range", range_)]
    at = {"song": song.id, "stem": "vocals"}
    scope = {"type": "http", "query_string": b"", "headers": headers, "session": ""}
    with pytest.raises(NoSuchSongError, match="removed meanwhile"):
        asyncio.run(studio.stem(Request({**scope, "path_params": at})))


def test_who_waited_for_a_song_that_went_gets_nothing(song: Song):
    with ThreadPoolExecutor() as pool:
        with song.lock:
            waiting = pool.submit(mix, song, 1)
            time.sleep(0.2)
            song.close()
        with pytest.raises(NoSuchSongError):
            waiting.result()
    assert not song.folder.exists()


def test_stems_that_cannot_all_be_kept_leave_none(
    song: Song, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write = exports.open_stem

    def full(path: Path, *given: Any) -> Any:
        if path.stem != song.stems[0]:
            raise AudioError("the disk is full")
        return write(path, *given)

    monkeypatch.setattr(exports, "open_stem", full)
    with pytest.raises(AudioError):
        exports.keep_stems(song, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_cannot_be_made_leaves_nothing(song: Song, monkeypatch: pytest.MonkeyPatch):
    before = sorted(song.folder.rglob("*"))

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(OSError):
        export_file(song, "stems", "wav", dict.fromkeys(song.stems, 1.0))
    assert sorted(song.folder.rglob("*")) == before
    assert song.files == {}
