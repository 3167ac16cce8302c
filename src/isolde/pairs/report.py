"""The report of a pair, as a value, as JSON and as CSV; it computes nothing itself.

The picture's arrays are in the report too (`Picture`), so that drawing needs no audio.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isolde.core.atomic import write_text
from isolde.core.config import build, plain
from isolde.core.names import readable
from isolde.pairs.score import Scores, Span
from isolde.pairs.timing.edits import Piece
from isolde.pairs.whiten import Float64

REPORT = "report.json"  # in the folder of a song
ACTIVITY_HOP = 0.02  # seconds per line of activity.txt


@dataclass(frozen=True)
class Picture:
    """Arrays for the page of one pair; nothing here is rounded or styled.

    Attributes:
        hits: Of the coarse search, (n, 3): seconds of the partner, seconds of the mix, z.
        fine: Of the fine search, (n, 3): seconds of the mix, seconds of delay that are left, and
            1 on the line or 0 off it.
        envelope: Levels in dB of each 0.1 s, (4, n): of the mix, of the partner as found in it, of
            what is left; and the seconds.
        bands: Frequencies in Hz, then |gain| in dB of each channel, (n_channels + 1, n_bands).
    """

    hits: Float64
    fine: Float64
    envelope: Float64
    bands: Float64


@dataclass(frozen=True)
class PairReport:
    """The outcome of one pair.

    Attributes:
        track: Name of the song's folder.
        mix: Path of the mix, as given.
        partner: Path of the partner, as given.
        kind: "vocal" or "instrumental", what the partner is.
        accepted: Whether a song was written.
        reason: One line.
        sample_rate: Sample rate in Hz, of the output (the mix's own).
        duration: Seconds of the mix.
        offset: Offset in seconds, of the longest piece: t_mix = offset + (1 + drift_ppm / 1e6)
            t_partner.
        drift_ppm: Drift in parts per million; positive: the partner's clock runs fast, it must be
            stretched.
        drift_error_ppm: Its standard error.
        timing_rms_us: Spread of the windows around the line, RMS in microseconds.
        share: Fraction of the partner's sounding windows on the line.
        pieces: Spans between edits.
        gain_db: Level over all.
        inverted: Whether the polarity is flipped.
        cancellation_db: How much quieter the mix gets without the partner, over the accepted spans.
        null_db: The same where it is deepest (median of the best tenth of the kept seconds); for an
            instrumental, where the singer rests, this tells how clean the vocal is.
        denied: Share of the partner's sound that the mix certainly does not hold where both are.
        accepted_seconds: Length of what may be trained on.
        spans: Accepted and rejected, with reasons.
        scores: Scores of each second; None if rejected early.
        picture: Arrays for the page.
        compute_seconds: CPU time spent.
        folder: Where the song was written, or None.
    """

    track: str
    mix: str
    partner: str
    kind: str
    accepted: bool
    reason: str
    sample_rate: int = 0
    duration: float = 0.0
    offset: float = float("nan")
    drift_ppm: float = float("nan")
    drift_error_ppm: float = float("nan")
    timing_rms_us: float = float("nan")
    share: float = 0.0
    pieces: tuple[Piece, ...] = ()
    gain_db: float = float("nan")
    inverted: bool = False
    cancellation_db: float = float("nan")
    null_db: float = float("nan")
    denied: float = float("nan")
    accepted_seconds: float = 0.0
    spans: tuple[Span, ...] = ()
    scores: Scores | None = None
    picture: Picture | None = field(default=None, repr=False)
    compute_seconds: float = 0.0
    folder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give all but the picture as JSON types, rounded to 6 digits after the point."""
        values: dict[str, Any] = plain(replace(self, picture=None, scores=None), digits=6)
        del values["picture"], values["scores"]
        if self.picture is not None and self.picture.bands.size:
            values["bands_hz"] = plain(self.picture.bands[0], digits=6)
            values["bands_db"] = plain(self.picture.bands[1:], digits=6)
        if self.scores is not None:
            values["seconds"] = plain(self.scores, digits=6)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PairReport":
        """Rebuild from `to_dict`, without scores and picture.

        Raises:
            InputError: These are not the values of a report.
        """
        arrays = ("bands_hz", "bands_db", "seconds")
        values = {key: value for key, value in values.items() if key not in arrays}
        return build(cls, values, where="report of a pair", nan=True)

    def summary(self) -> str:
        """Return one line for a terminal or a log."""
        if not self.accepted:
            return f"{self.track}: rejected: {self.reason}"
        edits = f", {len(self.pieces) - 1} edits" if len(self.pieces) > 1 else ""
        flip = ", inverted" if self.inverted else ""
        return (
            f"{self.track}: offset {self.offset:+.4f} s, drift {self.drift_ppm:+.2f} ppm, "
            f"level {self.gain_db:+.1f} dB{flip}{edits}, "
            f"{self.accepted_seconds:.0f} of {self.duration:.0f} s accepted"
        )


def write_json(report: PairReport, path: Path) -> None:
    """Write one report.

    Args:
        report: What to write.
        path: Path of the file; its folder is made.
    """
    values = report.to_dict()
    text = json.dumps(values, indent=1, ensure_ascii=False)
    if readable(text) != text:  # names that are not UTF-8, which JSON holds in ASCII alone
        text = json.dumps(values, indent=1)
    write_text(path, text + "\n")


def is_report_of(path: Path, track: str) -> bool:
    """Check whether a file is the report of a pair of this name, which an earlier run wrote."""
    try:
        values = json.loads(path.read_text("utf-8"))
        return bool(values["track"] == track) and {"mix", "partner", "accepted"} <= values.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def write_csv(reports: Sequence[PairReport], path: Path) -> None:
    """Write one line per pair, for a spreadsheet.

    Args:
        reports: Reports in any order.
        path: Path of the file; its folder is made.
    """
    columns = (
        "track", "accepted", "reason", "mix", "partner", "kind", "duration",
        "accepted_seconds", "offset",
        "drift_ppm", "drift_error_ppm", "timing_rms_us", "share", "gain_db", "inverted",
        "cancellation_db", "null_db", "denied", "compute_seconds",
    )  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*columns, "edits"])
    for report in reports:
        values = report.to_dict()
        writer.writerow([*[values[c] for c in columns], max(0, len(report.pieces) - 1)])
    write_text(path, readable(text.getvalue()))
