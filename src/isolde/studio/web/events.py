"""Server-sent events: which songs have changed and which were removed; it changes none."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from isolde.studio.choices import Choices
from isolde.studio.description import describe
from isolde.studio.library import Library
from isolde.studio.song import Song

POLL_SECONDS, BEAT_SECONDS = 0.05, 15.0


async def stream_events(
    library: Library, choices: Choices, session: str, *, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    """Report songs that change or are removed, and measured models, until the server stops.

    A song that replaces another is reported before the removal of that one, and a song that is
    removed together with another is reported first. All events of one moment are written at once:
    a browser that has gone is noticed between writes.

    Args:
        library: All songs.
        choices: Models, which are reported whenever the speed of one has been measured.
        session: Session whose songs are reported.
        stopping: Function that tells whether the server is about to stop.
    """
    seen: dict[Song, int] = {}
    n_measured = -1
    quiet = 0.0
    yield "retry: 1000\n\n"
    while not stopping():
        songs = library.songs(session)
        removed = [song for song in reversed(seen) if song not in songs]
        added = [song for song in songs if song not in seen]
        changed = [song for song in songs if song in seen and seen[song] != song.version]
        texts = []
        if choices.n_measured != n_measured:
            n_measured = choices.n_measured
            texts.append(_event("models", choices.list_models()))
        texts += [_song_event(song, seen) for song in added]
        for song in removed:
            del seen[song]
            texts.append(_event("gone", {"id": song.id, "next": _successor(song, songs)}))
        texts += [_song_event(song, seen) for song in changed]
        if texts:
            yield "".join(texts)
        quiet = 0.0 if texts else quiet + POLL_SECONDS
        if quiet >= BEAT_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _song_event(song: Song, seen: dict[Song, int]) -> str:
    seen[song] = song.version
    return _event("song", describe(song))


def _successor(song: Song, songs: list[Song]) -> str | None:
    """Id of the song in the list that has taken the place of a removed one."""
    following = song.next
    while following is not None and following not in songs:
        following = following.next
    return None if following is None else following.id


def _event(kind: str, values: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(values)}\n\n"
