"""Separate one song into files, or a stream into a stream; it does not choose the files' names.

A song that fails leaves no files.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.activity import Detector
from isolde.audio import AudioInfo, AudioReader, comes_once, subtype_for
from isolde.audio.loudness import Loudness, measure_loudness
from isolde.core.atomic import refuse_inputs
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.core.stems import VOCALS
from isolde.separation.load import make_separator
from isolde.separation.outputs import (
    Output,
    Stems,
    complete,
    open_outputs,
    open_stem,
    tags_of,
)
from isolde.separation.overlap import ReadAhead, WriteBehind
from isolde.separation.phrases import PhraseSink
from isolde.separation.presence import make_listening_separator
from isolde.separation.preview import preview_of
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song, paths_of
from isolde.separation.stages.separator import Separator

BLOCK_SAMPLES = 1 << 16


def separate_file(
    song: Song,
    settings: FileSettings,
    *,
    source: BinaryIO | None = None,
    progress: Callable[[float], None] | None = None,
) -> Separated:
    """Separate one song into files.

    Args:
        song: Song.
        settings: Settings of the separation and of the files.
        source: Stream to read instead of the song's path.
        progress: Function called after each block with the share that is done, in [0, 1], or 0
            if the length is unknown; an exception of it ends the separation and leaves no file.

    Raises:
        AudioError: The song cannot be read, or its stems cannot be written; no file is left.
        InputError: A setting cannot be used.
        ModelError: There is no such model.
    """
    began = time.perf_counter()
    once = source is not None or comes_once(song.path)
    if settings.preview:
        if once:
            raise InputError("a preview needs a file, which is read twice: not a pipe")
        settings = preview_of(song.path, settings)
    if settings.remux and once:
        raise InputError("a film needs a file, which is read twice: not a pipe")
    if settings.loudness is not None and once:
        raise InputError("a loudness needs a file, which is read twice: not a pipe")
    gain, loudness, warnings = 1.0, None, list[str]()
    with AudioReader(
        song.path if source is None else source,
        start=settings.start,
        end=settings.end,
        block_samples=BLOCK_SAMPLES,
        strict=settings.strict,
    ) as reader:
        if settings.loudness is not None:
            gain, loudness, warnings = _level(song, reader.info, settings, settings.loudness)
        separator, detector = _stages(reader.info, settings)
        stems = settings.chosen(separator.stems)
        paths = paths_of(song, settings, stems)
        if source is None:
            refuse_inputs(paths.values(), [song.path])
        with ExitStack() as open_files:
            tags = tags_of(
                None if once else song.path,
                reader.info,
                settings.separation.model,
                loudness=loudness,
            )
            sink = None
            if detector:
                sink = PhraseSink(paths[VOCALS], reader.info, settings, detector, tags)
                open_files.enter_context(sink)
            outputs = open_outputs(
                open_files,
                {stem: path for stem, path in paths.items() if sink is None or stem != VOCALS},
                source=song.path,
                info=reader.info,
                settings=settings,
                tags=tags,
            )
            n_samples = _pump(
                reader,
                separator,
                outputs,
                progress,
                sink,
                gain=gain,
                # a thread that waits for a pipe cannot be ended
                overlap=not once and settings.separation.n_threads > 1,
            )
            complete(outputs)
            if sink is not None:
                sink.complete()
        notes = [note for output in outputs for note in output.writer.notes()]
        notes += sink.notes() if sink else []
        # a change of rate concerns all stems, and is said once
        warnings += [*reader.notes(), *separator.notes(), *dict.fromkeys(notes)]
    seconds, phrases = n_samples / separator.sample_rate, sink.phrases if sink else None
    done = Separated(song, paths, seconds, time.perf_counter() - began, warnings, phrases)
    return replace(done, sizes={path: path.stat().st_size for path in done.files if path.exists()})


def separate_stream(source: BinaryIO | Path, target: BinaryIO, settings: FileSettings) -> list[str]:
    """Separate audio into a stream; only one stem fits.

    Args:
        source: Path, or stream; formats other than wav are read whole before the separation.
        target: Stream that gets the stem in the format of the settings.
        settings: Settings; `stems` names the one stem, None is the first of the model.

    Returns:
        Warnings, one line each.

    Raises:
        AudioError: The source cannot be read, or the target cannot be written.
        InputError: A setting cannot be used.
    """
    if settings.phrases:
        raise InputError("phrases are files, and do not fit into a stream: give a folder with -o")
    if settings.preview or settings.in_one_file or settings.remux or settings.loudness is not None:
        raise InputError(
            "previews, stem files, films and a loudness do not fit into a stream: give the song's "
            "path, and a folder with -o"
        )
    with AudioReader(
        source, start=settings.start, end=settings.end, strict=settings.strict
    ) as reader:
        separator, _ = _stages(reader.info, settings)
        stems = settings.chosen(separator.stems)
        if settings.stems is None:
            stems = stems[:1]
        if len(stems) != 1:
            raise InputError(f"one stream holds one stem, not {', '.join(stems)}: give one --stem")
        path = source if isinstance(source, Path) and not comes_once(source) else None
        tags = tags_of(path, reader.info, settings.separation.model)
        with open_stem(target, reader.info, settings, tags) as writer:
            output = Output(lambda blocks: writer.write(blocks[stems[0]]), writer)
            _pump(reader, separator, [output], None)
        return [*reader.notes(), *separator.notes(), *writer.notes()]


def _level(
    song: Song, info: AudioInfo, settings: FileSettings, target: float
) -> tuple[float, Loudness, list[str]]:
    """Measure a song: its gain to a target, its loudness then, and a warning if it is lower."""
    measured = measure_loudness(song.path, start=settings.start, end=settings.end)
    in_film = settings.remux is not None or settings.is_stem_file
    subtype = subtype_for(
        "m4a" if in_film else settings.container, like=info, bit_depth=settings.bit_depth
    )
    gain = measured.gain_to(target, ceiling=None if subtype == "FLOAT" else 1.0)
    after = measured.after(gain)
    warnings = []
    if gain != 1.0 and after.integrated <= target - 0.05:
        said = f"brought to {after.integrated:.1f} LUFS, not {target:g}: louder would clip"
        warnings.append(f"{song.path}: {said}")
    return gain, after, warnings


def _stages(info: AudioInfo, settings: FileSettings) -> tuple[Separator, Detector | None]:
    """Make the separator of a song and, if its vocals are cut into phrases, the detector."""
    rate, n_channels = info.sample_rate, info.n_channels
    if settings.phrases:
        return make_listening_separator(
            settings.separation,
            sample_rate=rate,
            n_channels=n_channels,
            activity=settings.activity,
        )
    return make_separator(settings.separation, sample_rate=rate, n_channels=n_channels), None


def _pump(
    reader: AudioReader,
    separator: Separator,
    outputs: Sequence[Output],
    progress: Callable[[float], None] | None,
    sink: PhraseSink | None = None,
    *,
    gain: float = 1.0,
    overlap: bool = False,
) -> int:
    """Run the song from the reader through the separator to the outputs; count its samples."""
    n_samples = 0
    with ExitStack() as threads:
        blocks: Iterable[Float32] = reader
        writes = [output.write for output in outputs]
        if overlap:
            blocks = threads.enter_context(ReadAhead(reader.read_block))
            writes = [threads.enter_context(WriteBehind(write)) for write in writes]

        def write(stems: Stems) -> None:
            if gain != 1.0:
                stems = {stem: audio * np.float32(gain) for stem, audio in stems.items()}
            for put in writes:
                put(stems)
            if sink is not None:
                sink.write(stems[VOCALS])

        for block in blocks:
            n_samples += block.shape[1]
            stems = separator.feed(block)
            if sink is not None:
                sink.hear(block)
            write(stems)
            if progress:
                n_expected = reader.about_samples
                progress(min(1.0, n_samples / n_expected) if n_expected else 0.0)
        write(separator.flush())
    return n_samples
