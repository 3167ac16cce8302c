"""Write all pictures of a song and its stems as one HTML file that needs no other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from isolde import __version__
from isolde.core.stage import Float32
from isolde.figures.reports.page import picture_source, sound_source, write_page


def write_song_report(
    path: Path,
    *,
    title: str,
    summary: str,
    pictures: Sequence[tuple[str, str, bytes]],
    stems: Mapping[str, Float32] | None = None,
    sample_rate: int = 44_100,
) -> Path:
    """Write the report of a song or of a data set.

    Args:
        path: Path of the HTML file; overwritten.
        title: Title of the page.
        summary: Line below the title.
        pictures: Heading, explanation and PNG file of each picture.
        stems: Sounds to listen to, (n_channels, n_samples) in [-1, 1].
        sample_rate: Sample rate of the stems in Hz.

    Returns:
        The path.

    Raises:
        AudioError: The file cannot be written.
        MissingExtraError: Jinja2 is not installed.
    """
    return write_page(
        path,
        "song.html",
        title=title,
        summary=summary,
        pictures=[(heading, text, picture_source(png)) for heading, text, png in pictures],
        sounds={
            name: sound_source(audio, sample_rate=sample_rate)
            for name, audio in (stems or {}).items()
        },
        version=__version__,
    )
