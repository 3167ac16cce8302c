"""Copy whole files from and to object stores and remote folders by fsspec; it decodes nothing.

Songs are decoded from a temporary copy on this machine, and stems are sent when they are complete.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from isolde.core.atomic import explain
from isolde.core.errors import AudioError, InputError, IsoldeError, MissingExtraError
from isolde.core.unfinished import hidden_name

PAUSES = (1.0, 4.0)
"""Seconds to wait before each further try after a temporary failure."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters: no drive of Windows
_READ_ONLY = ("http", "https")
_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory")
"""Protocols of object stores, where a sent file appears whole or not at all."""
_BUCKETS = ("s3", "s3a", "gs", "gcs")
"""Protocols whose URLs begin with a bucket, which is not made by sending a file into it."""

_REMEDY = "check the address, the credentials and the connection"
_MARKS = ("size", "ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "mtime")


class Listed(NamedTuple):
    """A remote file: a text that changes when it does, and its size in bytes or None."""

    mark: str
    n_bytes: int | None


def is_url(text: str) -> bool:
    """Tell whether a text is a URL, and not a path."""
    return _URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """Give the path that a text or a file:// URL names; None for URLs of other protocols.

    Raises:
        InputError: The text is empty.
    """
    if not text:
        raise InputError("a path is empty: name a file or a folder, like . for the current one")
    if not is_url(text):
        return Path(text)
    scheme, place = _split(text)
    return Path("/", unquote(place.partition("/")[2])) if scheme == "file" else None


def shown(url: str) -> str:
    """Give a URL without its secrets: user and password, and the query of a web address."""
    scheme, place = _split(url)
    if scheme in _READ_ONLY:  # elsewhere '?' and '#' are part of a name
        place = place.partition("#")[0].partition("?")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def below(url: str, path: str) -> str:
    """Give the URL of a file below a remote folder."""
    return f"{url.rstrip('/')}/{path}"


def place_of(path: Path, folder: str | None) -> str:
    """Give the path of a file for messages, or its URL below a remote folder."""
    return below(shown(folder), path.as_posix()) if folder else str(path)


def path_in(url: str) -> PurePosixPath:
    """Give a URL as a path from the root, which begins with the host or bucket."""
    scheme, place = _split(shown(url))
    return PurePosixPath("/", unquote(place) if scheme in _READ_ONLY else place)


def check_writable(url: str) -> None:
    """Check that files can be sent to a URL.

    Args:
        url: URL of the output folder.

    Raises:
        InputError: The protocol is unknown or read-only, or there is no such bucket.
        MissingExtraError: The package fsspec is not installed.
        AudioError: The store cannot be reached.
        IsoldeError: A package that fsspec needs for the protocol is not installed.
    """
    if _is_web(url):
        raise InputError(f"{shown(url)}: can only be read: give another folder with -o")
    system, path = _opened(url)
    if _split(url)[0] not in _BUCKETS:
        return
    bucket = path.partition("/")[0]
    with _explained(url):
        try:
            system.info(bucket)
        except FileNotFoundError:
            raise InputError(
                f"{shown(url)}: there is no bucket {bucket}: check the address, or make it first"
            ) from None
        except PermissionError:
            pass  # there may be rights to the folder only


def files_below(url: str) -> dict[str, Listed] | None:
    """List the files below a remote folder.

    Args:
        url: URL of the folder.

    Returns:
        The files, by path below the folder; None if the URL is not a folder, as on web servers.

    Raises:
        AudioError: The folder cannot be listed.
    """
    if _is_web(url):
        return None
    system, top = _opened(url)
    with _explained(url):
        if not system.isdir(top):
            return None
        found = system.find(top, detail=True)
    top = top.rstrip("/") + "/"
    return {p[len(top) :]: Listed(_mark(f), f.get("size")) for p, f in sorted(found.items())}


def mark_of(url: str) -> str:
    """Give a text that changes when a remote file does.

    Args:
        url: URL of the file.

    Raises:
        AudioError: There is no such file, or it cannot be reached.
    """
    system, path = _opened(url)
    return str(_tried(url, lambda: _mark(system.info(path))))


def fetch(url: str, target: Path, *, progress: Callable[[float], None] | None = None) -> None:
    """Copy a remote file to this machine.

    Args:
        url: URL of the file.
        target: Path of the copy; its folder is made.
        progress: Function called with 0 after each mebibyte.

    Raises:
        AudioError: The file cannot be read, or there is no room for it.
    """
    system, path = _opened(url)

    def copy() -> None:
        size = system.info(path).get("size")
        target.parent.mkdir(parents=True, exist_ok=True)
        if size is not None and shutil.disk_usage(target.parent).free < size:
            raise AudioError(
                f"{shown(url)}: there is no room for its {size} bytes in {target.parent}: make "
                "room, or set TMPDIR to another folder"
            )
        with system.open(path, "rb") as source, target.open("wb") as copied:
            while chunk := source.read(1 << 20):
                copied.write(chunk)
                if progress is not None:
                    progress(0.0)

    _tried(url, copy)


def send(source: Path, url: str) -> None:
    """Copy a file of this machine to a URL, where it appears whole or not at all.

    Object stores do not keep partial files. Elsewhere the file is sent under a hidden name beside
    its own, and renamed.

    Args:
        source: Path of the file.
        url: URL of the copy; an existing file is replaced.

    Raises:
        AudioError: The copy cannot be written.
    """
    system, path = _opened(url)
    folder = path.rpartition("/")[0]

    def put() -> None:
        if _split(url)[0] in _STORES:
            system.put_file(str(source), path)
            return
        draft = f"{folder}/{hidden_name()}"
        system.makedirs(folder, exist_ok=True)
        try:
            system.put_file(str(source), draft)
            system.mv(draft, path)
        except BaseException:
            with suppress(Exception):  # the first error is raised
                system.rm_file(draft)
            raise

    _tried(url, put)


def remove(url: str) -> None:
    """Remove a remote file, if it exists and can be removed."""
    system, path = _opened(url)
    with suppress(Exception):  # only called after another error
        system.rm_file(path)


def _opened(url: str) -> tuple[Any, str]:
    """Find the file system of a URL, and the path in it."""
    scheme, place = _split(url)
    if not place.partition("/")[0] and scheme in (*_BUCKETS, *_READ_ONLY):
        raise InputError(f"{url}: names no bucket or host: check the address")
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError("fsspec", extra="remote", purpose=shown(url)) from None
    try:
        # elsewhere listings are not cached: other runs change the folder meanwhile
        system, path = url_to_fs(url, **({} if _is_web(url) else {"use_listings_cache": False}))
    except ImportError as error:
        raise IsoldeError(f"{shown(url)}: {error}".rstrip(".") + ": install it with pip") from None
    except ValueError as error:
        raise InputError(f"{shown(url)}: is no place that fsspec knows ({error})") from None
    return system, str(path)


def _is_web(url: str) -> bool:
    """Whether a URL is a web address, which can be neither listed nor written."""
    return _split(url)[0] in _READ_ONLY


def _split(url: str) -> tuple[str, str]:
    """Split a URL into its protocol and the rest."""
    scheme, _, place = url.partition("://")
    return scheme.lower(), place


def _mark(facts: dict[str, Any]) -> str:
    """Join the facts that differ between versions of a file."""
    return repr([str(facts[name]) for name in _MARKS if facts.get(name) is not None])


def _tried(url: str, action: Callable[[], Any]) -> Any:
    """Run an action, again after temporary failures."""
    pauses = iter(PAUSES)
    while True:
        with _explained(url):
            try:
                return action()
            except Exception as error:  # file systems have errors of their own
                if not _may_pass(_unmasked(url, error)) or (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)


def _may_pass(error: BaseException) -> bool:
    """Whether an action may succeed on another try."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status in (408, 425, 429)  # out of time, too early, too often
    lasting = IsoldeError | FileNotFoundError | PermissionError | IsADirectoryError
    return not isinstance(error, lasting)


def _unmasked(url: str, error: BaseException) -> BaseException:
    """Give the error of a web server, which fsspec always turns into a missing file."""
    said = error.__cause__
    if said is None or not _is_web(url):
        return error
    return error if getattr(said, "status", None) in (404, 410) else said


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn exceptions of a file system into an error of one line that names the URL."""
    try:
        yield
    except IsoldeError:
        raise
    except Exception as masked:  # file systems have errors of their own
        error = _unmasked(url, masked)
        if isinstance(error, FileNotFoundError):
            raise AudioError(f"{shown(url)}: no such file: check the address") from None
        if error is not masked or hasattr(error, "status"):  # of the web: no disk's error number
            status, said = getattr(error, "status", ""), getattr(error, "message", str(error))
            said = f"{status} {said}".strip() or type(error).__name__
            error = OSError(said.replace(url, shown(url)))  # the URL may contain secrets
        text = explain(shown(url), error, failure="cannot be reached", remedy=_REMEDY)
        raise AudioError(" ".join(text.split())) from None
