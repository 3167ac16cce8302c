"""The thread that separates songs, one at a time; the song that plays comes first."""

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
    """A queue of songs, and a thread that separates the first of them block by block."""

    def __init__(
        self, settings: SeparationSettings, *, done: Callable[[Song], None] | None = None
    ) -> None:
        """Start the thread, which first loads what most songs need.

        Args:
            settings: Settings of songs that choose none.
            done: Function called, in the thread, with each song that is separated.
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
        """Whether a song waits or is being separated, or the engine still loads."""
        return bool(self._queue) or not self._prepared

    def put(self, song: Song) -> None:
        """Append a song to the queue."""
        with self._changed:
            self._queue.append(song)
            self._changed.notify()

    def prefer(self, song: Song) -> None:
        """Move a song to the front of the queue, if it is in the queue."""
        with self._changed:
            if song in self._queue:
                self._queue.remove(song)
                self._queue.insert(0, song)

    def drop(self, song: Song) -> None:
        """Take a song out of the queue and delete its files."""
        with self._changed:
            if song in self._queue:
                self._queue.remove(song)
            steps = self._steps.pop(song.id, None)
        with song.lock:  # not in the middle of a block
            if steps is not None:
                steps.close()
            song.close()

    def close(self) -> None:
        """Stop after the current block."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first song reports the error
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
        """Separate a block; a song that is done or fails leaves the queue."""
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
