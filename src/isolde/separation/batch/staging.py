"""Separate one song from and to remote folders; it fetches and sends, and leaves no partial result.

A temporary folder holds the song and its stems meanwhile.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from isolde.activity import Phrase
from isolde.core.errors import AudioError, InputError, ModelError
from isolde.core.stems import VOCALS
from isolde.separation.files import separate_file
from isolde.separation.phrases import is_phrase
from isolde.separation.remote import below, fetch, files_below, remove, send
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings
from isolde.separation.songs import Song


def separate_staged(
    song: Song,
    settings: FileSettings,
    *,
    progress: Callable[[float], None] | None = None,
) -> Separated:
    """Separate a local or remote song into a local or remote folder.

    Args:
        song: Local or remote song.
        settings: Settings with the output folder.
        progress: Function called from time to time with the share that is done, in [0, 1].

    Raises:
        AudioError: The song cannot be fetched or read, or its stems cannot be written or sent; no
            file is left.
        InputError: A setting cannot be used.
        ModelError: There is no such model.
    """
    if not song.url and settings.remote is None:
        return separate_file(song, settings, progress=progress)
    with tempfile.TemporaryDirectory(prefix="isolde-") as name:
        staged, inner = song, settings
        if song.url:
            path = Path(name, "song", song.path.parent.name, song.path.name)
            fetch(song.url, path, progress=progress)
            staged = replace(song, path=path)
        stems = Path(name, "stems")
        if settings.remote is not None:
            inner = replace(settings, output=stems, remote=None)
        try:
            done = separate_file(staged, inner, progress=progress)
        except (AudioError, InputError, ModelError) as error:
            raise type(error)(str(error).replace(str(staged.path), song.source)) from None
        warnings = [line.replace(str(staged.path), song.source) for line in done.warnings]
        done = replace(done, song=song, warnings=warnings)
        return done if settings.remote is None else _sent(done, stems, settings.remote)


def _sent(done: Separated, stems: Path, remote: str) -> Separated:
    """Send the stems; if one cannot be sent, those before it are removed again."""
    sent: list[str] = []
    try:
        for path in done.files:
            url = below(remote, path.relative_to(stems).as_posix())
            send(path, url)
            sent.append(url)
        if done.phrases is not None:  # those of an earlier run are removed, as on this machine
            folder = below(remote, done.paths[VOCALS].relative_to(stems).as_posix())
            old = (below(folder, name) for name in files_below(folder) or () if is_phrase(name))
            for url in set(old) - set(sent):
                remove(url)
    except BaseException:
        for url in sent:
            remove(url)
        raise
    phrases = done.phrases
    if phrases is not None:
        phrases = [Phrase(p.path.relative_to(stems), p.start, p.end) for p in phrases]
    paths = {stem: path.relative_to(stems) for stem, path in done.paths.items()}
    sizes = {path.relative_to(stems): size for path, size in done.sizes.items()}
    warnings = [line.replace(f"{stems}/", "") for line in done.warnings]
    return replace(
        done, paths=paths, warnings=warnings, phrases=phrases, remote=remote, sizes=sizes
    )
