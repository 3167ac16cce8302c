"""A song as JSON values and texts for the page; nothing is measured here."""

from typing import Any

from isolde.studio.picture import column_samples
from isolde.studio.song import FAILED, READY, SEPARATING, WAITING, Song

_CHANNELS = {1: "mono", 2: "stereo"}


def describe(song: Song) -> dict[str, Any]:
    """Return the values of a song as JSON types, and texts to show.

    The texts are `facts` about its sound, its `length` (empty if it is unknown), its `progress` in
    the list of songs, and its `status` in more detail. `downloads` are the files that it offers.
    """
    seconds, left = song.seconds, song.seconds_left
    n_channels, rate = song.info.n_channels, song.info.sample_rate
    length = format_time(seconds, 1 if seconds < 60 else 0) if seconds else ""
    channels = _CHANNELS.get(n_channels, f"{n_channels} channels")
    artist = song.info.tags.get("artist", "")
    facts = [artist, f"{round(rate / 1000, 1):g} kHz", channels, length]
    return {
        "id": song.id,
        "place": song.place,
        "replaces": song.replaces,
        "name": song.name,
        "title": song.info.tags.get("title") or song.track,
        "artist": artist,
        "state": song.state,
        "error": song.error,
        "model": song.settings.model,
        "strength": song.settings.strength,
        "stems": list(song.stems),
        "sample_rate": rate,
        "column_samples": column_samples(rate),
        "n_channels": n_channels,
        "container": song.info.container,
        "n_samples": song.n_samples,
        "n_ready": song.n_ready,
        "seconds": seconds,
        "ready_seconds": round(song.n_ready / rate, 3),
        "share": round(song.share, 4),
        "elapsed": round(song.elapsed, 3),
        "real_time_factor": round(song.real_time_factor, 2),
        "seconds_left": None if left is None else round(left, 1),
        "n_segments": len(song.segments),
        "segments": song.spans,
        "formats": song.formats,
        "stem_file": song.fits_stem_file,
        "warnings": song.warnings,
        "facts": " · ".join(filter(None, facts)),
        "length": length,
        "progress": _progress(song),
        "status": _status(song),
        "downloads": _downloads(song),
    }


def format_time(seconds: float, digits: int = 0) -> str:
    """Write a time as hours, minutes and seconds, truncated to a number of decimals."""
    unit = 10**digits
    whole = int(max(0.0, seconds) * unit + 1e-6)
    minutes, rest = divmod(whole, 60 * unit)
    last = f"{rest / unit:0{3 + digits if digits else 2}.{digits}f}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{last}" if hours else f"{minutes}:{last}"


def format_speed(factor: float) -> str:
    """Write a real-time factor."""
    return f"{factor:.{0 if factor >= 10 else 1}f} \u00d7 real time"


def _downloads(song: Song) -> list[dict[str, Any]]:
    """The files that a song offers.

    Each has a `text`, a `note` in which {} stands for the format, and what to request.
    """
    whole = len(song.stems) == 2
    rows: list[dict[str, Any]] = [
        {
            "text": "Both stems" if whole else f"All {len(song.stems)} stems",
            "note": "{}, zip" if song.state == READY else "when it is ready",
            "what": "stems",
        },
        {"text": "This mix", "note": "", "what": "mix"},
    ]
    for stem in song.stems:
        text = "Karaoke" if stem == "accompaniment" else stem.capitalize()
        rows.append({"text": text, "note": "{}", "what": stem})
    if "vocals" in song.stems and "accompaniment" not in song.stems:
        rows.append({"text": "Karaoke", "note": "{}", "what": "mix", "gains": {"vocals": "off"}})
    if song.fits_stem_file:
        rows.append({"text": "Stem file", "note": "for DJs", "what": "stems", "format": "stem.mp4"})
    n = len(song.segments)
    if n:
        note = f"{n} phrase{'' if n == 1 else 's'}"
        rows.append({"text": "Sung phrases", "note": note, "what": "phrases"})
    return rows


def _progress(song: Song) -> str:
    length = format_time(song.seconds) if song.seconds else ""
    if song.state == FAILED:
        return song.error
    if song.state == WAITING:
        return f"{length} · waiting" if length else "waiting"
    if song.state == READY:
        return f"{length} · ready"
    left = song.seconds_left
    part = f"{round(100 * song.share)} % separated"
    return part if left is None else f"{part}, {format_time(left + 0.5)} left"


def _status(song: Song) -> str:
    factor = format_speed(song.real_time_factor)
    texts = {
        WAITING: "waiting for its turn",
        SEPARATING: f"separating: {factor}",
        READY: f"separated in {song.elapsed:.1f} s: {factor}",
        FAILED: song.error,
    }
    return " · ".join([texts[song.state], *song.warnings[:1]])
