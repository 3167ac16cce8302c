"""List the songs to separate, and name their files; it reads no sound.

Everything that can fail before the work fails here.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from isolde.audio import subtype_for
from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES, container_named
from isolde.audio.limits import check_quality
from isolde.audio.stemfile import check_stem_file
from isolde.core.atomic import refuse_inputs
from isolde.core.errors import AudioError, InputError
from isolde.core.names import unused_name
from isolde.core.stems import ACCOMPANIMENT, PARTS, VOCALS
from isolde.separation import names, remote
from isolde.separation.load import stems_of
from isolde.separation.settings import FileSettings

STDIN = Path("-")
_STEMS: tuple[str, ...] = (VOCALS, ACCOMPANIMENT, *PARTS)


@dataclass(frozen=True)
class Song:
    """A file to separate, and the name under which its stems are written.

    Attributes:
        path: Path of the file; "-" for standard input; for a remote file its path from the root,
            which begins with the host or bucket.
        track: Name of the song, with its folders below a scanned one.
        url: URL of a remote file; else empty.
        mark: Text that changes when a remote file does, if a listing contained it; else empty.
    """

    path: Path
    track: str
    url: str = ""
    mark: str = ""

    @property
    def source(self) -> str:
        """Path or URL of the song, for messages."""
        return remote.shown(self.url) if self.url else str(self.path)

    def blame(self, error: object) -> str:
        """Give an error of this song as a line that names the song once."""
        named = " ".join(self.source.split()) in " ".join(str(error).split())
        return str(error) if named else f"{self.source}: {error}"


def songs_in(sources: Iterable[Path | str], settings: FileSettings | None = None) -> list[Song]:
    """List the songs to separate: files as they are, folders with all audio files below them.

    The track name of a song in a folder contains its folders below that. Songs with the same name
    get more of their path, or their ending, into it. A file that is given twice counts once.

    Args:
        sources: Paths and URLs of files and folders; "-" for standard input.
        settings: Output folder and names: stems of an earlier run in a scanned folder are left out.

    Raises:
        InputError: A folder holds no audio, or only files with the names of stems.
        AudioError: A folder cannot be listed.
    """
    settings, songs = settings or FileSettings(), list[Song]()
    for named in sources:
        source = named if isinstance(named, Path) else remote.local_path(named)
        if source is None:
            songs += _remote(str(named), settings)
        elif source == STDIN:
            songs.append(Song(source, "stdin"))
        elif os.path.isdir(source):
            songs += _below(source, settings)
        else:
            songs.append(Song(source, names.safe_track(source.stem)))
    told = _told_apart(songs)
    return [*map(_previewed, told)] if settings.preview else told


def _previewed(song: Song) -> Song:
    """Give a song the name of its preview."""
    return replace(song, track=f"{song.track} (preview)")


def _below(source: Path, settings: FileSettings) -> list[Song]:
    """List the songs below a folder, sorted."""
    if not os.access(source, os.R_OK | os.X_OK):
        raise AudioError(f"{source}: may not be read: check the permissions of the folder")
    output = None if settings.output is None else _real(settings.output)
    top = _real(source)  # without an output folder, songs beside the stems are songs
    inner = output if output and output != top and output.is_relative_to(top) else None
    songs = [
        Song(path, _track(path.relative_to(source)))
        for path in sorted(source.rglob("*"))
        if _may_be_song(path.relative_to(source))
        and path.is_file()
        and not (inner and _real(path).is_relative_to(inner))
    ]
    beside = settings.remote is None and top.is_relative_to(output or Path.cwd())
    return _without_stems(songs, settings, Path() if beside else None, str(source))


def _remote(url: str, settings: FileSettings) -> list[Song]:
    """List the song of a URL, or the songs below it if it is a folder, sorted."""
    top = Path(remote.path_in(url))
    files = remote.files_below(url)
    if files is None:
        return [Song(top, names.safe_track(top.stem), url)]
    output = None if settings.remote is None else Path(remote.path_in(settings.remote))
    inner = None if output == top else output
    songs = [
        Song(top / name, _track(Path(name)), remote.below(url, name), listed.mark)
        for name, listed in files.items()
        if _may_be_song(Path(name)) and not (inner and (top / name).is_relative_to(inner))
    ]
    return _without_stems(songs, settings, output, remote.shown(url))


def _may_be_song(path: Path) -> bool:
    """Whether a path below a folder has the ending of audio, and no hidden part."""
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES) and not hidden


def _track(path: Path) -> str:
    """Name the song at a path below a folder."""
    return names.safe_track(path.with_suffix("").as_posix())


def _without_stems(
    songs: list[Song], settings: FileSettings, folder: Path | None, source: str
) -> list[Song]:
    """Leave out the stems of other songs in an output folder below `folder`; refuse no songs."""
    if not songs:
        raise InputError(f"{source}: holds no audio file: give another folder, or files")
    if folder is None:
        return songs
    stems = _STEMS if "{stem" in (settings.name or "{stem}") else _STEMS[:1]
    written: dict[str, set[Song]] = defaultdict(set)
    for song in songs:
        for named in (song, _previewed(song)):
            for path in paths_of(named, settings, stems).values():
                written[os.path.splitext(folder.absolute() / path)[0]].add(song)

    def is_stem(song: Song) -> bool:  # or a phrase, in a folder of the stem's name
        path = song.path.absolute()
        places = (os.path.splitext(path)[0], *map(str, path.parents))
        return any(written.get(place, {song}) != {song} for place in places)

    if not (kept := [song for song in songs if not is_stem(song)]):
        raise InputError(
            f"{source}: holds only files with the names of stems: choose another folder for the "
            "stems with -o, another --name, or give files"
        )
    return kept


def _told_apart(songs: Sequence[Song]) -> list[Song]:
    """Give songs with the same name different ones, also if case is ignored."""
    first: dict[Path | str, Song] = {}
    for song in songs:
        first.setdefault(song.url or _real(song.path), song)
    groups: dict[str, list[Song]] = defaultdict(list)
    for song in first.values():
        groups[song.track.casefold()].append(song)
    taken = {name for name, group in groups.items() if len(group) == 1}
    result: dict[Song, str] = {}
    for group in groups.values():
        longer = _longer(group) if len(group) > 1 else [group[0].track]
        for song, name in zip(group, longer, strict=True):
            result[song] = unused_name(name, taken) if len(group) > 1 else name
    return [replace(song, track=result[song]) for song in first.values()]


def _real(path: Path) -> Path:
    """Follow symbolic links; one that leads to itself stays as it is, and fails when it is read."""
    return Path(os.path.realpath(path))


def _longer(songs: Sequence[Song]) -> list[str]:
    """Add the shortest part of the path that makes names differ: the ending, then folders."""
    parts = [_real(song.path).with_suffix("").parts[1:] for song in songs]
    depths = [song.track.count("/") + 1 for song in songs]
    tracks = [song.track for song in songs]
    for more, with_ending in product(range(max(map(len, parts))), (False, True)):
        tracks = [
            names.safe_track("/".join(part[-(depth + more) :]))
            + (f" ({song.path.suffix.lower().lstrip('.')})" if with_ending else "")
            for song, part, depth in zip(songs, parts, depths, strict=True)
        ]
        if len({track.casefold() for track in tracks}) == len(tracks):
            break
    return tracks


def paths_of(song: Song, settings: FileSettings, stems: Sequence[str]) -> dict[str, Path]:
    """Name the files of a song's stems, or the folder of phrases.

    Args:
        song: Song.
        settings: Output folder (paths are relative to a remote one), layout or template of names,
            and format.
        stems: Names of the stems.

    Raises:
        InputError: The layout is unknown, the template asks for something unknown or leads out of
            the output folder, or two stems would share a file.
    """
    layout = names.layout_named(settings.layout)
    usual = names.STEM_FILE if settings.is_stem_file else layout.template
    usual = names.FILM if settings.remux == "add" else usual
    template = usual if settings.name is None else settings.name
    names.check_template(template, n_stems=1 if settings.in_one_file else len(stems))
    parent = song.path.absolute().parent.name if song.path != STDIN else "stdin"
    model = re.sub(r"\.(onnx|json)$", "", Path(settings.separation.model).name)
    paths = {
        stem: (settings.output or Path())
        / names.fill_template(
            template,
            ext=settings.extension(song.path),
            as_folder=settings.phrases and stem == VOCALS,
            track=song.track,
            stem="stems" if settings.in_one_file else layout.stems.get(stem, stem),
            folder=names.safe_track(parent),
            model=names.safe_track(model),
        )
        for stem in stems
    }
    if len({*paths.values()}) < len(stems) and not settings.in_one_file:
        raise InputError(
            f"the name '{template}' gives two stems one file: put {{stem}} into it as it is"
        )
    return paths


def check_batch(songs: Sequence[Song], settings: FileSettings) -> None:
    """Check, before any work, that the settings are valid and no two songs write the same file.

    Args:
        songs: Songs of `songs_in`.
        settings: Settings for all of them.

    Raises:
        InputError: They are not, or stems would replace one of the songs.
        ModelError: There is no such model.
    """
    stems = settings.chosen(stems_of(settings.separation.model))
    if settings.is_stem_file:  # rates and channels of the songs are checked when they are read
        check_stem_file(stems, sample_rate=44100, n_channels=2)
    kind = container_named("m4a" if settings.is_stem_file else settings.container)
    subtype = subtype_for(kind.name, bit_depth=settings.bit_depth)
    if settings.remux is None:
        check_quality(kind, subtype, bitrate=settings.bitrate, quality=settings.quality)
    seen: dict[Path, Song] = {}
    for song in songs:
        paths = paths_of(song, settings, stems).values()
        if settings.remote is None and not song.url:
            refuse_inputs(paths, [song.path])
        for path in paths:
            if (other := seen.setdefault(path, song)) != song:
                raise InputError(
                    f"{other.source} and {song.source} would both write {path}: "
                    "put {track} into the --name"
                )
    if settings.overwrite and settings.remote is None:
        refuse_inputs(seen, [song.path for song in songs if not song.url])


def check_output(settings: FileSettings) -> None:
    """Check that the output folder can be made and written.

    Args:
        settings: Output folder.

    Raises:
        AudioError: It cannot.
        InputError: It is remote and read-only, or it has the name of an audio file.
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
