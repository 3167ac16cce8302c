"""A song in words, as the page shows it; nothing is measured here."""

from typing import Any

from isolde.studio.song import FAILED, READY, SEPARATING, WAITING, Song

_CHANNELS = {1: "mono", 2: "stereo"}


def tell(song: Song) -> dict[str, Any]:
    """Give the values of a song as JSON types, and texts.

    The texts are `facts` of its sound, its `length`, empty where nobody knows it, its `progress`
    as the list of songs tells it, and its `status` at more length. `downloads` are files to take
    home.
    """
    seconds = song.seconds
    n_channels, rate = song.info.n_channels, song.info.sample_rate
    length = clock(seconds, 1 if seconds < 60 else 0) if seconds else ""
    channels = _CHANNELS.get(n_channels, f"{n_channels} channels")
    facts = [song.info.tags.get("artist", ""), f"{round(rate / 1000, 1):g} kHz", channels, length]
    return song.to_dict() | {
        "facts": " · ".join(filter(None, facts)),
        "length": length,
        "progress": _progress(song),
        "status": _status(song),
        "downloads": _downloads(song),
    }


def clock(seconds: float, digits: int = 0) -> str:
    """Write a time as hours, minutes and seconds, cut to so many digits."""
    unit = 10**digits
    whole = int(max(0.0, seconds) * unit + 1e-6)
    minutes, rest = divmod(whole, 60 * unit)
    last = f"{rest / unit:0{3 + digits if digits else 2}.{digits}f}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{last}" if hours else f"{minutes}:{last}"


def speed(factor: float) -> str:
    """Write a real-time factor."""
    return f"{factor:.{0 if factor >= 10 else 1}f} \u00d7 real time"


def _downloads(song: Song) -> list[dict[str, Any]]:
    """What can be taken home: `text` and `note`, with {} for the format, and what to ask for."""
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
    length = clock(song.seconds) if song.seconds else ""
    if song.state == FAILED:
        return song.error
    if song.state == WAITING:
        return f"{length} · waits" if length else "waits"
    if song.state == READY:
        return f"{length} · ready"
    left = song.seconds_left
    part = f"{round(100 * song.share)} % separated"
    return part if left is None else f"{part}, {clock(left + 0.5)} left"


def _status(song: Song) -> str:
    texts = {
        WAITING: "waits for its turn",
        SEPARATING: f"separates: {speed(song.real_time_factor)}",
        READY: f"separated in {song.elapsed:.1f} s: {speed(song.real_time_factor)}",
        FAILED: song.error,
    }
    return " · ".join([texts[song.state], *song.warnings[:1]])
