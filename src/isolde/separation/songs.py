"""Which songs are separated, and where their stems go: names and checks before any work.

Everything that can fail cheaply fails here; it reads no sound.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isolde.audio import subtype_for
from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES, container_named
from isolde.audio.limits import check_quality
from isolde.audio.stemfile import check_stem_file
from isolde.core.atomic import refuse_inputs
from isolde.core.errors import AudioError, InputError
from isolde.core.stems import ACCOMPANIMENT, PARTS, VOCALS
from isolde.separation import remote
from isolde.separation.load import stems_of
from isolde.separation.names import check_template, fill_template, layout_named, safe_track
from isolde.separation.settings import FileSettings

STDIN = Path("-")
_STEMS = (VOCALS, ACCOMPANIMENT, *PARTS)


@dataclass(frozen=True)
class Song:
    """A file to separate, and the name under which its stems are written.

    Attributes:
        path: Path of the file; "-" for standard input; of a remote file its place from the root,
            host or bucket first.
        track: Name of the song, with folders where it was found in some.
        url: URL of a remote file; else empty.
        mark: Text that changes when a remote file does, where a listing told it.
    """

    path: Path
    track: str
    url: str = ""
    mark: str = ""

    @property
    def source(self) -> str:
        """Where the song is, for people: its path or URL."""
        return remote.shown(self.url) if self.url else str(self.path)

    def blame(self, error: object) -> str:
        """Say an error of this song, which names the song once, also where it is folded."""
        named = " ".join(self.source.split()) in " ".join(str(error).split())
        return str(error) if named else f"{self.source}: {error}"


def songs_in(sources: Iterable[Path | str], settings: FileSettings | None = None) -> list[Song]:
    """List the songs to separate: files as they are, folders with all audio files below them.

    A song found in a folder keeps its place below it in its track name. Songs that would share a
    name get more of their path, or their ending, into it. A file given twice counts once.

    Args:
        sources: Paths and URLs of files and folders; "-" for standard input.
        settings: Where the stems go: stems of an earlier run that lie in a scanned folder are no
            songs.

    Raises:
        InputError: A folder holds no audio.
        AudioError: A remote folder cannot be listed.
    """
    songs: list[Song] = []
    for named in sources:
        source = named if isinstance(named, Path) else remote.local_path(named)
        if source is None:
            songs += _remote(str(named), settings or FileSettings())
        elif source == STDIN:
            songs.append(Song(source, "stdin"))
        elif os.path.isdir(source):
            songs += _below(source, settings or FileSettings())
        else:
            songs.append(Song(source, safe_track(source.stem)))
    told = _told_apart(songs)
    return [*map(_previewed, told)] if settings is not None and settings.preview else told


def _previewed(song: Song) -> Song:
    """Name a song as its preview."""
    return replace(song, track=f"{song.track} (preview)")


def _below(source: Path, settings: FileSettings) -> list[Song]:
    """List the songs below a folder, sorted."""
    output = None if settings.output is None else _real(settings.output)
    top = _real(source)  # where nobody named a folder, songs beside its stems are songs
    inner = output if output and output != top and output.is_relative_to(top) else None
    found = [
        path
        for path in sorted(source.rglob("*"))
        if _may_be_song(path.relative_to(source))
        and path.is_file()
        and not (inner is not None and _real(path).is_relative_to(inner))
    ]
    songs = [Song(p, _track(p.relative_to(source))) for p in found]
    if settings.remote is None:
        songs = _without_stems(songs, settings, Path())
    if not songs:
        raise InputError(f"{source}: holds no audio file: give another folder, or files")
    return songs


def _remote(url: str, settings: FileSettings) -> list[Song]:
    """List the song of a URL, or the songs below it where it is a folder, sorted."""
    top = Path(remote.path_in(url))
    files = remote.files_below(url)
    if files is None:
        return [Song(top, safe_track(top.stem), url)]
    output = None if settings.remote is None else Path(remote.path_in(settings.remote))
    inner = output if output is not None and output != top else None
    songs = [
        Song(top / name, _track(Path(name)), remote.below(url, name), listed.mark)
        for name, listed in files.items()
        if _may_be_song(Path(name)) and not (inner and (top / name).is_relative_to(inner))
    ]
    if output is not None:
        songs = _without_stems(songs, settings, output)
    if not songs:
        raise InputError(f"{remote.shown(url)}: holds no audio file: give another folder, or files")
    return songs


def _may_be_song(path: Path) -> bool:
    """Whether a path below a folder has the ending of audio, and nothing in it is hidden."""
    known = path.suffix.lower() in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES)
    return known and not any(part.startswith(".") for part in path.parts)


def _track(path: Path) -> str:
    """Name the song at a path below a folder."""
    return safe_track(path.with_suffix("").as_posix())


def _without_stems(songs: Sequence[Song], settings: FileSettings, folder: Path) -> list[Song]:
    """Leave out what would be a stem of another song, in an output folder below `folder`."""
    written = {
        (folder / path).absolute().with_suffix("")
        for song in songs
        for named in (song, _previewed(song))
        for stem in _STEMS
        for path in paths_of(named, settings, [stem]).values()
    }
    return [song for song in songs if written.isdisjoint(_places(song.path.absolute()))]


def _places(path: Path) -> list[Path]:
    """List what a stem of an earlier run would be: the file, or a folder of phrases above it."""
    return [path.with_suffix(""), *path.parents]


def _told_apart(songs: Sequence[Song]) -> list[Song]:
    """Give songs of one name names that differ, also where capitals do not count."""
    first: dict[Path | str, Song] = {}
    for song in songs:
        place = song.url or (_real(song.path) if song.path != STDIN else STDIN)
        first.setdefault(place, song)
    groups: dict[str, list[Song]] = defaultdict(list)
    for song in first.values():
        groups[song.track.casefold()].append(song)
    taken = {name for name, group in groups.items() if len(group) == 1}
    result: dict[Song, str] = {}
    for group in groups.values():
        names = _longer(group) if len(group) > 1 else [group[0].track]
        for song, name in zip(group, names, strict=True):
            track, number = name, 2
            while len(group) > 1 and track.casefold() in taken:
                track, number = f"{name} ({number})", number + 1
            taken.add(track.casefold())
            result[song] = track
    return [replace(song, track=result[song]) for song in first.values()]


def _real(path: Path) -> Path:
    """Follow links; one that leads to itself stays as it is, for the reader to tell."""
    return Path(os.path.realpath(path))


def _longer(songs: Sequence[Song]) -> list[str]:
    """Add as little of the path as tells songs apart: the ending, then folders above."""
    parts = [_real(song.path).with_suffix("").parts[1:] for song in songs]
    depths = [song.track.count("/") + 1 for song in songs]
    endings = [f" ({song.path.suffix.lower().lstrip('.')})" for song in songs]
    names = [song.track for song in songs]
    for more in range(max(map(len, parts))):
        for with_ending in (False, True):
            names = [
                safe_track("/".join(part[-(depth + more) :])) + (ending if with_ending else "")
                for part, depth, ending in zip(parts, depths, endings, strict=True)
            ]
            if len({name.casefold() for name in names}) == len(names):
                return names
    return names


ONE_FILE = "{track}.{ext}"
"""Names of files that hold all stems of a song."""


def paths_of(song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
    """Name the files of a song's stems, and for phrases a folder; below a remote folder's URL.

    Args:
        song: Song.
        settings: Output folder, layout or template of names, and format.
        stems: Names of the stems.

    Raises:
        InputError: The layout is unknown, the template asks for something unknown or leads out of
            the output folder, or two stems would share a file.
    """
    layout = layout_named(settings.layout)
    template = layout.template if settings.name is None else settings.name
    if settings.in_one_file and settings.name is None:
        template = ONE_FILE
    check_template(template, n_stems=1 if settings.in_one_file else len(stems))
    parent = song.path.absolute().parent.name if song.path != STDIN else ""
    model = safe_track(Path(settings.separation.model).stem)
    folder = settings.output or Path()
    paths = {
        stem: folder
        / fill_template(
            template,
            ext=settings.extension(song.path),
            as_folder=settings.phrases and stem == VOCALS,
            track=song.track,
            stem="stems" if settings.in_one_file else layout.stems.get(stem, stem),
            folder=safe_track(parent) if parent else "stdin",
            model=model,
        )
        for stem in stems
    }
    if len({*paths.values()}) < len(stems) and not settings.in_one_file:
        raise InputError(
            f"the name '{template}' gives two stems one file: put {{stem}} into it as it is"
        )
    return paths


def check_batch(songs: Sequence[Song], settings: FileSettings) -> None:
    """Make sure, before any work, that settings hold and no two songs write the same file.

    Args:
        songs: Songs of `songs_in`.
        settings: Settings for all of them.

    Raises:
        InputError: They do not, or stems would replace one of the songs.
        ModelError: There is no such model.
    """
    stems = settings.chosen(stems_of(settings.separation.model))
    if settings.is_stem_file:  # of songs' rates and channels each hears when it is read
        check_stem_file(stems, sample_rate=44100, n_channels=2)
    kind = container_named("m4a" if settings.is_stem_file else settings.container)
    subtype = subtype_for(kind.name, bit_depth=settings.bit_depth)
    if settings.remux is None:
        check_quality(kind, subtype, bitrate=settings.bitrate, quality=settings.quality)
    seen: dict[Path, Song] = {}
    for song in songs:
        for path in paths_of(song, settings, stems).values():
            other = seen.setdefault(path, song)
            if other != song:
                raise InputError(
                    f"{other.source} and {song.source} would both write {path}: "
                    "put {track} into the --name"
                )
    if settings.overwrite and settings.remote is None:
        refuse_inputs(seen, [song.path for song in songs if not song.url])


def check_output(settings: FileSettings) -> None:
    """Make sure that the output folder can be made and written.

    Args:
        settings: Output folder.

    Raises:
        AudioError: It cannot.
        InputError: It is remote, and can only be read; or it has the name of a file of sound.
    """
    if settings.remote is not None:
        remote.check_writable(settings.remote)
        return
    folder = settings.output or Path()
    if folder.suffix.lower() in AUDIO_SUFFIXES and not os.path.isdir(folder):
        raise InputError(
            f"{folder}: -o names a folder: give -o {folder.parent}, and names and format of files "
            f"as --name '{folder.stem} {{stem}}' --format {folder.suffix[1:].lower()}"
        )
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise AudioError(f"{there}: cannot be written: choose another folder with -o")
