"""The report: one HTML file with everything in it, tables, plots, pictures and sound; no network.

Only the best, the median and the worst song of one candidate are heard and seen, separated anew.
"""

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from isolde.audio import write
from isolde.core.atomic import write_text
from isolde.core.config import plain
from isolde.core.stage import Float32
from isolde.evaluation import plots, statistics, tables
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.costs import Cost
from isolde.evaluation.page import PAGE, SCRIPT, STYLE
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Song
from isolde.evaluation.summaries import summarise
from isolde.evaluation.tables import title_of

EXCERPT_SECONDS = 12.0


def write_report(
    path: str | Path,
    results: Sequence[Result],
    *,
    songs: Sequence[Song] = (),
    main: Candidate | None = None,
    costs: Sequence[Cost] = (),
    made: Mapping[str, str] | None = None,
    metric: str = "vocals_usdr",
    seed: int = statistics.SEED,
) -> Path:
    """Write the report.

    Args:
        path: the HTML file.
        results: what was measured.
        songs: where the songs of `results` are; without them there is no sound.
        main: the candidate that is heard, and that the paired table compares with.
        costs: speed and memory.
        made: what a reader needs to make it again, name -> value.
        metric: that songs are ranked and plotted by.
        seed: of the bootstrap.

    Returns:
        The path.
    """
    names = [summary.candidate for summary in summarise(results, seed=seed)]
    good = [result for result in results if result.error is None]
    groups = {
        name: [r.metrics.get(metric, math.nan) for r in good if r.candidate == name]
        for name in names
    }
    base = main.name if main is not None and main.name in names else names[0]
    every = [
        f"<h2>{html.escape(heading)}</h2>{table_html(table)}<p>{html.escape(note)}</p>"
        for heading, table, note in tables.every_table(results, base=base, costs=costs, seed=seed)
    ]
    plot = f"<h2>{title_of(metric)} of every song</h2>{plots.box_plot(groups)}"
    parts = [_made(made or {}), every[0], plot, *every[1:], _songs_section(good, metric)]
    if main is not None and songs:
        parts.append(_listening(good, songs, main, metric))
    failed = [result for result in results if result.error is not None]
    if failed:
        items = "".join(
            f"<li>{html.escape(f'{r.candidate}, {r.track}: {r.error}')}</li>" for r in failed
        )
        parts.append(f"<h2>Failed</h2><ul>{items}</ul>")
    text = PAGE.format(
        title="isolde: evaluation",
        style=STYLE,
        body="\n".join(parts),
        data=_data(good, names),
        script=SCRIPT,
    )
    write_text(path, text)
    return Path(path)


def ranked(results: Sequence[Result], candidate: str, metric: str) -> list[tuple[str, Result]]:
    """The best, the median and the worst song of a candidate, fewer when there are fewer songs."""
    rows = [
        result
        for result in results
        if result.candidate == candidate and not math.isnan(result.metrics.get(metric, math.nan))
    ]
    rows.sort(key=lambda result: -result.metrics[metric])
    if not rows:
        return []
    places = {"best": 0, "median": (len(rows) - 1) // 2, "worst": len(rows) - 1}
    out: dict[str, tuple[str, Result]] = {}
    for label, place in places.items():
        out.setdefault(rows[place].track, (label, rows[place]))
    return list(out.values())


def ogg(audio: Float32, sample_rate: int) -> str:
    """Audio (n_channels, n_samples) as a data URI of Ogg Vorbis."""
    buffer = io.BytesIO()
    write(buffer, audio, sample_rate, container="ogg", clip="clip")
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def table_html(markdown: str) -> str:
    """A Markdown table of `tables.markdown` as HTML."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    rows = []
    for number, line in enumerate(lines):
        if number == 1:
            continue
        cells = line.strip().strip("|").replace("\\|", "\0").split("|")
        tag = "th" if number == 0 else "td"
        texts = (html.escape(cell.strip().replace("\0", "|")) for cell in cells)
        rows.append("<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in texts) + "</tr>")
    head, *body = rows
    return (
        f'<div class="scroll"><table><thead>{head}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _made(made: Mapping[str, str]) -> str:
    pairs = (
        f"<dt>{html.escape(name)}</dt><dd><code>{html.escape(value)}</code></dd>"
        for name, value in made.items()
    )
    return f'<dl class="made">{"".join(pairs)}</dl>'


def _songs_section(results: Sequence[Result], metric: str) -> str:
    keys = list(dict.fromkeys(key for result in results for key in result.metrics))
    options = "".join(
        f"<option{' selected' if key == metric else ''}>{html.escape(key)}</option>" for key in keys
    )
    return (
        f'<h2>Every song</h2><p><label>metric <select id="metric">{options}</select></label>, '
        'sorted by a click on a heading</p><div class="tall"><table id="songs">'
        "<thead></thead><tbody></tbody></table></div>"
    )


def _data(results: Sequence[Result], names: Sequence[str]) -> str:
    values: dict[str, dict[str, dict[str, float | None]]] = {}
    for result in results:
        values.setdefault(result.track, {})[result.candidate] = {
            key: plain(number, digits=3) for key, number in result.metrics.items()
        }
    data = json.dumps({"candidates": list(names), "values": values}, allow_nan=False)
    return data.replace("</", "<\\/")


def _listening(
    results: Sequence[Result], songs: Sequence[Song], main: Candidate, metric: str
) -> str:
    by_track = {song.track: song for song in songs}
    parts = [
        f"<h2>To see and hear: {html.escape(main.name)}</h2>"
        "<p>Its best, median and worst song. Spectrograms reach from 0 to 11 kHz (or half the "
        "sample rate), 80 dB from black to yellow; the buttons switch while it plays.</p>"
    ]
    for label, result in ranked(results, main.name, metric):
        if result.track not in by_track:
            continue
        stems = by_track[result.track].load()
        estimates = main(stems)
        rate = stems.sample_rate
        start = max(0, int((stems.seconds - EXCERPT_SECONDS) / 2 * rate))
        part = slice(start, start + int(EXCERPT_SECONDS * rate))
        sounds = {
            "mixture": stems.mixture[:, part],
            "vocals, estimate": estimates["vocals"][:, part],
            "vocals, truth": stems.vocals[:, part],
            "accompaniment, estimate": estimates["accompaniment"][:, part],
            "accompaniment, truth": stems.accompaniment[:, part],
        }
        parts.append(
            f"<h3>{label}: {html.escape(result.track)}, "
            f"{title_of(metric)} {result.metrics[metric]:.2f} dB</h3>"
        )
        for name in list(sounds)[:3]:
            source = plots.spectrogram_png(sounds[name], sample_rate=rate)
            parts.append(
                f'<figure><img alt="spectrogram of {name}" src="{source}">'
                f"<figcaption>{name}</figcaption></figure>"
            )
        buttons = "".join(
            f'<button type="button" data-k="{k}">{name}</button>' for k, name in enumerate(sounds)
        )
        audio = "".join(
            f'<audio preload="auto" src="{ogg(sound, rate)}"></audio>' for sound in sounds.values()
        )
        parts.append(
            f'<div class="player">{buttons}<br><button type="button" class="play">play</button> '
            f'<input type="range" min="0" max="1000" value="0" aria-label="position">{audio}</div>'
        )
    return "\n".join(parts)
