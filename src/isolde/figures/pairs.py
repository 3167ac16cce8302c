"""Draw the page of a mix <-> vocal pair: five drawings that show why it was accepted or not."""

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from isolde.figures.style import check_picture, new_figure, save

if TYPE_CHECKING:
    from isolde.pairs.report import PairReport

GOOD, BAD, INK, PALE = "#2a9d63", "#d1495b", "#22333b", "#9aa5ab"


def draw_page(report: "PairReport", path: str | Path) -> None:
    """Draw where the partner lies, how straight, how loud, what is left of the mix, what is kept.

    Args:
        report: A pair's report with its picture.
        path: Path of the PNG or SVG to write.

    Raises:
        AudioError: The picture cannot be written.
        InputError: The path ends otherwise.
        MissingExtraError: Matplotlib is not installed.
    """
    path = check_picture(path)
    figure = new_figure(11, 9)
    axes = figure.subplot_mosaic("HB;FF;EE;SS", height_ratios=[3, 2, 3, 1.6])
    verdict = "accepted" if report.accepted else "REJECTED"
    # not by matplotlib's `wrap`, which takes a "$" in a name for a formula
    title = "\n".join(fill(line, 130) for line in (f"{report.track}: {verdict}", report.reason))
    figure.suptitle(title, color=GOOD if report.accepted else BAD, fontsize=11)
    picture = report.picture
    if picture is not None:
        _hits(axes["H"], report)
        _bands(axes["B"], picture.bands)
        _fine(axes["F"], picture.fine, report)
        _envelopes(axes["E"], picture.envelope)
    _seconds(axes["S"], report)
    for key in "FES":
        axes[key].set_xlim(0, max(report.duration, 1e-3))
    save(figure, path)


def _hits(axis: Any, report: "PairReport") -> None:
    """Windows of the partner where they were found in the mix, and the line through them."""
    assert report.picture is not None
    hits = report.picture.hits
    axis.set(title="found where?", xlabel="partner, s", ylabel="mix, s")
    if len(hits):
        axis.scatter(hits[:, 0], hits[:, 1], s=np.clip(3 * hits[:, 2], 6, 90), color=PALE)
    stretch = 1 + (report.drift_ppm if np.isfinite(report.drift_ppm) else 0.0) * 1e-6
    for piece in report.pieces:
        ends = np.array([piece.start, piece.end])
        axis.plot(
            (ends - piece.offset) / stretch, ends, color=GOOD if report.accepted else BAD, lw=1.5
        )
    if not len(hits):
        axis.text(0.5, 0.5, "nothing was found", ha="center", transform=axis.transAxes, color=BAD)


def _bands(axis: Any, bands: np.ndarray) -> None:
    """Level and colour: |gain| per third of an octave."""
    axis.set(title="level and colour in the mix", xlabel="Hz", ylabel="dB")
    axis.axhline(0, color=PALE, lw=0.8)
    for row in bands[1:]:
        axis.semilogx(bands[0], row, lw=1.5)
    if len(bands):
        middle = float(np.median(bands[1:]))
        axis.set_ylim(middle - 25, middle + 15)


def _fine(axis: Any, fine: np.ndarray, report: "PairReport") -> None:
    """Delay left in each window: green on the line, red off it."""
    scale = 1e6
    axis.set(title="delay left", ylabel="us")
    if len(fine):
        good = fine[:, 2] > 0
        axis.scatter(fine[good, 0], scale * fine[good, 1], s=8, color=GOOD)
        axis.scatter(
            fine[~good, 0], scale * np.clip(fine[~good, 1], -3e-4, 3e-4), s=8, color=BAD, marker="x"
        )
        most = max(20.0, 1.2 * scale * float(np.abs(fine[good, 1]).max())) if good.any() else 320.0
        axis.set_ylim(-most, most)
    for piece in report.pieces[1:]:
        axis.axvline(piece.start, color=INK, lw=1, ls="--")


def _envelopes(axis: Any, envelope: np.ndarray) -> None:
    """Levels of the mix, of the partner in it, and of what is left without it."""
    axis.set(title="levels", ylabel="dB")
    if envelope.shape[1]:
        time = envelope[3]
        axis.plot(time, envelope[0], color=PALE, lw=1, label="mix")
        axis.plot(time, envelope[1], color=GOOD, lw=1, label="partner in the mix")
        axis.plot(time, envelope[2], color=INK, lw=0.7, label="mix without it")
        axis.set_ylim(-70, 3)
        axis.legend(loc="lower right", ncols=3, fontsize=8)


def _seconds(axis: Any, report: "PairReport") -> None:
    """Gain of each second by least squares (1 is right), over the verdicts of the spans."""
    axis.set(
        title="second by second: gain still wanted (1: fits)", xlabel="mix, s", ylim=(-0.3, 2.3)
    )
    for span in report.spans:
        axis.axvspan(span.start, span.end, color=GOOD if span.accepted else BAD, alpha=0.18, lw=0)
    if report.scores is not None:
        gain, error = report.scores.gain, report.scores.gain_error
        known = error < 0.5
        at = np.arange(len(gain)) + 0.5
        axis.errorbar(at[known], gain[known], 2 * error[known], fmt="o", ms=3, lw=0.8, color=INK)
    axis.axhline(1, color=PALE, lw=0.8)
