"""The thread that separates, one song at a time and first the one that somebody listens to."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Generator

from isolde.core.errors import IsoldeError
from isolde.separation import SeparationSettings
from isolde.studio.memory import return_memory
from isolde.studio.separation import prepare, separate_in_steps
from isolde.studio.song import FAILED, Song


class Engine:
    """Songs that wait, and a thread that takes them a block further."""

    def __init__(
        self, settings: SeparationSettings, *, done: Callable[[Song], None] | None = None
    ) -> None:
        """Start the thread, which first loads what most songs will need.

        Args:
            settings: How songs are separated that choose nothing else.
            done: Called, in the thread, with each song that is separated.
        """
        self._settings, self._done = settings, done
        self._prepared = False
        self._queue: list[Song] = []
        self._steps: dict[str, Generator[None, None, None]] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="separation", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a song is being separated or waits, or the first one is being prepared."""
        return bool(self._queue) or not self._prepared

    def put(self, song: Song) -> None:
        """Let a song wait behind the others."""
        with self._changed:
            self._queue.append(song)
            self._changed.notify()

    def prefer(self, song: Song) -> None:
        """Go on with this song before all others; nothing happens when it is done."""
        with self._changed:
            if song in self._queue:
                self._queue.remove(song)
                self._queue.insert(0, song)

    def drop(self, song: Song) -> None:
        """Forget a song and delete what is kept of it."""
        with self._changed:
            if song in self._queue:
                self._queue.remove(song)
            steps = self._steps.pop(song.id, None)
        with song.lock:  # not in the middle of a block
            if steps is not None:
                steps.close()
            song.close()

    def close(self) -> None:
        """Stop after the block that is being separated."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first song will say so
            prepare(self._settings)
        self._prepared = True
        while True:
            with self._changed:
                while not self._queue and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
                song = self._queue[0]
                steps = self._steps.get(song.id)
                if steps is None:
                    steps = separate_in_steps(song)
                    self._steps[song.id] = steps
            self._step(song, steps)

    def _step(self, song: Song, steps: Generator[None, None, None]) -> None:
        """A block further; a song that is done or cannot go on leaves the queue."""
        with song.lock:
            if self._steps.get(song.id) is not steps:
                return  # dropped meanwhile
            try:
                next(steps)
                return
            except StopIteration:
                pass
            except IsoldeError as error:
                song.state, song.error = FAILED, str(error).replace(str(song.source), song.name)
            except Exception as error:
                traceback.print_exc()
                song.state, song.error = FAILED, f"{song.name}: {error}"
            song.version += 1
        with self._changed:
            self._steps.pop(song.id, None)
            if song in self._queue:
                self._queue.remove(song)
        return_memory()
        if self._done is not None and song.state != FAILED:
            self._done(song)
