"""The tables of the rig's rows, in Markdown."""

from collections.abc import Callable
from typing import Any

import numpy as np

from isolde.evaluation.tables import markdown

Row = dict[str, Any]


def make_tables(rows: list[Row]) -> str:
    """Give the figures of all pairs, then by damage, by set, and of wrong ones by kind."""
    right = [row for row in rows if row["right"]]
    wrong = [row for row in rows if not row["right"]]
    minutes = sum(row["minutes"] for row in rows)
    head = f"{len(right)} right pairs, {len(wrong)} wrong ones, {minutes:.0f} minutes of mixes"
    parts = [
        _all(right, wrong, minutes),
        _by("damage", right, lambda row: str(row["theme"])),
        _by("set", right, lambda row: str(row["song"]).split("/")[0]),
        _wrong(wrong),
    ]
    return "\n".join([f"{head}\n", *parts])


def _all(right: list[Row], wrong: list[Row], minutes: float) -> str:
    good = [row for row in right if row["accepted"]]
    plain = [row["baseline"] for row in right]
    limit = max((row["baseline"]["height"] for row in wrong), default=0.0)
    told = [answer["height"] > limit for answer in plain]
    taken = sum(row["accepted"] for row in wrong)
    drifts, sdrs = _column(good, "drift_error"), _column(good, "sdr")
    offsets = _column(good, "offset_us"), _column(plain, "offset_us")
    seconds = [sum(row["seconds"] for row in side) / minutes for side in (
        right + wrong, [row["baseline"] for row in right + wrong]
    )]  # fmt: skip
    rows = [
        ("offsets within 0.3 ms", "95 %", *(_share([v < 300 for v in us]) for us in offsets)),
        (
            "offset error, median / 95th percentile, us",
            "",
            *(f"{_part(us, 50)} / {_part(us, 95)}" for us in offsets),
        ),
        (
            "pairs without an accepted second that is off by 0.3 ms",
            "",
            _share([row["worst_us"] < 300 for row in good]),
            "",
        ),
        (
            "drift within 5 ppm",
            "all",
            _share([v < 5 for v in drifts]),
            _share([abs(row["drift_true"]) < 5 for row in right]),
        ),
        (
            "drift error, median / 95th percentile / worst, ppm",
            "5",
            " / ".join(_part(drifts, part) for part in (50, 95, 100)),
            "",
        ),
        (
            "SDR of the vocal, median (lowest tenth), dB",
            "20",
            *(f"{_part(v, 50)} ({_part(v, 10)})" for v in (sdrs, _column(plain, "sdr"))),
        ),
        ("wrong accepted", "0 of 100", f"{taken} of {len(wrong)}", "0 (limit set in hindsight)"),
        (
            "right rejected",
            "3 %",
            _share([not row["accepted"] for row in right]),
            f"{_share([not yes for yes in told])} ({sum(told)} kept)",
        ),
        (
            "kind told (vocal or instrumental)",
            "",
            _share([row["kind_right"] for row in good]),
            "",
        ),
        (
            "vocal energy in accepted spans, median",
            "",
            f"{_part([100 * v for v in _column(good, 'kept')], 50)} %",
            "",
        ),
        ("CPU seconds per minute of mix", "", *(f"{v:.2f}" for v in seconds)),
    ]
    return markdown(("", "target", "isolde pairs", "plain cross-correlation"), rows)


def _by(what: str, right: list[Row], key: Callable[[Row], str]) -> str:
    lines = []
    for name in dict.fromkeys(map(key, right)):
        mine = [row for row in right if key(row) == name]
        good = [row for row in mine if row["accepted"]]
        sdrs = _column(good, "sdr")
        lines.append(
            (
                name,
                str(len(mine)),
                str(len(mine) - len(good)),
                _part(_column(good, "offset_us"), 100),
                _part(_column(good, "drift_error"), 100),
                f"{_part(sdrs, 50)} ({_part(sdrs, 0)})",
                _part([row["baseline"]["sdr"] for row in mine], 50),
            )
        )
    return markdown(
        (
            what,
            "pairs",
            "rejected",
            "worst offset, us",
            "worst drift error, ppm",
            "SDR, median (lowest), dB",
            "of plain cross-correlation",
        ),
        lines,
    )


def _wrong(wrong: list[Row]) -> str:
    lines = []
    for theme in dict.fromkeys(row["theme"] for row in wrong):
        mine = [row for row in wrong if row["theme"] == theme]
        lines.append((theme, str(len(mine)), str(sum(row["accepted"] for row in mine))))
    return markdown(("wrong", "pairs", "accepted"), lines)


def _column(rows: list[Row], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _share(values: list[bool]) -> str:
    return f"{100 * float(np.mean(values)):.1f} %" if values else "-"


def _part(values: list[float], percent: float) -> str:
    return f"{float(np.percentile(values, percent)):.3g}" if values else "-"
