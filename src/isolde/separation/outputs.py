"""Open the files of the stems: one each, one for all of them, or films; it separates nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isolde import __version__
from isolde.audio import AudioInfo, AudioWriter, SongTags, read_tags, subtype_for
from isolde.audio.encoding.base import Sound
from isolde.audio.loudness import Loudness, replaygain_tags
from isolde.audio.remux import FilmWriter
from isolde.audio.stemfile import StemFileWriter
from isolde.core.stage import Float32
from isolde.models.catalogue import find
from isolde.rules import RULES
from isolde.separation.settings import FileSettings

Stems = Mapping[str, Float32]


@dataclass(frozen=True)
class Output:
    """An open file.

    Attributes:
        write: Function that takes the next samples of all stems, by name.
        writer: Writer of the file.
    """

    write: Callable[[Stems], None]
    writer: AudioWriter | FilmWriter | StemFileWriter


def tags_of(
    path: Path | None, info: AudioInfo, model: str, *, loudness: Loudness | None = None
) -> SongTags:
    """Collect the tags of a song's stems: those of the song, the program and the model.

    Args:
        path: Path of the song; None for a stream, whose tags are in `info`.
        info: Facts about the song, from its reader.
        model: Name or path of the model.
        loudness: Loudness of the sum of the stems, for ReplayGain; None for no such tags.
    """
    found = SongTags() if path is None else read_tags(path)
    made = {"software": f"isolde {__version__}", "model": model}
    if model != RULES:  # the rules have no weights
        card = find(model).card
        made |= {"model": card.name, "model_license": card.licence}
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
        open_files: Stack that closes the files.
        paths: Path of each stem; stems with the same path share a file.
        source: Path of the song.
        info: Facts about the song, from its reader.
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
                quality=settings.quality,
                clip=settings.clip,
                overwrite=settings.overwrite,
            )
            outputs.append(Output(film.write, open_files.enter_context(film)))
        elif settings.is_stem_file:
            file = open_files.enter_context(open_stem_file(path, stems, info, settings, tags))
            outputs.append(Output(file.write, file))
        else:
            audio = open_files.enter_context(open_stem(path, info, settings, tags))
            outputs.append(Output(_only(audio, stems[0]), audio))
    return outputs


def complete(outputs: Sequence[Output]) -> None:
    """Complete the files of all stems before one of them gets its name.

    So a full disk leaves none behind.

    Args:
        outputs: Open files.

    Raises:
        AudioError: One cannot be completed.
    """
    for output in outputs:
        output.writer.complete()


def open_stem(
    target: Path | BinaryIO, info: AudioInfo, settings: FileSettings, tags: SongTags
) -> AudioWriter:
    """Open the file of one stem.

    Args:
        target: Path of the file, or stream that gets its bytes.
        info: Facts about the song, from its reader.
        settings: Format of the file.
        tags: Tags of the file.

    Raises:
        AudioError: The file exists, or cannot be made.
        InputError: The format cannot hold such sound.
    """
    return AudioWriter(
        target,
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
        info: Facts about the song, from its reader.
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
    """Make a function that writes one of the stems."""

    def write(stems: Stems) -> None:
        writer.write(stems[stem])

    return write
