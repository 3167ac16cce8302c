"""Draw the pictures of one song: choose them, make them and write them; it prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from isolde.audio import comes_once, info, read
from isolde.core.atomic import exists_already, refuse_inputs, write_bytes
from isolde.core.errors import InputError, MissingExtraError, ModelError
from isolde.core.stage import Float32
from isolde.core.warned import without_warnings
from isolde.figures.canvas import canvas_of
from isolde.figures.capture import LISTEN_SECONDS, Capture, capture_song, voice_of
from isolde.figures.network import capture_network, network_figure
from isolde.figures.overview import activity_figure
from isolde.figures.reports.page import require_jinja
from isolde.figures.reports.song import write_song_report
from isolde.figures.separation import separation_figure
from isolde.figures.spectrogram import marks_of, spectrogram_figure
from isolde.figures.style import check_writable, encode, require_matplotlib, time_label
from isolde.models.catalogue import ARTICLE, LIVE
from isolde.separation.load import separate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("spectrogram", "separation", "network", "activity")
KINDS = (".png", ".svg", ".html")
MARKED_SECONDS = 30.0
EXCERPT_SECONDS = 10.0
AROUND = 0.6  # seconds on either side of what the network looks at

TEXTS = {
    "spectrogram": "Windows of 2048 samples that overlap by 75 %. Blue: the pitch that pYIN hears; "
    "dashed: its harmonics; orange, at the top: unvoiced bursts, consonants and breath.",
    "separation": "The mixture, the share of every point that is taken for voice, and what that "
    "leaves of the mixture.",
    "network": "The 25 frames that the network sees at one moment, and what its fourth convolution "
    "makes of them. Blue numbers: maps that the voice moves more than the music does.",
    "activity": "The whole range: how loud the separated voice is beside the mixture, and the "
    "probability that somebody sings (orange: singing).",
}


@dataclass
class Drawn:
    """Files of pictures and notes on them.

    Attributes:
        paths: Files written.
        notes: Warnings about the song, and pictures that were left out with the reason.
    """

    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def draw_song(
    song: str | Path,
    output: str | Path | None = None,
    *,
    figure: str | None = None,
    start: float | None = None,
    end: float | None = None,
    at: float | None = None,
    model: str | Path = LIVE,
    dpi: int = 110,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Drawn:
    """Draw the pictures of a song.

    Args:
        song: The file.
        output: Path of a .png or .svg file, which gets one picture, of an .html file, which gets
            all, or of a folder, which gets {song}-{figure}.png; None for the current folder.
        figure: One of FIGURES, or "all"; None for "separation" in a file, and all elsewhere.
        start: Start of the range in seconds.
        end: End of the range in seconds.
        at: The moment at which the network is looked into; None: where the voice is loudest.
        model: Name or path of the separator's model.
        dpi: Resolution in pixels per inch.
        overwrite: Whether existing files may be replaced.
        progress: Function called with the share of the song that is read.

    Returns:
        What was drawn. With "all" and in a report, pictures that lack an extra are left out with
        a note.

    Raises:
        AudioError: When the song cannot be read or a picture not written.
        InputError: When an argument cannot be used.
        MissingExtraError: When the one picture that was asked for lacks an extra.
        ModelError: When there is no such model.
    """
    song = Path(song)
    if comes_once(song):
        raise InputError(f"{song}: is a pipe, and a picture reads its song twice: give a file")
    wanted, targets = _targets(song, None if output is None else Path(output), figure)
    kind = next(iter(targets.values())).suffix.lower()
    for target in targets.values():
        if target.exists() and not overwrite:
            raise InputError(exists_already(str(target)))
    refuse_inputs(targets.values(), [song])
    if at is not None and "network" in wanted:
        _check_moment(song, at)
    require_matplotlib()
    if kind == ".html":
        require_jinja()
    for target in targets.values():
        check_writable(target)
    capture = capture_song(
        song,
        start=start or 0.0,
        end=end,
        separation=any(name != "spectrogram" for name in wanted) or kind == ".html",
        activity="activity" in wanted,
        listening=kind == ".html",
        model=model,
        progress=progress,
    )
    drawn, pictures = Drawn(notes=list(capture.notes)), dict[str, bytes]()
    whole = start is None and end is None
    for name in wanted:
        try:
            shown = _figure(name, capture, drawn, whole=whole, at=at, model=model)
        except (MissingExtraError, ModelError) as error:
            if len(wanted) == 1:
                raise
            drawn.notes.append(f"no picture '{name}': {error}")
            continue
        pictures[name] = encode(shown, kind="svg" if kind == ".svg" else "png", dpi=dpi)
    if kind == ".html":
        drawn.paths.append(_report(targets[wanted[0]], capture, pictures, model))
        return drawn
    for name, data in pictures.items():
        write_bytes(targets[name], data)
        drawn.paths.append(targets[name])
    return drawn


def _targets(
    song: Path, output: Path | None, figure: str | None
) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Choose the figures, and the file of each: the ending of the output decides."""
    if figure not in (*FIGURES, "all", None):
        raise InputError(f"figure '{figure}' is unknown: take {', '.join(FIGURES)} or all")
    kind = "" if output is None or output.is_dir() else output.suffix.lower()
    if kind not in ("", *KINDS):
        raise InputError(f"'{output}': end the name in .png, .svg or .html, or name a folder")
    if figure is None:
        figure = "separation" if kind in (".png", ".svg") else "all"
    wanted = FIGURES if figure == "all" else (figure,)
    if output is None or not kind:
        folder = output or Path()
        return wanted, {name: folder / f"{song.stem}-{name}.png" for name in wanted}
    if len(wanted) > 1 and kind != ".html":
        raise InputError(
            f"{output}: one file for {len(wanted)} pictures: give a folder, an .html file, or "
            "one --figure"
        )
    return wanted, dict.fromkeys(wanted, output)


def _check_moment(song: Path, at: float) -> None:
    """Make sure that a moment lies in a song, as far as the song tells its length."""
    if not at >= 0:
        raise InputError(f"a moment of {at:g} s: give the seconds from the start of the song")
    about = info(song)
    if about.n_samples is not None and at * about.sample_rate >= about.n_samples:
        raise InputError(
            f"{song}: lasts {about.n_samples / about.sample_rate:.3f} s, so the network sees "
            f"nothing at {at:g} s: choose an earlier --at"
        )


def _figure(
    name: str, capture: Capture, drawn: Drawn, *, whole: bool, at: float | None, model: str | Path
) -> "Figure":
    """One picture."""
    title = capture.path.name
    if name == "separation" and capture.vocals is not None:
        return separation_figure(capture.mixture, capture.vocals, start=capture.start, title=title)
    if name == "activity":
        return activity_figure(
            capture.mixture,
            capture.vocals,
            capture.probabilities,
            frame_seconds=capture.frame_seconds,
            segments=capture.segments,
            start=capture.start,
            title=title,
        )
    if name == "network":
        moment = capture.start + capture.loudest_voice() if at is None else at
        begin = max(0.0, moment - AROUND)
        audio, rate = _excerpt(capture, begin, moment + AROUND)
        stems = separate(audio, sample_rate=rate, model=model)
        vocals = stems[voice_of(stems)]
        windows = ARTICLE if model == LIVE else model  # that one has no window to look into
        glimpse = capture_network(audio, vocals, rate, at=moment - begin, model=windows)
        return network_figure(glimpse, title=title, at=moment)
    return _spectrogram(capture, drawn, whole=whole)


def _spectrogram(capture: Capture, drawn: Drawn, *, whole: bool) -> "Figure":
    """With marks where it is short enough to read them; of a whole long song, an excerpt."""
    start, seconds, canvas = capture.start, capture.seconds, capture.mixture
    title = capture.path.name
    if seconds > MARKED_SECONDS and not whole:
        drawn.notes.append(
            f"no pitch is marked in a spectrogram of {seconds:.0f} s: "
            f"give a --range of at most {MARKED_SECONDS:.0f} s"
        )
        return spectrogram_figure(canvas, start=start, title=title)
    if seconds > MARKED_SECONDS:
        start = max(0.0, (capture.loudest_voice() if capture.vocals else seconds / 2) - 5)
        start = float(int(min(start, seconds - EXCERPT_SECONDS)))
        seconds = EXCERPT_SECONDS
        drawn.notes.append(
            f"the spectrogram shows {time_label(start)} to {time_label(start + seconds)}: "
            "give a --range for another part"
        )
    audio, rate = _excerpt(capture, start, start + seconds)
    canvas = canvas_of(audio, rate)
    try:
        marks = marks_of(audio, rate, start=start)
    except MissingExtraError as error:
        drawn.notes.append(f"no pitch is marked: {error}")
        marks = None
    return spectrogram_figure(canvas, marks, start=start, title=title)


def _report(target: Path, capture: Capture, pictures: dict[str, bytes], model: str | Path) -> Path:
    heard = min(capture.seconds, LISTEN_SECONDS)
    end = capture.start + capture.seconds
    summary = (
        f"{time_label(capture.start)} to {time_label(end)} of the song, "
        f"{capture.sample_rate} Hz, separated by the model '{model}'. "
        f"To listen to: the first {heard:.0f} s; a player goes on where another one was."
    )
    return write_song_report(
        target,
        title=capture.path.name,
        summary=summary,
        pictures=[(name, TEXTS[name], data) for name, data in pictures.items()],
        stems=capture.stems,
        sample_rate=capture.sample_rate,
    )


def _excerpt(capture: Capture, start: float, end: float) -> tuple[Float32, int]:
    """Read a part of the song again, without the warnings, which the capture has as notes."""
    with without_warnings():
        return read(capture.path, start=start, end=end)
