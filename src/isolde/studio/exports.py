"""Files of a separated song: stems, the mix as faded, and phrases; each is made once and whole.

They are the files that `isolde separate` writes, opened by the same functions.
"""

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from math import inf, isnan, nan
from pathlib import Path

import numpy as np

from isolde.activity import cut_phrases
from isolde.audio import CONTAINERS, SongTags, subtype_for
from isolde.audio.stemfile import SUFFIXES as STEM_SUFFIXES
from isolde.core.errors import InputError
from isolde.core.stage import BLOCK, Float32
from isolde.separation.outputs import open_stem, open_stem_file, tags_of
from isolde.separation.phrases import FADE
from isolde.separation.phrases import RULE as PHRASE_RULE
from isolde.separation.settings import FileSettings
from isolde.studio.separation import main_stem
from isolde.studio.song import READY, NoSuchSongError, Song

MAX_DB = 12
"""Greatest level of a stem in a mix."""

MAX_FILES = 6
"""Files of one song that are kept for another download, beside those that are being sent."""


def check_ready(song: Song) -> None:
    """Refuse a song that is not separated yet.

    Raises:
        InputError: The song is not ready.
        NoSuchSongError: The song was removed.
    """
    if song.closed:
        raise NoSuchSongError("the song was removed meanwhile")
    if song.state != READY:
        raise InputError(f"{song.name}: is not separated yet: wait until it is ready")


def export_file(
    song: Song, what: str, container: str, gains: Mapping[str, float]
) -> tuple[Path, str]:
    """Make a file of a song, unless it exists already, and hold it (see `Song.hold`).

    The caller releases it after sending it.

    Args:
        song: Song that is separated.
        what: A stem, "mix", "stems" or "phrases"; the last two give a zip.
        container: Format of the audio, one of `audio.CONTAINERS`; for "stems" also "stem.mp4" or
            "stem.m4a", one file with all stems.
        gains: Factor of each stem, for "mix".

    Returns:
        The path of the file, and a name to suggest for it.

    Raises:
        AudioError: The disk is full.
        InputError: The song is not ready, or `what` or `container` is unknown.
        NoSuchSongError: The song was removed.
    """
    check_ready(song)
    as_stem_file = what == "stems" and f".{container}" in STEM_SUFFIXES
    if container not in CONTAINERS and not as_stem_file:
        raise InputError(f"format '{container}' is unknown: take one of {', '.join(CONTAINERS)}")
    if what not in (*song.stems, "mix", "stems", "phrases"):
        raise InputError(f"there is no '{what}': take {', '.join(song.stems)}, mix, stems, phrases")
    if as_stem_file:
        suffix, name = f".{container}", song.track
    elif what in ("stems", "phrases"):
        suffix, name = ".zip", f"{song.track} - {what}"
    else:
        named = "karaoke" if what == "mix" and _is_karaoke(song, gains) else what
        suffix, name = CONTAINERS[container].suffix, f"{song.track} - {named}"
    faded = sorted(gains.items()) if what == "mix" else ()
    key = f"{what}.{container}.{faded}"
    with song.lock:
        check_ready(song)  # it may have been removed while others had the lock
        if key not in song.files:
            idle = [old for old, path in song.files.items() if path not in song.held]
            for old in idle[: max(0, len(song.files) + 1 - MAX_FILES)]:
                song.files.pop(old).unlink(missing_ok=True)
            path = song.folder / f"{secrets.token_hex(4)}{suffix}"
            with tempfile.TemporaryDirectory(dir=song.folder) as work:  # deleted after errors too
                made = Path(work) / path.name
                _make(song, what, container, gains, made)
                made.rename(path)
            song.files[key] = path
        song.hold(song.files[key])
        return song.files[key], f"{name}{suffix}"


def parse_gains(song: Song, values: Mapping[str, str]) -> dict[str, float]:
    """Turn the levels of stems in dB into factors; 1 for a stem without a level, 0 for "off".

    Args:
        song: Song that has the stems.
        values: Level of each stem in dB, or "off".

    Raises:
        InputError: A level is not a number or above 12 dB.
    """
    gains = {}
    for stem in song.stems:
        text = values.get(stem, "0")
        try:
            level = -inf if text == "off" else float(text)
        except ValueError:
            level = nan
        if isnan(level):
            raise InputError(f"{stem}={text}: give a level in dB, or off")
        if level > MAX_DB:
            raise InputError(f"{stem}={text}: give at most {MAX_DB} dB")
        gains[stem] = 10 ** (level / 20)
    return gains


def mix_stems(song: Song, gains: Mapping[str, float]) -> Iterator[Float32]:
    """Mix the stems times their gains, in blocks (n_channels, n)."""
    for start in range(0, song.n_ready, BLOCK):
        parts: list[Float32] = [
            song.spools[stem].samples(start, start + BLOCK) * gain
            for stem, gain in gains.items()
            if gain
        ]
        silence = np.zeros((song.info.n_channels, min(BLOCK, song.n_ready - start)), np.float32)
        yield sum(parts[1:], parts[0]) if parts else silence


def keep_stems(song: Song, folder: Path) -> None:
    """Write the stems as wav to a new folder in `folder`, named after the track; all or none.

    Raises:
        AudioError: They cannot be written.
    """
    target, number = folder / song.track, 2
    while target.exists():
        target, number = folder / f"{song.track} {number}", number + 1
    try:
        for stem in song.stems:
            _write(song, target / f"{stem}.wav", "wav", {stem: 1.0})
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _is_karaoke(song: Song, gains: Mapping[str, float]) -> bool:
    """Whether a mix is the song without its voice."""
    voice = main_stem(song.stems)
    return all(gains[stem] == (stem != voice) for stem in song.stems)


def _make(song: Song, what: str, container: str, gains: Mapping[str, float], path: Path) -> None:
    if what == "mix":
        _write(song, path, container, gains)
    elif f".{container}" in STEM_SUFFIXES:
        _write_stem_file(song, path, container)
    elif what == "stems":
        suffix = CONTAINERS[container].suffix
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
            for stem in song.stems:
                file = path.with_name(f"packed{suffix}")
                _write(song, file, container, {stem: 1.0})
                pack.write(file, f"{song.track}/{stem}{suffix}")
                file.unlink()
    elif what == "phrases":
        _write_phrases(song, container, path)
    else:
        _write(song, path, container, {what: 1.0})


def _write(song: Song, path: Path, container: str, gains: Mapping[str, float]) -> None:
    with open_stem(path, song.info, _settings(container), _tags(song)) as writer:
        for block in mix_stems(song, gains):
            writer.write(block)


def _write_stem_file(song: Song, path: Path, container: str) -> None:
    with open_stem_file(path, song.stems, song.info, _settings(container), _tags(song)) as writer:
        for start in range(0, song.n_ready, BLOCK):
            writer.write({s: song.spools[s].samples(start, start + BLOCK) for s in song.stems})


def _settings(container: str) -> FileSettings:
    return FileSettings(container=container, clip="clip", overwrite=True)


def _tags(song: Song) -> SongTags:
    return tags_of(song.source, song.info, song.settings.model)


def _write_phrases(song: Song, container: str, path: Path) -> None:
    segments = song.activity().with_rule(PHRASE_RULE).segments
    if not segments:
        raise InputError(f"{song.name}: no singing was found: there are no phrases")
    phrases = cut_phrases(
        song.spools[main_stem(song.stems)].mapped(),
        segments,
        path.with_name("phrases"),
        sample_rate=song.info.sample_rate,
        suffix=CONTAINERS[container].suffix,
        subtype=subtype_for(container, like=song.info),
        fade=FADE,
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        for phrase in phrases:
            pack.write(phrase.path, f"{song.track}/{phrase.path.name}")
            phrase.path.unlink()
