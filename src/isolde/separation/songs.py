"""Which songs are separated, and where their stems go: names and checks before any work.

Everything that can fail cheaply fails here; it reads no sound.
"""

import os
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isolde.audio import subtype_for
from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from isolde.core.errors import AudioError, InputError
from isolde.core.stems import VOCALS
from isolde.separation.load import stems_of
from isolde.separation.settings import FileSettings


@dataclass(frozen=True)
class Song:
    """A file to separate, and the track name under which its stems are written."""

    path: Path
    track: str


def songs_in(sources: Iterable[Path]) -> list[Song]:
    """Files as they are, and all audio files in folders, recursively and sorted.

    A song found in a folder keeps its place below it in its track name.

    Raises:
        InputError: when a folder holds no audio.
    """
    songs = []
    for source in sources:
        if not source.is_dir():
            songs.append(Song(source, source.stem))
            continue
        inside = sorted(
            path
            for path in source.rglob("*")
            if path.suffix.lower() in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES)
            and not path.name.startswith(".")
        )
        if not inside:
            raise InputError(f"{source}: holds no audio file: give another folder, or files")
        songs += [Song(p, p.relative_to(source).with_suffix("").as_posix()) for p in inside]
    return songs


def paths_of(song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
    """Where the stems of a song go: files, and for phrases a folder.

    Raises:
        InputError: when the template names something unknown, or two stems would share a file.
    """
    known = {"track", "stem", "ext"}
    try:
        asked = {name for _, name, _, _ in string.Formatter().parse(settings.name) if name}
    except ValueError as error:
        raise InputError(f"the name '{settings.name}' is no template ({error})") from None
    if asked - known:
        raise InputError(
            f"the name '{settings.name}' asks for {', '.join(sorted(asked - known))}: "
            "only {track}, {stem} and {ext} are known"
        )
    if len(stems) > 1 and "stem" not in asked:
        raise InputError(
            f"the name '{settings.name}' gives all stems one file: put {{stem}} into it"
        )
    folder = settings.output or Path()
    paths = {
        stem: folder / settings.name.format(track=song.track, stem=stem, ext=settings.container)
        for stem in stems
    }
    if settings.phrases and VOCALS in paths:
        paths[VOCALS] = paths[VOCALS].with_suffix("")
    return paths


def check_batch(songs: Sequence[Song], settings: FileSettings) -> None:
    """Make sure, before any work, that settings hold and no two songs write the same file.

    Raises:
        InputError: when they do not.
        ModelError: when there is no such model.
    """
    stems = settings.chosen(stems_of(settings.separation.model))
    subtype_for(settings.container, bit_depth=settings.bit_depth)
    seen: dict[Path, Song] = {}
    for song in songs:
        for path in paths_of(song, settings, stems).values():
            other = seen.setdefault(path, song)
            if other != song:
                raise InputError(
                    f"{other.path} and {song.path} would both write {path}: "
                    "separate them into different folders"
                )


def check_output(settings: FileSettings) -> None:
    """Make sure that the output folder can be made and written.

    Raises:
        AudioError: when it cannot.
    """
    folder = settings.output or Path()
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise AudioError(f"{there}: cannot be written: choose another folder with -o")
