"""The files that stems go to: one each, one for all of them, or films; it separates nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from isolde import __version__
from isolde.audio import AudioInfo, AudioWriter, SongTags, read_tags, subtype_for
from isolde.audio.encoding.base import Sound
from isolde.audio.loudness import Loudness, replaygain_tags
from isolde.audio.remux import FilmWriter
from isolde.audio.stemfile import StemFileWriter
from isolde.core.errors import ModelError
from isolde.core.stage import Float32
from isolde.models.catalogue import find
from isolde.separation.settings import FileSettings

Stems = Mapping[str, Float32]


class Noting(Protocol):
    """A writer that has something to say at the end."""

    def notes(self) -> list[str]:
        """Say what a user should know, one line each."""
        ...


@dataclass(frozen=True)
class Output:
    """An open file.

    Attributes:
        write: Function that takes the next samples of all stems, by name.
        writer: Writer behind it, for its notes.
    """

    write: Callable[[Stems], None]
    writer: Noting


def tags_of(
    path: Path | None, info: AudioInfo, model: str, *, loudness: Loudness | None = None
) -> SongTags:
    """Collect the tags of a song's stems: the song's own, and what made them.

    Args:
        path: Path of the song; None for a stream, whose reader tells its tags.
        info: What the reader says of the song.
        model: Name or path of the model.
        loudness: Loudness of the sum of the stems, for ReplayGain; None without.
    """
    found = SongTags() if path is None else read_tags(path)
    made = {"software": f"isolde {__version__}", "model": Path(model).stem}
    try:
        made["model_license"] = find(model).card.licence
    except ModelError:  # the rules, which have no weights
        pass
    level = {} if loudness is None else replaygain_tags(loudness)
    return SongTags({**info.tags, **found.values, **made, **level}, found.cover)


def open_outputs(
    open_files: ExitStack,
    paths: Mapping[str, Path],
    *,
    source: Path,
    info: AudioInfo,
    settings: FileSettings,
    tags: SongTags,
) -> list[Output]:
    """Open the files of a song's stems.

    Args:
        open_files: Stack that closes them.
        paths: Path of each stem, the same for several in one file.
        source: Path of the song.
        info: What its reader says of it.
        settings: Format of the files.
        tags: Tags of the files.

    Raises:
        AudioError: A file exists, or cannot be made.
        InputError: The format cannot hold such sound.
    """
    outputs = []
    for path in dict.fromkeys(paths.values()):
        stems = [stem for stem, place in paths.items() if place == path]
        if settings.remux is not None:
            film = FilmWriter(
                source,
                path,
                info=info,
                titles=stems,
                mode=settings.remux,
                bitrate=settings.bitrate,
                quality=8.0 if settings.quality is None else settings.quality,
                clip=settings.clip,
                overwrite=settings.overwrite,
            )
            writer: FilmWriter | StemFileWriter = open_files.enter_context(film)
        elif settings.is_stem_file:
            writer = open_files.enter_context(open_stem_file(path, stems, info, settings, tags))
        else:
            audio = open_files.enter_context(open_stem(path, info, settings, tags))
            outputs.append(Output(_only(audio, stems[0]), audio))
            continue
        outputs.append(Output(writer.write, writer))
    return outputs


def complete(outputs: Sequence[Output]) -> None:
    """Complete the files of all stems before one gets its name: a full disk leaves none behind.

    Args:
        outputs: Open files.

    Raises:
        AudioError: One cannot be completed.
    """
    for output in outputs:
        if isinstance(output.writer, AudioWriter):
            output.writer.complete()


def open_stem(path: Path, info: AudioInfo, settings: FileSettings, tags: SongTags) -> AudioWriter:
    """Open the file of one stem.

    Args:
        path: Path of the file.
        info: What the reader says of the song.
        settings: Format of the file.
        tags: Tags of the file.

    Raises:
        AudioError: The file exists, or cannot be made.
        InputError: The format cannot hold such sound.
    """
    return AudioWriter(
        path,
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        subtype=subtype_for(settings.container, like=info, bit_depth=settings.bit_depth),
        tags=tags,
        clip=settings.clip,
        overwrite=settings.overwrite,
        container=settings.container,
        bitrate=settings.bitrate,
        quality=settings.quality,
    )


def open_stem_file(
    path: Path, stems: Sequence[str], info: AudioInfo, settings: FileSettings, tags: SongTags
) -> StemFileWriter:
    """Open one file for four stems and their sum.

    Args:
        path: Path of the file.
        stems: Names of the stems.
        info: What the reader says of the song.
        settings: Format of the file.
        tags: Tags of the file.

    Raises:
        AudioError: The file exists, or cannot be made.
        InputError: A stem file cannot hold such a song.
    """
    sound = Sound(
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        subtype=subtype_for("m4a", bit_depth=settings.bit_depth),
        tags=tags,
        bitrate=settings.bitrate,
        quality=8.0 if settings.quality is None else settings.quality,
    )
    return StemFileWriter(
        path, stems=stems, sound=sound, clip=settings.clip, overwrite=settings.overwrite
    )


def _only(writer: AudioWriter, stem: str) -> Callable[[Stems], None]:
    """Write one of the stems."""

    def write(stems: Stems) -> None:
        writer.write(stems[stem])

    return write
