"""Separate a song block by block into files that the page reads; it waits for no other song.

The blocks are those of `isolde separate`, and so are the samples. Sound comes first: stems are
announced before the picture and the activity of the same samples are computed.
"""

import time
from collections.abc import Generator

import numpy as np

from isolde.activity import Detector, Segmenter
from isolde.audio import AudioInfo, AudioReader
from isolde.audio.demo import demo_file
from isolde.core.stage import Float32
from isolde.separation import SeparationSettings
from isolde.separation.files import BLOCK_SAMPLES
from isolde.separation.presence import make_listening_separator
from isolde.separation.stages.separator import Separator
from isolde.studio.picture import LevelColumns, PeakColumns, column_samples
from isolde.studio.song import READY, SEPARATING, Song
from isolde.studio.spool import StemSpool

LAYERS = ("mixture", "vocals")
UNDETECTED_BLOCKS = 16
"""Greatest number of blocks whose activity waits for the first stems: longer than any window."""


def main_stem(stems: tuple[str, ...]) -> str:
    """Return the stem that pictures show beside the mixture: the vocals, if there are any."""
    return "vocals" if "vocals" in stems else stems[0]


def prepare(settings: SeparationSettings) -> None:
    """Load what the first song needs: the decoder, the network and the activity detector.

    Args:
        settings: Settings of the first song.

    Raises:
        AudioError: The installation lacks the demo song.
        InputError: A setting is out of range.
        ModelError: There is no such model.
    """
    with demo_file("vocals") as path, AudioReader(path, block_samples=BLOCK_SAMPLES) as reader:
        separator, detector = _stages(settings, reader.info)
        block = reader.read_block()
    separator.feed(block)
    detector.feed(block)


def _stages(settings: SeparationSettings, info: AudioInfo) -> tuple[Separator, Detector]:
    """The separator and the detector of a song."""
    return make_listening_separator(
        settings, sample_rate=info.sample_rate, n_channels=info.n_channels
    )


def separate_in_steps(song: Song) -> Generator[None, None, None]:
    """Separate a song, one block per step of the iterator.

    Args:
        song: Song to which the stems, pictures and times are added.

    Raises:
        AudioError: The file is damaged or the disk is full.
        InputError: A setting is out of range.
        ModelError: There is no such model.
    """
    began = time.perf_counter()
    info = song.info
    rate, n_channels = info.sample_rate, info.n_channels
    with AudioReader(song.source, block_samples=BLOCK_SAMPLES) as reader:
        separator, detector = _stages(song.settings, info)
        song.frame_seconds = detector.frame_seconds
        segmenter = Segmenter(song.frame_seconds)
        song.folder.mkdir(exist_ok=True)
        song.levels = {
            layer: LevelColumns(
                song.folder / f"{layer}.levels", sample_rate=rate, n_channels=n_channels
            )
            for layer in LAYERS
        }
        peaks = PeakColumns(song.folder / "peaks", span=column_samples(rate), n_sounds=len(LAYERS))
        song.peaks = peaks
        song.spools = {
            stem: StemSpool(song.folder / f"{number}.f32", n_channels=n_channels)
            for number, stem in enumerate(separator.stems)
        }
        song.n_samples = reader.n_samples
        song.state = SEPARATING

        def announce() -> None:
            nonlocal began
            now = time.perf_counter()
            song.elapsed += now - began
            song.version += 1
            began = now

        def keep(stems: dict[str, Float32]) -> None:
            for stem, spool in song.spools.items():
                spool.put(stems[stem])
            announce()
            mixture: Float32 = np.sum(list(stems.values()), axis=0, dtype=np.float32)
            sounds = {"mixture": mixture, "vocals": stems[main_stem(separator.stems)]}
            for layer, columns in song.levels.items():
                columns.feed(sounds[layer])
            peaks.feed(*(sounds[layer] for layer in LAYERS))

        def detect(blocks: list[Float32]) -> None:
            for block in blocks:
                probabilities = detector.feed(block)
                song.add_probabilities(probabilities)
                song.segments += segmenter.feed(probabilities)
            blocks.clear()

        n_samples = 0
        undetected: list[Float32] = []
        for block in reader:
            n_samples += block.shape[1]
            keep(separator.feed(block))
            undetected.append(block)
            if song.n_ready or len(undetected) == UNDETECTED_BLOCKS:
                detect(undetected)
            announce()
            yield
            began = time.perf_counter()
        keep(separator.flush())
        detect(undetected)
        song.add_probabilities(detector.flush())
        for columns in song.levels.values():
            columns.flush()
        peaks.flush()
        song.n_samples = n_samples
        song.warnings = [note.replace(str(song.source), song.name) for note in reader.notes()]
    song.elapsed += time.perf_counter() - began
    song.state = READY
    song.segments = list(song.activity().segments)
    song.version += 1
