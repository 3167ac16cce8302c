"""All pictures of a song and its stems to listen to, as one HTML file that needs no other."""

import base64
import html
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from isolde import __version__
from isolde.audio import write
from isolde.core.atomic import write_bytes
from isolde.core.stage import Float32

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
   max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }}
 h1 {{ font-size: 1.5rem; margin-bottom: 0; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .3rem; }}
 p {{ margin: .2rem 0 .6rem; max-width: 46rem; }} .small {{ color: #595959; font-size: .9rem; }}
 .wide {{ overflow-x: auto; }} img {{ width: 100%; min-width: 46rem; height: auto; }}
 .players {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr));
   gap: 1rem; margin: 1rem 0; }}
 audio {{ width: 100%; }} figcaption {{ font-weight: 600; }} figure {{ margin: 0; }}
</style></head><body>
<h1>{title}</h1>
<p class="small">{summary}</p>
{players}
{sections}
<p class="small">Drawn by isolde {version}.</p>
<script>
const all = [...document.querySelectorAll("audio")];
all.forEach(a => a.addEventListener("play", () => all.forEach(b => {{
  if (b !== a) {{ if (!b.paused) a.currentTime = b.currentTime; b.pause(); }}
}})));
</script>
</body></html>
"""


def write_report(
    path: Path,
    *,
    title: str,
    summary: str,
    pictures: Sequence[tuple[str, str, bytes]],
    stems: Mapping[str, Float32] | None = None,
    sample_rate: int = 44_100,
) -> Path:
    """Write the report.

    Args:
        path: of the HTML file; overwritten.
        title: of the page.
        summary: one line below it.
        pictures: (heading, what it shows, PNG file) for each.
        stems: sounds to listen to, (n_channels, n_samples) in [-1, 1], stored as mp3.
        sample_rate: of the stems in Hz.

    Returns:
        the path.

    Raises:
        AudioError: when the file cannot be written.
    """
    sections = [
        f"<h2>{html.escape(heading)}</h2>\n<p>{html.escape(text)}</p>\n"
        f'<div class="wide"><img alt="{html.escape(heading)}" '
        f'src="data:image/png;base64,{_text(picture)}"></div>'
        for heading, text, picture in pictures
    ]
    page = _PAGE.format(
        title=html.escape(title),
        summary=html.escape(summary),
        players=_players(stems or {}, sample_rate),
        sections="\n".join(sections),
        version=__version__,
    )
    write_bytes(path, page.encode())
    return path


def _players(stems: Mapping[str, Float32], sample_rate: int) -> str:
    """The stems as players, which hand the time over to each other."""
    figures = [
        f"<figure><figcaption>{html.escape(name)}</figcaption>"
        '<audio controls preload="metadata" '
        f'src="data:audio/mpeg;base64,{_mp3(audio, sample_rate)}"></audio></figure>'
        for name, audio in stems.items()
    ]
    return f'<div class="players">{"".join(figures)}</div>' if figures else ""


def _mp3(audio: Float32, sample_rate: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stem.mp3"
        write(file, audio, sample_rate, clip="clip")
        return _text(file.read_bytes())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
