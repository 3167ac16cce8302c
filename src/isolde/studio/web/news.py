"""Server-sent events: which songs have changed and which are gone; it changes none."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from isolde.studio.library import Library

POLL_SECONDS, BEAT_SECONDS = 0.05, 15.0


async def news(
    library: Library, session: str, *, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    """Tell of each song whenever it changes, and of those that go, until the server ends.

    Args:
        library: Songs.
        session: Session whose songs are told of.
        stopping: Whether the server is about to end.
    """
    seen: dict[str, int] = {}
    quiet = 0.0
    yield "retry: 1000\n\n"
    while not stopping():
        songs = library.songs(session)
        changed = [song for song in songs if seen.get(song.id) != song.version]
        gone = seen.keys() - {song.id for song in songs}
        for song in changed:
            seen[song.id] = song.version
            yield _event("song", song.to_dict())
        for song_id in gone:
            del seen[song_id]
            yield _event("gone", {"id": song_id})
        quiet = 0.0 if changed or gone else quiet + POLL_SECONDS
        if quiet >= BEAT_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _event(kind: str, values: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(values)}\n\n"
