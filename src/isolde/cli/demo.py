"""`isolde demo`: the main job on a song that the project ships: separate, measure, draw.

The song is synthetic, a sung voice over a band, so that its stems are known; what is measured on
it shows that the installation works, not how good the model is on music.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isolde.cli.shared import completion
from isolde.cli.shared.help import examples

if TYPE_CHECKING:
    from isolde.core.stage import Float32
    from isolde.separation import Separated

TITLE = (
    "Left: the song, high notes above low ones, bright where it is loud.  Middle: the mask, yellow "
    "where the voice is.\n"
    "Right: the song through the mask, which keeps the yellow and takes away the rest."
)
"""What the picture shows, for those who play music and have never seen a spectrogram."""


@dataclass(frozen=True)
class Demo:
    """What the demo made and measured.

    Attributes:
        mixture: Path of the song.
        separated: Paths, seconds and speed.
        picture: Path of the picture of mixture, mask and vocals; None without matplotlib.
        vocals_usdr: Ratio of the estimated vocals in dB.
        mixture_usdr: Ratio of the mixture taken for the vocals in dB, the floor.
        accompaniment_usdr: Ratio of the estimated accompaniment in dB.
    """

    mixture: Path
    separated: "Separated"
    picture: Path | None
    vocals_usdr: float
    mixture_usdr: float
    accompaniment_usdr: float


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "demo",
        epilog=examples(
            "isolde demo # into the folder demo-out",
            "isolde demo --model article -o article-out",
        ),
    )(demo)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")] = Path(
        "demo-out"
    ),
    model: Annotated[
        str,
        typer.Option(help="Name or path of a model.", autocompletion=completion.separating_models),
    ] = "vocals-large",
) -> None:
    """Separate a short synthetic song whose stems are known, measure and draw it."""
    done = run_demo(output, model=model)
    print(f"song           {done.mixture} ({done.separated.seconds:.1f} s)")
    for stem, path in done.separated.paths.items():
        print(f"{stem:14} {path}")
    print(
        f"vocals         {done.vocals_usdr:.2f} dB uSDR "
        f"(the song itself in their place: {done.mixture_usdr:.2f} dB)"
    )
    print(f"accompaniment  {done.accompaniment_usdr:.2f} dB uSDR")
    print(f"speed          {done.separated.real_time_factor:.1f} x real time")
    print(f"\nplay {done.mixture}, then {done.separated.paths['vocals']}")
    if done.picture is not None:
        print(f"open {done.picture}: what the network takes for voice")
    else:
        print("for a picture: pip install 'isolde[figures]'")


def run_demo(folder: Path, *, model: str = "vocals-large") -> Demo:
    """Separate the shipped song into a folder; files from an earlier demo are replaced.

    Args:
        folder: Path of the folder; it is made when missing.
        model: Name or path of a model that gives vocals and accompaniment.

    Raises:
        AudioError: The folder cannot be written.
        InputError: The model gives other stems, or the folder holds somebody else's.
        ModelError: There is no such model.
    """
    from io import BytesIO

    import numpy as np

    from isolde.audio import read, write
    from isolde.audio.demo import read_demo
    from isolde.core.atomic import write_bytes
    from isolde.core.errors import InputError
    from isolde.core.stems import ACCOMPANIMENT, VOCALS
    from isolde.evaluation.metrics.ratios import usdr
    from isolde.separation import (
        FileSettings,
        SeparationSettings,
        Song,
        check_batch,
        separate_file,
    )

    stems, rate = read_demo()
    vocals = stems.pop(VOCALS)
    accompaniment = np.sum(list(stems.values()), axis=0)
    mixture = vocals + accompaniment
    path = folder / "song.wav"
    made = BytesIO()
    write(made, mixture, rate)
    before = path if path.exists() else next((folder / "song").glob("*"), None)
    if before is not None and not (before == path and path.read_bytes() == made.getvalue()):
        raise InputError(f"{before}: is there, and no demo's: choose another folder with -o")
    settings = FileSettings(
        output=folder,
        stems=(VOCALS, ACCOMPANIMENT),
        separation=SeparationSettings(model, threads=0),
        overwrite=True,
    )
    check_batch([Song(path, "song")], settings)
    write_bytes(path, made.getvalue())
    done = separate_file(Song(path, "song"), settings)
    estimates = {stem: read(file)[0] for stem, file in done.paths.items()}
    return Demo(
        mixture=path,
        separated=done,
        picture=_picture(folder / "song" / "separation.png", mixture, estimates[VOCALS], rate),
        vocals_usdr=usdr(vocals, estimates[VOCALS]),
        mixture_usdr=usdr(vocals, mixture),
        accompaniment_usdr=usdr(accompaniment, estimates[ACCOMPANIMENT]),
    )


def _picture(path: Path, mixture: "Float32", vocals: "Float32", rate: int) -> Path | None:
    """Draw the picture, where matplotlib is installed."""
    from isolde.core.errors import MissingExtraError
    from isolde.figures.separation import draw_separation

    try:
        return draw_separation(mixture, vocals, None, rate, path, title=TITLE)
    except MissingExtraError:
        return None
