"""The songs of all sessions and the folder that keeps them; what it cannot keep it refuses.

The folder is a temporary one of this process. It goes when the library closes; what a process left
that was killed goes when the next one starts.
"""

import itertools
import shutil
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np

from isolde.audio import AudioInfo, AudioReader, AudioWriter
from isolde.audio.demo import read_demo
from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from isolde.core.errors import InputError, IsoldeError
from isolde.separation.load import stems_of
from isolde.separation.settings import SeparationSettings
from isolde.studio.engine import Engine
from isolde.studio.exports import keep_stems
from isolde.studio.song import SEPARATING, WAITING, NoSuchSongError, Song, display_name
from isolde.studio.spool import SAMPLE_BYTES

PREFIX = "isolde-studio-"
MAX_SONGS = 64
"""Songs of one session at a time."""

SPARE_BYTES = 200_000_000
"""Room that must stay on the disk."""

DEMO_NAME = "isolde demo.wav"


class Library:
    """Songs by session and id."""

    def __init__(self, settings: SeparationSettings, *, keep: Path | None = None) -> None:
        """Make the folder and start the engine.

        Args:
            settings: How songs are separated that choose nothing else.
            keep: Folder that gets the stems of every song that is separated; None: nothing stays.
        """
        sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._held = _held(self.folder / "lock")
        self._keep = keep
        self._songs: dict[str, Song] = {}
        self._places = itertools.count()
        self._lock = threading.Lock()
        self._wishes = threading.Lock()  # so that one song at most is coming for another
        self.engine = Engine(settings, done=self._finished)

    def songs(self, session: str) -> list[Song]:
        """Give the songs that a session may read, in the order of their places."""
        with self._lock:
            songs = [song for song in self._songs.values() if song.session in ("", session)]
        return sorted(songs, key=lambda song: song.place)

    def song(self, session: str, song_id: str) -> Song:
        """Give one of them.

        Raises:
            NoSuchSongError: When there is none of that id, or it is another session's.
        """
        song = self._songs.get(song_id)
        if song is None or song.session not in ("", session):
            raise NoSuchSongError("there is no such song: it was removed, or is another session's")
        return song

    def upload_path(self, name: str) -> Path:
        """Make a place for what is uploaded under a name, of which a known suffix is kept."""
        suffix = Path(display_name(name)).suffix.lower()
        suffix = suffix if suffix in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES) else ""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return folder / f"source{suffix}"

    def add(
        self,
        source: Path,
        *,
        name: str,
        session: str,
        settings: SeparationSettings,
        replaces: Song | None = None,
    ) -> Song:
        """Open a song and let it wait for the engine.

        Args:
            source: A file; one below the library's folder is deleted with the song.
            name: To be shown.
            session: That brought it.
            settings: How it is separated.
            replaces: Song whose place it is to take.

        Raises:
            InputError: When the file is no audio, there is no such model, too many songs are open,
                the disk has no room, or a setting is bad.
            NoSuchSongError: When the song that it replaces is not there any more.
        """
        name = display_name(name)
        own = source.parent if source.is_relative_to(self.folder) else None
        folder = own or Path(tempfile.mkdtemp(dir=self.folder))
        try:
            if len(self.songs(session)) >= MAX_SONGS:
                raise InputError(f"{MAX_SONGS} songs are open: remove some first")
            stems = stems_of(settings.model)
            with AudioReader(source) as reader:
                info = reader.info
            self._check_room(_stem_bytes(info, stems))
        except IsoldeError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(str(error).replace(str(source), name)) from None
        song = Song(session, name, source, folder, info, settings, stems)
        song.n_samples = info.n_samples
        with self._lock:
            if replaces is None:
                song.place = next(self._places)
            elif replaces.id in self._songs:
                song.place, song.replaces = replaces.place, replaces.id
            else:
                shutil.rmtree(folder, ignore_errors=True)
                raise NoSuchSongError("the song was removed meanwhile")
            self._songs[song.id] = song
            self.engine.put(song)
        return song

    def add_demo(self, *, session: str, settings: SeparationSettings) -> Song:
        """Add the song that the package ships.

        Raises:
            AudioError: The installation lacks it.
            InputError: See `add`.
        """
        stems, rate = read_demo()
        mixture = np.sum(list(stems.values()), axis=0).astype(np.float32)
        path = self.upload_path(DEMO_NAME)
        with AudioWriter(
            path, sample_rate=rate, n_channels=2, subtype="FLOAT", tags={"title": "isolde demo"}
        ) as writer:
            writer.write(mixture)
        return self.add(path, name=DEMO_NAME, session=session, settings=settings)

    def add_again(self, song: Song, *, session: str, settings: SeparationSettings) -> Song:
        """Add the same song with other settings, as a new one that is to take its place.

        What the session wished for that song before is removed; where the settings are the song's
        own that is all.

        Args:
            song: Song to be separated anew.
            session: Session that wishes it.
            settings: How it is separated.

        Returns:
            The new song, or the song itself.

        Raises:
            InputError: See `add`.
            NoSuchSongError: When the song is not there any more.
        """
        with self._wishes:
            coming = self._coming(song, session)
            if coming is not None:
                self.remove(coming)
            if settings == song.settings:
                return song
            source = song.source
            if source.is_relative_to(self.folder):
                path = self.upload_path(source.name)
                try:
                    path.hardlink_to(source)
                except FileNotFoundError:
                    path.parent.rmdir()
                    raise NoSuchSongError("the song was removed meanwhile") from None
                source = path
            return self.add(
                source, name=song.name, session=session, settings=settings, replaces=song
            )

    def take(self, song: Song, *, session: str) -> None:
        """Let what is coming for a song take its place; nothing happens where nothing is.

        Args:
            song: Song that goes.
            session: Session that wished for another one.
        """
        with self._wishes:
            coming = self._coming(song, session)
            if coming is None:
                return
            with self._lock:
                coming.replaces, song.next = song.replaces, coming
                coming.version += 1
            self.remove(song)

    def remove(self, song: Song) -> None:
        """Forget a song and what is coming for it, and delete what is kept of them."""
        with self._lock:
            self._songs.pop(song.id, None)
            coming = [other for other in self._songs.values() if other.replaces == song.id]
        self.engine.drop(song)
        for other in coming:
            self.remove(other)

    def close(self) -> None:
        """Stop the engine and delete everything that was kept."""
        self.engine.close()
        for song in list(self._songs.values()):
            self.remove(song)
        if self._held is not None:
            self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def check_upload(self, n_bytes: int) -> None:
        """Refuse what the disk cannot take.

        Raises:
            InputError: When there is no room for so much.
        """
        self._check_room(n_bytes)

    def _coming(self, song: Song, session: str) -> Song | None:
        """The song of a session that is to take another one's place."""
        songs = self.songs(session)
        return next((other for other in songs if other.replaces == song.id), None)

    def _check_room(self, need: float) -> None:
        """Refuse a song for which the disk has no room beside those that are still separated."""
        with self._lock:
            unfinished = [s for s in self._songs.values() if s.state in (WAITING, SEPARATING)]
        promised = sum(_stem_bytes(s.info, s.stems) * (1 - s.share) for s in unfinished)
        free = max(0.0, shutil.disk_usage(self.folder).free - SPARE_BYTES - promised)
        if need > free:
            raise InputError(
                f"the song needs {need / 1e6:,.0f} MB on the disk of {self.folder.parent}, where "
                f"{free / 1e6:,.0f} MB are left for it: make room, or set TMPDIR to another folder"
            )

    def _finished(self, song: Song) -> None:
        """Keep the stems of a song where that was asked for; where that fails it is ready too."""
        if self._keep is None:
            return
        try:
            with song.lock:  # whoever removes it waits: what is closed is read as nothing
                if not song.closed:
                    keep_stems(song, self._keep)
        except (IsoldeError, OSError) as error:
            song.warnings = [f"its stems are not kept: {error}", *song.warnings]
            song.version += 1


def _stem_bytes(info: AudioInfo, stems: tuple[str, ...]) -> float:
    """Size of all stems of a song on the disk; 0 where its length is not known."""
    return (info.seconds or 0) * info.sample_rate * info.n_channels * len(stems) * SAMPLE_BYTES


def sweep(folder: Path) -> None:
    """Delete what earlier processes left that were killed; those that still run are spared."""
    for left in folder.glob(f"{PREFIX}*"):
        lock = left / "lock"
        if not lock.is_file():
            continue
        held = _held(lock)
        if held is not None:
            held.close()
            shutil.rmtree(left, ignore_errors=True)


def _held(path: Path) -> IO[Any] | None:
    """The open lock file, held until it is closed; None when another process holds it."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: nothing is swept there
        return None
    try:
        file = path.open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
