"""Draw the input of a network and the maps of its fourth convolution; it trains nothing.

The article looked at the feature maps of the fourth convolution and found that some keep the voice
and suppress the music, and some the reverse. Here that is measured: a map's leaning is

    (a_v - a_m) / (a_v + a_m),

where a_v and a_m are the mean distances of the map from what it shows in silence, when the window
holds only the vocals, or only the accompaniment, as the model itself separates them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isolde.audio import Resampler
from isolde.core.errors import InputError, MissingExtraError, ModelError
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.stage import Float32
from isolde.figures.style import BLUE, RED, new_axes, new_figure
from isolde.models.catalogue import ARTICLE, find

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYER = 4
ACROSS = 8  # maps in a row


@dataclass(frozen=True)
class Glimpse:
    """A window of input and the maps that a network makes of it.

    Attributes:
        at: Time of the window's middle frame in seconds.
        window: Features (n_frames, 513) of the window.
        maps: Maps (n_maps, bins, frames) of the fourth convolution, those that lean to voice first.
        leaning: Leaning (n_maps,) in [-1, 1], 1 for a map that only the voice moves.
        numbers: Numbers (n_maps,) of the maps in the network, from 1.
    """

    at: float
    window: Float32
    maps: Float32
    leaning: Float32
    numbers: tuple[int, ...]


def capture_network(
    mixture: Float32, vocals: Float32, sample_rate: int, *, at: float, model: str | Path = ARTICLE
) -> Glimpse:
    """Run a network on the window around a moment, and return its maps.

    Args:
        mixture: Mixture (n_channels, n_samples) in [-1, 1].
        vocals: The same shape; the accompaniment is the rest.
        sample_rate: Sample rate of both in Hz.
        at: Moment in seconds.
        model: Name or path of a network with the article's windows.

    Raises:
        InputError: When the moment lies outside of the sound.
        MissingExtraError: When torch or onnx is not installed.
        ModelError: When there is no such model, or it is another kind of network.
    """
    found = find(model)
    try:
        from isolde.networks.onnx.read_windows import feature_maps, network_of
    except ModuleNotFoundError as error:
        missing = str(error.name).split(".")[0]
        raise MissingExtraError(missing, extra="train", purpose="a network's picture") from None
    network = network_of(found.path)
    n = network.shape.n_frames
    seconds = mixture.shape[1] / sample_rate
    if not 0 <= at <= seconds:
        raise InputError(f"{at} s is outside of the {seconds:.2f} s of sound")
    windows = [
        _window(sound, sample_rate, at=at, n=n, features=found.card.features)
        for sound in (mixture, vocals, mixture - vocals)
    ]
    if len(windows[0]) != 1:
        raise ModelError(f"model '{found.card.name}' sees channels apart: no picture is made of it")
    whole, voice, music, silence = (
        feature_maps(network, window, layer=LAYER)
        for window in (*(w[0] for w in windows), np.zeros_like(windows[0][0]))
    )
    by_voice, by_music = (np.abs(maps - silence).mean(axis=(1, 2)) for maps in (voice, music))
    leaning = (by_voice - by_music) / np.maximum(by_voice + by_music, 1e-9)
    order = np.argsort(-leaning)
    numbers = tuple(int(i) + 1 for i in order)
    return Glimpse(at, windows[0][0], whole[order], leaning[order], numbers)


def _window(sound: Float32, sample_rate: int, *, at: float, n: int, features: Any) -> Float32:
    """Features (1 or n_channels, n, 513) of the n frames around a moment."""
    around = round((n + 8) * GRID_22.frame_seconds * sample_rate)
    centre = round(at * sample_rate)
    padded = np.pad(sound, ((0, 0), (around, around)))[:, centre : centre + 2 * around]
    inward = Resampler(sample_rate, GRID_22.sample_rate, len(sound))
    resampled = np.concatenate([inward.feed(padded), inward.flush()], axis=1)
    spectra = analyse(resampled.astype(np.float32), GRID_22)
    middle = round(around / sample_rate / GRID_22.frame_seconds)
    window: Float32 = features(spectra[:, middle - n // 2 : middle + n // 2 + 1])
    return window


def network_figure(
    glimpse: Glimpse, *, title: str | None = None, at: float | None = None
) -> "Figure":
    """Draw the input window and the maps of the fourth convolution.

    Args:
        glimpse: Window and maps, from `capture_network`.
        title: Title above the picture.
        at: Moment in the song in seconds; None: that of the glimpse.
    """
    rows = -(-len(glimpse.maps) // ACROSS)
    figure = new_figure(12.0, 5.2)
    halves: Any = figure.subfigures(1, 2, width_ratios=[1.0, 3.4])
    left, right = halves
    ((axes,),) = new_axes(left, 1, 1)
    half = len(glimpse.window) / 2 * GRID_22.frame_seconds * 1000
    top = GRID_22.sample_rate / 2000
    axes.imshow(
        glimpse.window.T,
        origin="lower",
        aspect="auto",
        extent=(-half, half, 0, top),
        cmap="magma",
        interpolation="nearest",
    )
    axes.axvline(0, color="white", linewidth=0.8, linestyle=":")
    axes.set_title(
        f"input: {glimpse.window.shape[0]} frames x {glimpse.window.shape[1]} bins", loc="left"
    )
    axes.set_xlabel("time from the middle frame (ms)")
    axes.set_ylabel("frequency (kHz)")
    table = new_axes(right, rows, ACROSS, sharex=True, sharey=True)
    for i, place in enumerate(place for row in table for place in row):
        place.set_axis_off()
        if i >= len(glimpse.maps):
            continue
        values, leaning = glimpse.maps[i], float(glimpse.leaning[i])
        low, high = np.percentile(values, [1, 99])
        place.imshow(
            values,
            origin="lower",
            aspect="auto",
            vmin=float(low),
            vmax=float(max(high, low + 1e-6)),
            cmap="cividis",
            interpolation="nearest",
        )
        place.set_title(
            f"{glimpse.numbers[i]}: {leaning:+.2f}",
            color=BLUE if leaning > 0 else RED,
            fontsize=9,
        )
    bins, frames = glimpse.maps.shape[1:]
    right.suptitle(
        f"layer {LAYER}: {len(glimpse.maps)} maps of {bins} x {frames}, from those that the voice "
        "moves most (+1) to those that the music does (-1)",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    name = title or "what the network sees"
    moment = glimpse.at if at is None else at
    figure.suptitle(f"{name}, at {moment:.2f} s", x=0.01, ha="left", fontsize=11)
    return figure
