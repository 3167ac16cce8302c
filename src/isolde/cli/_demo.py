"""The main job on a song that the project ships: separate it, measure it, draw it.

The song is synthetic, a sung voice over a band, so that its stems are known; what is measured on
it shows that the installation works, not how good the model is on music.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.audio import read, write
from isolde.audio.demo import read_demo
from isolde.core.stage import Float32
from isolde.evaluation.metrics.ratios import usdr
from isolde.models.catalogue import DEFAULT
from isolde.separation import (
    FileSettings,
    Separated,
    SeparationSettings,
    Song,
    separate_file,
)


@dataclass(frozen=True)
class Demo:
    """What the demo made and measured.

    Attributes:
        mixture: the song as a file.
        separated: paths, seconds and speed.
        picture: of mixture, mask and vocals; None without matplotlib.
        vocals_usdr: in dB, of the estimate.
        mixture_usdr: in dB, of the mixture taken for the vocals: the floor.
        accompaniment_usdr: in dB, of the estimate.
    """

    mixture: Path
    separated: Separated
    picture: Path | None
    vocals_usdr: float
    mixture_usdr: float
    accompaniment_usdr: float


def run_demo(folder: Path, *, model: str = DEFAULT) -> Demo:
    """Separate the shipped song into a folder; files from an earlier demo are replaced.

    Args:
        folder: made when missing.
        model: name or path.

    Raises:
        AudioError: when the folder cannot be written.
        ModelError: when there is no such model.
    """
    stems, rate = read_demo()
    vocals = stems.pop("vocals")
    accompaniment = np.sum(list(stems.values()), axis=0)
    mixture = vocals + accompaniment
    path = folder / "song.wav"
    write(path, mixture, rate, overwrite=True)
    settings = FileSettings(
        output=folder, separation=SeparationSettings(model, threads=0), overwrite=True
    )
    done = separate_file(Song(path, "song"), settings)
    estimates = {stem: read(file)[0] for stem, file in done.paths.items()}
    return Demo(
        mixture=path,
        separated=done,
        picture=_picture(folder / "song" / "separation.png", mixture, estimates["vocals"], rate),
        vocals_usdr=usdr(vocals, estimates["vocals"]),
        mixture_usdr=usdr(vocals, mixture),
        accompaniment_usdr=usdr(accompaniment, estimates["accompaniment"]),
    )


def _picture(path: Path, mixture: Float32, vocals: Float32, rate: int) -> Path | None:
    """The picture, where matplotlib is installed."""
    from isolde.core.errors import MissingExtraError
    from isolde.figures import draw_separation

    try:
        return draw_separation(mixture, vocals, None, rate, path, title="isolde demo")
    except MissingExtraError:
        return None
