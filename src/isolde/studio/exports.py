"""Files to take home: stems, the mix as faded, phrases and labels; each is made once and whole.

They are the files that `isolde separate` writes, opened by the same functions.
"""

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from math import inf, isnan, nan
from pathlib import Path

from isolde.activity import cut_phrases, find_segments
from isolde.audio import CONTAINERS, AudioWriter, SongTags, subtype_for
from isolde.audio.stemfile import SUFFIXES as STEM_SUFFIXES
from isolde.core.errors import InputError
from isolde.core.stage import BLOCK, Float32
from isolde.separation.outputs import open_stem, open_stem_file, tags_of
from isolde.separation.phrases import FADE
from isolde.separation.phrases import RULE as PHRASE_RULE
from isolde.separation.settings import FileSettings
from isolde.studio.separation import voice_of
from isolde.studio.song import READY, NoSuchSongError, Song

MAX_GAIN = 4.0

MAX_FILES = 6
"""Files of one song that are kept for another download, beside those that are being sent."""


def check_ready(song: Song) -> None:
    """Refuse a song that is not separated yet.

    Raises:
        InputError: When it is not.
        NoSuchSongError: When it was removed.
    """
    if song.closed:
        raise NoSuchSongError("the song was removed meanwhile")
    if song.state != READY:
        raise InputError(f"{song.name}: is not separated yet: wait until it is ready")


def file_of(song: Song, what: str, container: str, gains: Mapping[str, float]) -> tuple[Path, str]:
    """Make a file of a song, if it is not there yet, and keep it while it is in `song.sending`.

    Whoever has sent it says so: `song.sent`.

    Args:
        song: That is separated.
        what: A stem, "mix", "stems" or "phrases"; the last two give a zip.
        container: Format of the audio, one of `audio.CONTAINERS`; for "stems" also "stem.mp4" or
            "stem.m4a", one file that holds them all.
        gains: Factor of each stem, for "mix".

    Returns:
        the file, and a name to suggest for it.

    Raises:
        AudioError: When the disk is full.
        InputError: When the song is not ready, or something unknown is asked for.
        NoSuchSongError: When the song was removed.
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
        check_ready(song)  # it may have gone while others had the lock
        if key not in song.files:
            idle = [old for old, path in song.files.items() if path not in song.sending]
            for old in idle[: max(0, len(song.files) + 1 - MAX_FILES)]:
                song.files.pop(old).unlink(missing_ok=True)
            path = song.folder / f"{secrets.token_hex(4)}{suffix}"
            with tempfile.TemporaryDirectory(dir=song.folder) as work:  # goes, whatever happens
                made = Path(work) / path.name
                _make(song, what, container, dict(gains), made)
                made.rename(path)
            song.files[key] = path
        song.send(song.files[key])
        return song.files[key], f"{name}{suffix}"


def gains_of(song: Song, values: Mapping[str, str]) -> dict[str, float]:
    """Give the factor of each stem from levels in dB; 1 where none is given, 0 for "off".

    Args:
        song: That has the stems.
        values: Level of a stem in dB, or "off".

    Raises:
        InputError: When a level is no number or above 12 dB.
    """
    gains = dict.fromkeys(song.stems, 1.0)
    for stem in song.stems:
        text = values.get(stem, "0")
        try:
            gains[stem] = 0.0 if text == "off" else 10 ** (float(text) / 20)
        except OverflowError:
            gains[stem] = inf
        except ValueError:
            gains[stem] = nan
        if isnan(gains[stem]):
            raise InputError(f"{stem}={text}: give a level in dB, or off")
        if not 0 <= gains[stem] <= MAX_GAIN:
            raise InputError(f"{stem}={text}: give at most 12 dB")
    return gains


def mixed(song: Song, gains: Mapping[str, float]) -> Iterator[Float32]:
    """Mix the stems times their gains, in blocks (n_channels, n)."""
    for start in range(0, song.n_ready, BLOCK):
        parts: list[Float32] = [
            song.spools[stem].samples(start, start + BLOCK) * gain
            for stem, gain in gains.items()
            if gain
        ]
        n = min(BLOCK, song.n_ready - start)
        yield sum(parts[1:], parts[0]) if parts else _silence(song, n)


def keep_stems(song: Song, folder: Path) -> None:
    """Write the stems as wav where `isolde separate` would, or beside what is there already.

    Raises:
        AudioError: When they cannot be written.
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
    voice = voice_of(song.stems)
    return all(gains[stem] == (stem != voice) for stem in song.stems)


def _silence(song: Song, n: int) -> Float32:
    block: Float32 = song.spools[song.stems[0]].samples(0, n) * 0
    return block


def _make(song: Song, what: str, container: str, gains: dict[str, float], path: Path) -> None:
    if what == "mix":
        _write(song, path, container, gains)
    elif f".{container}" in STEM_SUFFIXES:
        _write_stem_file(song, path, container)
    elif what == "stems":
        suffix = CONTAINERS[container].suffix
        with _packed(path) as pack:
            for stem in song.stems:
                file = path.with_name(f"packed{suffix}")
                _write(song, file, container, {stem: 1.0})
                pack.write(file, f"{song.track}/{stem}{suffix}")
                file.unlink()
    elif what == "phrases":
        _write_phrases(song, container, path)
    else:
        _write(song, path, container, {what: 1.0})


def _packed(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)


def _write(song: Song, path: Path, container: str, gains: Mapping[str, float]) -> None:
    with open_stem(path, song.info, _settings(container), _tags(song)) as writer:
        for block in mixed(song, gains):
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
    activity = song.activity()
    segments = find_segments(
        activity.probabilities, activity.frame_seconds, seconds=activity.seconds, rule=PHRASE_RULE
    )
    if not segments:
        raise InputError(f"{song.name}: nobody was heard to sing: there are no phrases")
    voice = path.with_name("voice.wav")
    folder = path.with_name("phrases")
    with AudioWriter(
        voice,
        sample_rate=song.info.sample_rate,
        n_channels=song.info.n_channels,
        subtype="FLOAT",
        overwrite=True,
    ) as writer:
        for block in mixed(song, {voice_of(song.stems): 1.0}):
            writer.write(block)
    phrases = cut_phrases(
        voice,
        segments,
        folder,
        suffix=CONTAINERS[container].suffix,
        subtype=subtype_for(container, like=song.info),
        fade=FADE,
        overwrite=True,
    )
    voice.unlink()
    with _packed(path) as pack:
        for phrase in phrases:
            pack.write(phrase.path, f"{song.track}/{phrase.path.name}")
            phrase.path.unlink()
