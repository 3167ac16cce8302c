"""Style of all pictures, and their encoding as files; it knows nothing of sound.

Matplotlib is imported when a picture is made and never through pyplot, so drawing leaves no global
state behind and works without a display. Colours are those of Okabe and Ito (2008), which common
kinds of colour blindness tell apart. The colour maps, magma and cividis, grow evenly in lightness,
so they can also be read in grey.
"""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isolde.core.atomic import Draft, explain, write_bytes
from isolde.core.errors import AudioError, InputError, MissingExtraError
from isolde.core.names import readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")

LEVELS = "magma"
"""Colour map of levels in dB."""

SHARES = "cividis"
"""Colour map of masks and probabilities, 0 to 1."""

CYAN, ORANGE, GREEN, BLUE, RED = "#56B4E9", "#E69F00", "#009E73", "#0072B2", "#D55E00"

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": "#333333",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.fontsize": 8,
    "legend.framealpha": 0.85,
    "svg.hashsalt": "isolde",  # the same picture gives the same file
    "svg.fonttype": "path",
}


def require_matplotlib() -> None:
    """Fail early when pictures cannot be drawn.

    Raises:
        MissingExtraError: When matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", extra="figures", purpose="a picture") from None


def check_picture(path: str | Path) -> Path:
    """Fail early when a picture cannot be written there.

    Args:
        path: Path of the file to write; its folder is made when the picture is saved.

    Raises:
        InputError: When the name does not end in .png or .svg.
        MissingExtraError: When matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"a picture named '{path.name}': end the name in .png or .svg")
    require_matplotlib()
    return path


def check_writable(path: str | Path) -> None:
    """Fail early when a file cannot be written.

    Args:
        path: Path of the file; an existing one may be replaced.

    Raises:
        AudioError: When its folder cannot be made or written.
    """
    draft = Draft(path)
    try:
        draft.path.touch()
    except OSError as error:
        raise AudioError(explain(str(path), error)) from error
    finally:
        draft.discard()


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches.

    Raises:
        MissingExtraError: When matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
    return figure


def new_axes(figure: "Figure", rows: int, columns: int, **layout: Any) -> "list[list[Axes]]":
    """Return a table of axes, styled.

    Args:
        figure: Figure from `new_figure`.
        rows: Rows of the table.
        columns: Columns of the table.
        layout: What `Figure.subplots` takes: sharex, sharey, width_ratios, height_ratios.
    """
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        table = figure.subplots(rows, columns, squeeze=False, **layout)
    return [list(row) for row in table]


def encode(figure: "Figure", *, kind: str = "png", dpi: int = 110) -> bytes:
    """Return a figure as the bytes of a file.

    Args:
        figure: Figure from `new_figure`.
        kind: "png" or "svg".
        dpi: Resolution in pixels per inch, of the images in an SVG too.
    """
    import matplotlib

    metadata = {"Date": None, "Creator": "isolde"} if kind == "svg" else {"Software": "isolde"}
    drawn = BytesIO()
    _keep_names(figure)
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font's box says it as well
        figure.savefig(drawn, dpi=dpi, format=kind, metadata=metadata)
    return drawn.getvalue() if kind == "svg" else _with_palette(drawn)


def _keep_names(figure: "Figure") -> None:
    """Show names, which may hold anything, as plain text: no formulas, no invalid characters."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        said = text.get_text()
        if "$" in said and "mathdefault" not in said:  # that is an axis's own
            text.set_parse_math(False)
        shown = (c if c.isprintable() or c == "\n" else "\ufffd" for c in readable(said))
        text.set_text("".join(shown))


def save(figure: "Figure", path: str | Path, *, dpi: int = 110) -> Path:
    """Write a figure as PNG or SVG, by the name's ending; its folder is made when missing.

    Args:
        figure: Figure from `new_figure`.
        path: Path of the file; overwritten.
        dpi: Resolution in pixels per inch, of the images in an SVG too.

    Returns:
        The path.

    Raises:
        AudioError: When the file cannot be written.
        InputError: When the name does not end in .png or .svg.
    """
    path = check_picture(path)
    write_bytes(path, encode(figure, kind=path.suffix[1:].lower(), dpi=dpi))
    return path


def _with_palette(drawn: BytesIO) -> bytes:
    """The same PNG in its 256 most needed colours: less than half the size, no visible change."""
    from PIL import Image

    smaller = BytesIO()
    image = Image.open(drawn).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(smaller, format="PNG", optimize=True)
    return smaller.getvalue()


def time_label(seconds: float) -> str:
    """Return a time as it is read on a clock: 7.5 -> '7.5', 75 -> '1:15'.

    Examples:
        >>> [time_label(seconds) for seconds in (7.5, 75, 600)]
        ['7.5', '1:15', '10:00']
    """
    if seconds < 60:
        return f"{seconds:g}"
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
