"""The songs of all sessions and the folder that holds their files; it refuses what does not fit.

The folder is a temporary one of this process. It is deleted when the library closes; folders of
killed processes are deleted when the next library opens.
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
"""Greatest number of songs of one session."""

SPARE_BYTES = 200_000_000
"""Bytes of the disk that stay free."""

DEMO_NAME = "isolde demo.wav"


class Library:
    """Songs by session and id."""

    def __init__(self, settings: SeparationSettings, *, keep: Path | None = None) -> None:
        """Make the folder and start the engine.

        Args:
            settings: Settings of songs that choose none.
            keep: Folder to which the stems of every song are written; None to write none.
        """
        remove_leftovers(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock_file = _open_lock(self.folder / "lock")
        self._keep = keep
        self._songs: dict[str, Song] = {}
        self._places = itertools.count()
        self._lock = threading.Lock()
        self._replacing = threading.Lock()  # so that a song has one replacement at most
        self.engine = Engine(settings, done=self._keep_stems)

    def songs(self, session: str) -> list[Song]:
        """List the songs that a session may read, in the order of their places."""
        with self._lock:
            songs = [song for song in self._songs.values() if song.session in ("", session)]
        return sorted(songs, key=lambda song: song.place)

    def song(self, session: str, song_id: str) -> Song:
        """Return one of the songs that a session may read.

        Raises:
            NoSuchSongError: There is no song of that id, or it belongs to another session.
        """
        song = self._songs.get(song_id)
        if song is None or song.session not in ("", session):
            raise NoSuchSongError("there is no such song: it was removed, or is another session's")
        return song

    def upload_path(self, name: str) -> Path:
        """Choose the path of an upload, in a new folder, with the name's suffix if it is known."""
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
        """Open a song and put it into the engine's queue.

        Args:
            source: Path of a file; one below the library's folder is deleted with the song.
            name: Name to show.
            session: Session to which the song belongs.
            settings: How it is separated.
            replaces: Song whose place it will take.

        Raises:
            InputError: The file is not audio, there is no such model, too many songs are open, the
                disk has no room, or a setting is invalid.
            NoSuchSongError: The song that it replaces was removed.
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
            self.check_room(_stem_bytes(info, stems))
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
        """Add the demo song of the package.

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
        """Add the same song with other settings, as a replacement of the first one.

        An earlier replacement of this session is removed. If the settings are the song's own, no
        new song is added.

        Args:
            song: Song to separate again.
            session: Session that asks for it.
            settings: How it is separated.

        Returns:
            The replacement, or the song itself.

        Raises:
            InputError: See `add`.
            NoSuchSongError: The song was removed.
        """
        with self._replacing:
            earlier = self._replacement(song, session)
            if earlier is not None:
                self.remove(earlier)
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
        """Remove a song and give its place to its replacement, if it has one.

        Args:
            song: Song to remove.
            session: Session that asked for the replacement.
        """
        with self._replacing:
            replacement = self._replacement(song, session)
            if replacement is None:
                return
            with self._lock:
                replacement.replaces, song.next = song.replaces, replacement
                replacement.version += 1
            self.remove(song)

    def remove(self, song: Song) -> None:
        """Remove a song and its replacements, and delete their files."""
        with self._lock:
            self._songs.pop(song.id, None)
            replacements = [other for other in self._songs.values() if other.replaces == song.id]
        self.engine.drop(song)
        for other in replacements:
            self.remove(other)

    def close(self) -> None:
        """Stop the engine and delete all files."""
        self.engine.close()
        for song in list(self._songs.values()):
            self.remove(song)
        if self._lock_file is not None:
            self._lock_file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def check_room(self, n_bytes: float) -> None:
        """Refuse a file for which the disk has no room beside the unfinished songs.

        Raises:
            InputError: The disk has no room.
        """
        with self._lock:
            unfinished = [s for s in self._songs.values() if s.state in (WAITING, SEPARATING)]
        promised = sum(_stem_bytes(s.info, s.stems) * (1 - s.share) for s in unfinished)
        free = shutil.disk_usage(self.folder).free - SPARE_BYTES - promised
        if n_bytes > free:  # also a song of unknown length, where less than the spare room is free
            raise InputError(
                f"the song needs {n_bytes / 1e6:,.0f} MB on the disk of {self.folder.parent}, "
                f"where {max(0.0, free) / 1e6:,.0f} MB are left for it: make room, or set TMPDIR "
                "to another folder"
            )

    def _replacement(self, song: Song, session: str) -> Song | None:
        """The song of a session that will take another one's place."""
        songs = self.songs(session)
        return next((other for other in songs if other.replaces == song.id), None)

    def _keep_stems(self, song: Song) -> None:
        """Write the stems of a separated song for `keep`; an error becomes a warning of it."""
        if self._keep is None:
            return
        try:
            with song.lock:  # `remove` waits for it
                if not song.closed:
                    keep_stems(song, self._keep)
        except (IsoldeError, OSError) as error:
            song.warnings = [f"its stems are not kept: {error}", *song.warnings]
            song.version += 1


def _stem_bytes(info: AudioInfo, stems: tuple[str, ...]) -> float:
    """Bytes of all stems of a song on the disk; 0 if its length is unknown."""
    return (info.seconds or 0) * info.sample_rate * info.n_channels * len(stems) * SAMPLE_BYTES


def remove_leftovers(folder: Path) -> None:
    """Delete the folders of killed processes; those of running processes stay."""
    for left in folder.glob(f"{PREFIX}*"):
        lock = left / "lock"
        if not lock.is_file():
            continue
        lock_file = _open_lock(lock)
        if lock_file is not None:
            lock_file.close()
            shutil.rmtree(left, ignore_errors=True)


def _open_lock(path: Path) -> IO[Any] | None:
    """Open and lock a file until it is closed; None if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: no folder is deleted there
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
