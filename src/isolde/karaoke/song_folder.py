"""Write a song's folder for UltraStar games: text, song, voice, accompaniment and cover.

Either all files are written or none. Other files in an existing folder stay.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from isolde.audio import AudioWriter, comes_once, info, subtype_for
from isolde.audio.formats import container_named
from isolde.core.atomic import Draft
from isolde.core.errors import InputError
from isolde.core.names import JOINERS, readable
from isolde.core.stage import Float32
from isolde.core.stems import ACCOMPANIMENT, VOCALS
from isolde.karaoke.score import make_score
from isolde.karaoke.singing import find_singing
from isolde.karaoke.ultrastar import SongFiles, to_ultrastar
from isolde.karaoke.words import WordLine
from isolde.separation import STDIN, SeparationSettings, Song
from isolde.separation.outputs import tags_of

_ENDINGS = {"image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True)
class SongFolder:
    """The files that were written.

    Attributes:
        files: Paths of the files, the text first.
        warnings: Warnings about the song, one line each.
    """

    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def write_song_folder(
    song: Song,
    folder: Path,
    *,
    container: str,
    words: Sequence[WordLine] | None = None,
    separation: SeparationSettings | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> SongFolder:
    """Write `{track}/{track}.txt` and the files that it names: song, `[VOC]`, `[INSTR]`, `[CO]`.

    Args:
        song: Song that is a file.
        folder: Folder of all songs.
        container: Format of voice and accompaniment, one of `isolde.audio.CONTAINERS`.
        words: Lines of the words; None for notes without words.
        separation: Settings of the separation.
        overwrite: Whether existing files may be replaced.
        progress: Function called with the share that is done.

    Raises:
        AudioError: The song cannot be read, or a file exists or cannot be written.
        InputError: Nobody sings, the words do not fit, or an argument is invalid.
        ModelError: There is no such model.
    """
    if song.path == STDIN or comes_once(song.path):
        raise InputError(f"an UltraStar song holds its file: give a file's path, not '{song.path}'")
    separation = separation or SeparationSettings()
    about = info(song.path)
    tags = tags_of(song.path, about, separation.model)
    name = _printable(Path(song.track).name)
    place = folder / Path(song.track).parent / name
    suffix = container_named(container).suffix
    cover = f"{name} [CO].{_ENDINGS[tags.cover.mime]}" if tags.cover else None
    files = SongFiles(
        f"{name}{song.path.suffix}", f"{name} [VOC]{suffix}", f"{name} [INSTR]{suffix}", cover
    )
    with ExitStack() as open_files:

        def draft(file: str) -> Path:
            return open_files.enter_context(Draft(place / file, overwrite=overwrite)).path

        text = draft(f"{name}.txt")
        copied = place / files.audio
        if not (copied.exists() and copied.samefile(song.path)):
            shutil.copyfile(song.path, draft(files.audio))
        if cover and tags.cover:
            draft(cover).write_bytes(tags.cover.data)
        writers = {
            stem: open_files.enter_context(
                AudioWriter(
                    place / file,
                    sample_rate=about.sample_rate,
                    n_channels=about.n_channels,
                    subtype=subtype_for(container, like=about),
                    tags=tags,
                    overwrite=overwrite,
                    container=container,
                )
            )
            for stem, file in ((VOCALS, files.vocals), (ACCOMPANIMENT, files.instrumental))
        }

        def write(stems: Mapping[str, Float32]) -> None:
            writers[VOCALS].write(stems[VOCALS])
            others = [samples for stem, samples in stems.items() if stem != VOCALS]
            writers[ACCOMPANIMENT].write(sum(others[1:], others[0]))

        singing = find_singing(
            song.path, words=words, separation=separation, on_stems=write, progress=progress
        )
        score = to_ultrastar(make_score(singing), files, tags.values, track=name)
        text.write_text(score, "utf-8", newline="\n")
    notes = (note for writer in writers.values() for note in writer.notes())
    written = (f"{name}.txt", files.audio, files.vocals, files.instrumental, *filter(None, [cover]))
    return SongFolder(
        tuple(place / file for file in written),
        tuple(dict.fromkeys([*singing.warnings, *notes])),
    )


def _printable(track: str) -> str:
    """A name that fits a line of UTF-8 text: no control characters, no outer spaces."""
    words = " ".join(readable(track).split())
    return "".join(c if c.isprintable() or c in JOINERS else "_" for c in words) or "_"
