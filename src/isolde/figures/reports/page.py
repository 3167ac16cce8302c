"""HTML pages that need no other file, from the templates beside this; it computes nothing.

Whatever goes into a template is escaped; pictures and sounds are in the page itself.
"""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

from isolde.audio import write
from isolde.audio.formats import CONTAINERS
from isolde.core.atomic import write_text
from isolde.core.errors import MissingExtraError
from isolde.core.names import readable
from isolde.core.stage import Float32


def require_jinja() -> None:
    """Fail early when pages cannot be made.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise MissingExtraError("jinja2", extra="figures", purpose="a report") from None


def write_page(path: str | Path, template: str, **values: Any) -> Path:
    """Fill in a template and write it.

    Args:
        path: Path of the HTML file; overwritten.
        template: Name of a file in `templates`.
        values: What the template asks for.

    Returns:
        The path.

    Raises:
        AudioError: The file cannot be written.
        MissingExtraError: Jinja2 is not installed.
    """
    require_jinja()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("isolde.figures.reports"), autoescape=True, undefined=StrictUndefined
    )
    write_text(path, readable(pages.get_template(template).render(**values)))
    return Path(path)


def picture_source(png: bytes) -> str:
    """Turn a PNG file into the source of an image in the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def sound_source(audio: Float32, *, sample_rate: int) -> str:
    """Turn a sound into the source of a player in the page.

    Args:
        audio: Sound (n_channels, n_samples) in [-1, 1].
        sample_rate: Sample rate in Hz.

    Returns:
        A data URI of mp3, which every browser plays; of Ogg Vorbis where mp3 has no such rate or
        so many channels.
    """
    mp3 = CONTAINERS["mp3"]
    fits = sample_rate in mp3.rates and audio.shape[0] <= mp3.max_channels
    container, kind = ("mp3", "mpeg") if fits else ("ogg", "ogg")
    file = BytesIO()
    write(file, audio, sample_rate, container=container, clip="clip")
    return f"data:audio/{kind};base64," + base64.b64encode(file.getvalue()).decode("ascii")
