"""One song file to its stem files: names, formats, progress; the sound is the separator's affair.

Everything that can fail cheaply fails before the first sample is separated, and a song that fails
later leaves nothing behind.
"""

import os
import string
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from isolde.audio import AudioInfo, AudioReader, AudioWriter, subtype_for
from isolde.audio.writer import ClipPolicy
from isolde.catalogue import DEFAULT
from isolde.errors import AudioError, InputError
from isolde.loading import load_separator, stems_of
from isolde.separator import Separator

BLOCK_SAMPLES = 1 << 16
TEMPLATE = "{track}/{stem}.{ext}"
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


@dataclass(frozen=True)
class Song:
    """A file to separate, and the track name under which its stems are written."""

    path: Path
    track: str


@dataclass(frozen=True)
class Separated:
    """What was written.

    Attributes:
        song: the source.
        paths: the file of each stem.
        seconds: of audio.
        elapsed: seconds that it took.
        warnings: one line each.
    """

    song: Song
    paths: dict[str, Path]
    seconds: float
    elapsed: float
    warnings: list[str] = field(default_factory=list)

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio for each second of work."""
        return self.seconds / self.elapsed if self.elapsed else 0.0


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
    """Where the stems of a song go.

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
    return {
        stem: folder / settings.name.format(track=song.track, stem=stem, ext=settings.container)
        for stem in stems
    }


def check_batch(songs: Sequence[Song], settings: Settings) -> None:
    """Make sure, before any work, that settings hold and no two songs write the same file.

    Raises:
        InputError: when they do not.
        ModelError: when there is no such model.
        AudioError: when a file exists and may not be replaced.
    """
    stems = _chosen(stems_of(settings.model), settings)
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


def separate_file(
    song: Song, settings: Settings, *, progress: Callable[[float], None] | None = None
) -> Separated:
    """Separate one song into files.

    Args:
        song: the source.
        settings: see `Settings`.
        progress: called now and then with the share done, in [0, 1].

    Raises:
        AudioError: when it cannot be read or written; nothing is left behind.
        InputError: when a setting cannot be used.
        ModelError: when there is no such model.
    """
    began = time.perf_counter()
    with AudioReader(
        song.path, start=settings.start, end=settings.end, block_samples=BLOCK_SAMPLES
    ) as reader:
        separator, stems = _separator(reader.info, settings)
        paths = paths_of(song, settings, stems)
        for path in paths.values():
            if path.exists() and path.samefile(song.path):
                raise InputError(f"{path}: is the song itself: choose another folder with -o")
        with ExitStack() as open_files:
            writers = {
                stem: open_files.enter_context(_writer(path, reader.info, settings))
                for stem, path in paths.items()
            }
            n_samples = _pump(reader, separator, writers, progress)
        warnings = [*reader.notes(), *_notes(writers.values())]
    seconds = n_samples / separator.sample_rate
    return Separated(song, paths, seconds, time.perf_counter() - began, warnings)


def separate_stream(source: BinaryIO, target: BinaryIO, settings: Settings) -> list[str]:
    """Separate audio from a stream into a stream of wav; only one stem fits.

    Args:
        source: wav of any length, or another format, which is read whole first.
        target: gets wav.
        settings: `stems` names the one stem; the first of the model when it is None.

    Returns:
        warnings, one line each.

    Raises:
        AudioError: when it cannot be read or written.
        InputError: when a setting cannot be used.
    """
    with AudioReader(source, start=settings.start, end=settings.end) as reader:
        separator, stems = _separator(reader.info, settings)
        if settings.stems is None:
            stems = stems[:1]
        if len(stems) != 1:
            raise InputError(f"one stream holds one stem, not {', '.join(stems)}: give one --stem")
        with AudioWriter(
            target,
            sample_rate=reader.info.sample_rate,
            n_channels=reader.info.n_channels,
            subtype=subtype_for("wav", like=reader.info, bit_depth=settings.bit_depth),
            clip=settings.clip,
        ) as writer:
            _pump(reader, separator, {stems[0]: writer}, None)
        return [*reader.notes(), *_notes([writer])]


def _separator(info: AudioInfo, settings: Settings) -> tuple[Separator, tuple[str, ...]]:
    separator = load_separator(
        settings.model,
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        threads=settings.n_threads,
        mask=settings.mask,
        threshold=settings.threshold,
        strength=settings.strength,
        gate=settings.gate,
    )
    return separator, _chosen(separator.stems, settings)


def _chosen(given: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    unknown = [stem for stem in settings.stems or () if stem not in given]
    if unknown:
        raise InputError(
            f"model '{settings.model}' gives no stem {', '.join(unknown)}: "
            f"take of {', '.join(given)}"
        )
    return tuple(dict.fromkeys(settings.stems)) if settings.stems else given


def _writer(path: Path, info: AudioInfo, settings: Settings) -> AudioWriter:
    return AudioWriter(
        path,
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        subtype=subtype_for(settings.container, like=info, bit_depth=settings.bit_depth),
        tags=info.tags,
        clip=settings.clip,
        overwrite=settings.overwrite,
        container=settings.container,
    )


def _pump(
    reader: AudioReader,
    separator: Separator,
    writers: dict[str, AudioWriter],
    progress: Callable[[float], None] | None,
) -> int:
    """Everything from the reader through the separator to the writers; samples read."""
    n_samples = 0
    for block in reader:
        n_samples += block.shape[1]
        stems = separator.feed(block)
        for stem, writer in writers.items():
            writer.write(stems[stem])
        if progress and reader.n_samples:
            progress(n_samples / reader.n_samples)
    stems = separator.flush()
    for stem, writer in writers.items():
        writer.write(stems[stem])
    return n_samples


def _notes(writers: Iterable[AudioWriter]) -> list[str]:
    return [note for writer in writers if (note := writer.clipping_note())]


def check_output(settings: Settings) -> None:
    """Make sure that the output folder can be made and written.

    Raises:
        AudioError: when it cannot.
    """
    folder = settings.output or Path()
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise AudioError(f"{there}: cannot be written: choose another folder with -o")
