"""Which songs go where, and how: settings, names and the checks before the work; it hears nothing.

Everything that can fail cheaply fails here, before the first sample is separated.
"""

import os
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isolde.activity import MODEL as ACTIVITY
from isolde.audio import subtype_for
from isolde.audio.writer import ClipPolicy
from isolde.core.errors import AudioError, InputError
from isolde.models.catalogue import DEFAULT
from isolde.separation.load import stems_of

TEMPLATE = "{track}/{stem}.{ext}"
VOCALS = "vocals"
AUDIO_SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .w64 .rf64 .au .caf "
    ".m4a .mp4 .aac .wma .mkv .webm .mov .avi".split()
)


@dataclass(frozen=True)
class Settings:
    """How songs are separated and written.

    Attributes:
        output: folder; None: the current one.
        stems: which to write; None: all that the model gives.
        model: name or path.
        mask: "soft" or "binary".
        threshold: for "binary".
        strength: for "soft".
        gate: whether the vocals are turned down where nobody sings.
        phrases: whether the vocals are cut into phrases, a file each, in a folder of the stem's
            name; other stems are then written only if `stems` asks for them, and whole.
        activity: name or path of the model that finds the phrases.
        container: "wav", "flac", "ogg", "opus" or "mp3".
        bit_depth: "16", "24", "32", "32f"; None: the song's own where it has one.
        clip: policy of `AudioWriter`.
        start: in seconds.
        end: in seconds; None: the song's.
        name: template of the files below `output`.
        overwrite: whether existing files may be replaced.
        threads: for the network; 0: as many as there are cores, up to 4.
    """

    output: Path | None = None
    stems: tuple[str, ...] | None = None
    model: str = DEFAULT
    mask: str = "soft"
    threshold: float = 0.5
    strength: float = 1.0
    gate: bool = False
    phrases: bool = False
    activity: str = ACTIVITY
    container: str = "wav"
    bit_depth: str | None = None
    clip: ClipPolicy = "warn"
    start: float = 0.0
    end: float | None = None
    name: str = TEMPLATE
    overwrite: bool = False
    threads: int = 0

    @property
    def n_threads(self) -> int:
        """Threads that the network gets."""
        return self.threads or min(4, os.cpu_count() or 1)

    def chosen(self, given: Sequence[str]) -> tuple[str, ...]:
        """The stems to write, of those that the model gives.

        Raises:
            InputError: when it does not give one of them, or phrases are asked of other stems only.
        """
        asked = self.stems or ((VOCALS,) if self.phrases else None)
        unknown = [stem for stem in asked or () if stem not in given]
        if unknown:
            raise InputError(
                f"model '{self.model}' gives no stem {', '.join(unknown)}: "
                f"take of {', '.join(given)}"
            )
        stems = tuple(dict.fromkeys(asked)) if asked else tuple(given)
        if self.phrases and VOCALS not in stems:
            raise InputError(f"phrases are cut of the {VOCALS}: ask for that stem too")
        return stems


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
            if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
        )
        if not inside:
            raise InputError(f"{source}: holds no audio file: give another folder, or files")
        songs += [Song(p, p.relative_to(source).with_suffix("").as_posix()) for p in inside]
    return songs


def paths_of(song: Song, settings: Settings, stems: Sequence[str]) -> dict[str, Path]:
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


def check_batch(songs: Sequence[Song], settings: Settings) -> None:
    """Make sure, before any work, that settings hold and no two songs write the same file.

    Raises:
        InputError: when they do not.
        ModelError: when there is no such model.
    """
    stems = settings.chosen(stems_of(settings.model))
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


def check_output(settings: Settings) -> None:
    """Make sure that the output folder can be made and written.

    Raises:
        AudioError: when it cannot.
    """
    folder = settings.output or Path()
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise AudioError(f"{there}: cannot be written: choose another folder with -o")
