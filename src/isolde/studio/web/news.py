"""Server-sent events: which songs have changed and which are gone; it changes none."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from isolde.studio.choices import Choices
from isolde.studio.library import Library
from isolde.studio.song import Song
from isolde.studio.words import tell

POLL_SECONDS, BEAT_SECONDS = 0.05, 15.0


async def news(
    library: Library, choices: Choices, session: str, *, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    """Tell of songs that change, of those that go, and of models, until the server ends.

    Songs are told of before those whose place they take go, and go before those. All that is new
    at one time is one text, and so one write: a browser that has gone is noticed between writes.

    Args:
        library: Songs.
        choices: Models, which are told of whenever the speed of one is known.
        session: Session whose songs are told of.
        stopping: Whether the server is about to end.
    """
    seen: dict[Song, int] = {}
    n_measured = -1
    quiet = 0.0
    yield "retry: 1000\n\n"
    while not stopping():
        songs = library.songs(session)
        gone = [song for song in reversed(seen) if song not in songs]
        fresh = [song for song in songs if song not in seen]
        changed = [song for song in songs if song in seen and seen[song] != song.version]
        texts = []
        if choices.n_measured != n_measured:
            n_measured = choices.n_measured
            texts.append(_event("models", choices.listed()))
        texts += [_told(song, seen) for song in fresh]
        for song in gone:
            del seen[song]
            texts.append(_event("gone", {"id": song.id, "next": _successor(song, songs)}))
        texts += [_told(song, seen) for song in changed]
        if texts:
            yield "".join(texts)
        quiet = 0.0 if texts else quiet + POLL_SECONDS
        if quiet >= BEAT_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _told(song: Song, seen: dict[Song, int]) -> str:
    seen[song] = song.version
    return _event("song", tell(song))


def _successor(song: Song, songs: list[Song]) -> str | None:
    """Id of the one of these songs that has its place by now."""
    following = song.next
    while following is not None and following not in songs:
        following = following.next
    return None if following is None else following.id


def _event(kind: str, values: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(values)}\n\n"
