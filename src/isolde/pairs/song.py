"""Make a song folder of one pair of files; it never guesses which files to pair.

Output, in the layout of stems: {output}/{track}/mixture.wav, vocals.wav, accompaniment.wav (float;
vocals + accompaniment = mixture to rounding), activity.txt (0 or 1 per 20 ms) and report.json. Only
accepted spans are written, joined end to end, unless `keep="all"`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isolde.activity.loudness import loud_frames
from isolde.core.atomic import Draft, exists_already, write_text
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.core.unfinished import hidden_name
from isolde.datasets.naming import kind_by_name
from isolde.pairs.build import check_kind, pair_arrays
from isolde.pairs.report import ACTIVITY_HOP, REPORT, PairReport, is_report_of, write_json
from isolde.pairs.score import Span

KEEPS = ("accepted", "all")
"""Which spans of a song are written."""

VOICE_DB = -40.0  # activity: relative to the loud moments of the vocal
FILES = ("mixture.wav", "vocals.wav", "accompaniment.wav", "activity.txt", "page.png", REPORT)
"""What is written into a song's folder, the report last."""


def activity(vocals: Float32, sample_rate: int) -> NDArray[np.int8]:
    """Find where the vocal sounds: within VOICE_DB of its loud moments, gaps under 0.1 s closed.

    Args:
        vocals: Vocals (n_channels, n_samples).
        sample_rate: Sample rate in Hz.

    Returns:
        (n_frames,) 0 or 1 per ACTIVITY_HOP seconds.
    """
    edges = np.round(
        np.arange(0, vocals.shape[1] / sample_rate, ACTIVITY_HOP) * sample_rate
    ).astype(int)
    edges = edges[edges < vocals.shape[1]]
    if not len(edges):
        return np.zeros(0, np.int8)
    power = np.add.reduceat(np.square(vocals).mean(axis=0), edges) / (ACTIVITY_HOP * sample_rate)
    loud = float(np.percentile(power, 95))
    level = 10 * np.log10(np.maximum(power, 1e-12))
    reference = 10 * np.log10(max(loud, 1e-12))
    return loud_frames(level, reference=reference, within=-VOICE_DB, floor=-80.0, fill=5).astype(
        np.int8
    )


def cut_out(audio: Float32, parts: Sequence[Span], sample_rate: int) -> Float32:
    """Join the accepted spans end to end; 5 ms fades keep the joins from clicking.

    Args:
        audio: Audio (n_channels, n_samples).
        parts: Spans in seconds.
        sample_rate: Sample rate in Hz.

    Returns:
        (n_channels, n) of the accepted spans.
    """
    pieces = []
    fade = round(0.005 * sample_rate)
    for span in parts:
        if span.accepted:
            a, b = round(span.start * sample_rate), round(span.end * sample_rate)
            piece = audio[:, a:b].copy()
            if piece.shape[1] > 2 * fade:
                if a > 0:
                    piece[:, :fade] *= np.linspace(0, 1, fade, dtype=np.float32)
                if b < audio.shape[1]:
                    piece[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            pieces.append(piece)
    return np.concatenate(pieces, axis=1) if pieces else audio[:, :0]


def build_pair(
    mix_path: str | Path,
    partner_path: str | Path,
    output: str | Path,
    *,
    kind: str = "auto",
    track: str | None = None,
    keep: str = "accepted",
    overwrite: bool = False,
    draw: Callable[[PairReport, Path], None] | None = None,
) -> PairReport:
    """Make a song folder of a mix and its a cappella or instrumental.

    An accepted pair becomes {output}/{track}/ with mixture.wav, vocals.wav, accompaniment.wav,
    activity.txt, report.json (and page.png). A rejected one leaves {output}/{track}.rejected.json
    (and .png) only, so that whoever trains on the output finds nothing but songs. What an earlier
    run wrote for the track is replaced; other files are left alone.

    Args:
        mix_path: An audio file.
        partner_path: An audio file.
        output: Folder in which the song's folder is made.
        kind: "vocal", "instrumental" or "auto" (by the files' names, else by the sound).
        track: Name of the song's folder; None: the mix's file name without its ending.
        keep: "accepted" writes accepted spans only, joined; "all" writes the whole song.
        overwrite: Whether files are replaced in a folder that no earlier run made.
        draw: Draws the page, for example `isolde.figures.pairs.draw_page`.

    Returns:
        The report.

    Raises:
        AudioError: A file cannot be read or written.
        InputError: An unknown kind or keep, or something else has the song's name in the output.
    """
    from isolde import audio

    check_choices(kind, keep)
    if kind == "auto":
        kind = kind_by_name(partner_path)
    name = track or Path(mix_path).stem
    root = Path(output)
    check_output(root)
    folder, rejected = root / name, root / f"{name}.rejected.json"
    _check_free(folder, rejected, name, overwrite=overwrite)
    mix, mix_rate = audio.read(mix_path)
    partner, partner_rate = audio.read(partner_path)
    report, arrays = pair_arrays(
        mix, partner, mix_rate=mix_rate, partner_rate=partner_rate, kind=kind, track=name
    )
    report = replace(report, mix=str(mix_path), partner=str(partner_path))
    if arrays is None:
        _remove_old(folder, rejected, name)
        write_json(report, rejected)
        if draw is not None:
            draw(report, rejected.with_suffix(".png"))
        return report
    parts = report.spans if keep == "accepted" else (Span(0.0, report.duration, True, ""),)
    vocals = cut_out(arrays.vocals, parts, mix_rate)
    report = replace(report, folder=str(folder))
    is_new = not folder.exists()
    new = folder if is_new else folder / hidden_name()
    with Draft(new, overwrite=False) as draft:
        for stem in ("mixture", "vocals", "accompaniment"):
            signal = vocals if stem == "vocals" else cut_out(getattr(arrays, stem), parts, mix_rate)
            audio.write(draft.path / f"{stem}.wav", signal, mix_rate, subtype="FLOAT")
        lines = "\n".join(str(int(v)) for v in activity(vocals, mix_rate))
        write_text(draft.path / "activity.txt", lines + "\n")
        if draw is not None:
            draw(report, draft.path / "page.png")
        write_json(report, draft.path / REPORT)
    _remove_old(folder, rejected, name, keep=FILES if draw else {*FILES} - {"page.png"})
    if not is_new:  # other files in it stay where they are
        for file in FILES:
            if (new / file).exists():
                (new / file).replace(folder / file)
        new.rmdir()
    return report


def check_choices(kind: str, keep: str) -> None:
    """Refuse an unknown kind or keep.

    Raises:
        InputError: An unknown kind or keep.
    """
    check_kind(kind)
    if keep not in KEEPS:
        raise InputError(f"keep is '{keep}': use accepted or all")


def check_output(root: Path) -> None:
    """Refuse a folder for results that is a file.

    Raises:
        InputError: It is one.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file: choose a folder with -o")


def _check_free(folder: Path, rejected: Path, name: str, *, overwrite: bool) -> None:
    """Refuse to replace what no run wrote for this track."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file: choose another folder with -o")
    if overwrite:
        return
    if folder.is_dir() and any(folder.iterdir()) and not is_report_of(folder / REPORT, name):
        raise InputError(exists_already(str(folder)))
    for file in (rejected, rejected.with_suffix(".png")):
        if file.exists() and not is_report_of(rejected, name):
            raise InputError(exists_already(str(file)))


def _remove_old(folder: Path, rejected: Path, name: str, *, keep: Collection[str] = ()) -> None:
    """Remove what an earlier run wrote for this track, and nothing else."""
    if is_report_of(rejected, name):
        rejected.unlink()
        rejected.with_suffix(".png").unlink(missing_ok=True)
    if is_report_of(folder / REPORT, name):
        for file in FILES:
            if file not in keep:
                (folder / file).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
