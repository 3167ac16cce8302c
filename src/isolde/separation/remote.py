"""Songs and stems in object stores and remote folders, through fsspec: whole files in and out.

It separates nothing. What decodes and encodes works on files of this machine: a song is copied to
a temporary one, and a stem is sent when it is whole.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from isolde.core.atomic import explain, hidden_name
from isolde.core.errors import AudioError, InputError, IsoldeError, MissingExtraError

PAUSES = (1.0, 4.0)
"""Seconds to wait before each further try at something that may pass."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters: no drive of Windows
_READ_ONLY = ("http", "https")
_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory")
"""Protocols of object stores, where what is sent appears whole or not at all."""
_BUCKETS = ("s3", "s3a", "gs", "gcs")
"""Protocols whose first part is a bucket, which nobody makes by sending something into it."""

_REMEDY = "check the address, the credentials and the connection"
_CHUNK = 1 << 20
_MARKS = ("size", "ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "mtime")


class Listed(NamedTuple):
    """What a listing tells of a file: a text that changes when it does, and its bytes or None."""

    mark: str
    n_bytes: int | None


def is_url(text: str) -> bool:
    """Tell whether a text is a URL, and not the path of a file."""
    return _URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """Give the path that a text or a file:// URL names; None for what is on another machine.

    Raises:
        InputError: The text is empty.
    """
    if not text:
        raise InputError("a path is empty: name a file or a folder, like . for the current one")
    if not is_url(text):
        return Path(text)
    parts = urlsplit(text)
    return Path(unquote(parts.path)) if parts.scheme.lower() == "file" else None


def shown(url: str) -> str:
    """Give a URL without what is secret in it: user, password and query."""
    parts = urlsplit(url, allow_fragments=_is_web(url))  # elsewhere '#' is part of a name
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def below(url: str, path: str) -> str:
    """Give the URL of a file below a remote folder."""
    return f"{url.rstrip('/')}/{path}"


def place_of(path: Path, folder: str | None) -> str:
    """Say where a file is, for people: its path, or its URL where it is below a remote folder."""
    return below(shown(folder), path.as_posix()) if folder else str(path)


def path_in(url: str) -> PurePosixPath:
    """Give the place of a URL as a path from the root, host or bucket first."""
    parts = urlsplit(url, allow_fragments=_is_web(url))
    return PurePosixPath("/", parts.netloc.rpartition("@")[2], unquote(parts.path).lstrip("/"))


def check_writable(url: str) -> None:
    """Make sure that files may be sent to a URL at all.

    Args:
        url: URL of the output folder.

    Raises:
        InputError: Its protocol is unknown, or only for reading; there is no such bucket.
        MissingExtraError: The package fsspec is not installed.
        AudioError: Its store cannot be reached.
        IsoldeError: What fsspec needs for the protocol is not installed.
    """
    scheme = urlsplit(url).scheme.lower()
    if _is_web(url):
        raise InputError(f"{shown(url)}: can only be read: give another folder with -o")
    system, path = _opened(url)
    if scheme not in _BUCKETS:
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
            pass  # rights may end at the folder, which is asked next


def files_below(url: str) -> dict[str, Listed] | None:
    """List the files below a remote folder.

    Args:
        url: URL of the folder.

    Returns:
        What is told of each file, by its path below the folder; None where the URL is not a
        folder, as on web servers.

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
        progress: Function called with 0 after each mebibyte; what it raises ends the copy.

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
            while chunk := source.read(_CHUNK):
                copied.write(chunk)
                if progress is not None:
                    progress(0.0)

    _tried(url, copy)


def send(source: Path, url: str) -> None:
    """Copy a file of this machine to a URL, where it appears whole or not at all.

    An object store keeps nothing of what was sent in part; elsewhere the file is sent under a
    hidden name beside its own, and renamed.

    Args:
        source: Path of the file.
        url: URL of the copy; what is there is replaced.

    Raises:
        AudioError: It cannot be written.
    """
    system, path = _opened(url)
    folder = path.rpartition("/")[0]

    def put() -> None:
        if urlsplit(url).scheme.lower() in _STORES:
            system.put_file(str(source), path)
            return
        draft = f"{folder}/{hidden_name()}"
        system.makedirs(folder, exist_ok=True)
        try:
            system.put_file(str(source), draft)
            system.mv(draft, path)
        except BaseException:
            with suppress(Exception):  # what it was is raised
                system.rm_file(draft)
            raise

    _tried(url, put)


def remove(url: str) -> None:
    """Remove a remote file, if it is there and can be removed."""
    system, path = _opened(url)
    with suppress(Exception):  # called when something else has failed already
        system.rm_file(path)


def _opened(url: str) -> tuple[Any, str]:
    """Find the file system of a URL, and the path in it."""
    parts = urlsplit(url)
    if not parts.netloc and parts.scheme.lower() in (*_BUCKETS, *_READ_ONLY):
        raise InputError(f"{url}: names no bucket or host: check the address")
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError("fsspec", extra="remote", purpose=shown(url)) from None
    try:
        # elsewhere listings are not kept: those of others change while we work
        system, path = url_to_fs(url, **({} if _is_web(url) else {"use_listings_cache": False}))
    except ImportError as error:
        raise IsoldeError(f"{shown(url)}: {error}".rstrip(".") + ": install it with pip") from None
    except ValueError as error:
        raise InputError(f"{shown(url)}: is no place that fsspec knows ({error})") from None
    return system, str(path)


def _is_web(url: str) -> bool:
    """Whether a URL is of a web server, which lists nothing and takes nothing."""
    return urlsplit(url).scheme.lower() in _READ_ONLY


def _mark(facts: dict[str, Any]) -> str:
    """Join what tells one version of a file from another."""
    return repr([str(facts[name]) for name in _MARKS if facts.get(name) is not None])


def _tried(url: str, action: Callable[[], Any]) -> Any:
    """Do something that may fail in passing, a few times."""
    pauses = iter(PAUSES)
    while True:
        with _explained(url):
            try:
                return action()
            except IsoldeError:
                raise
            except Exception as error:  # file systems have errors of their own
                if not _may_pass(_unmasked(url, error)) or (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)


def _may_pass(error: BaseException) -> bool:
    """Whether something may succeed when it is tried again."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status in (408, 425, 429)  # out of time, too early, too often
    return not isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)


def _unmasked(url: str, error: BaseException) -> BaseException:
    """Give what a web server said: to fsspec a file is not there, whatever is the matter."""
    said = error.__cause__
    if said is None or not _is_web(url):
        return error
    return error if getattr(said, "status", None) in (404, 410) else said


def _said(error: BaseException) -> str:
    """Give the text of a web server's error, without the URL, which may hold secrets."""
    if hasattr(error, "status") and hasattr(error, "message"):
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what a file system raises into a line that names the URL."""
    try:
        yield
    except IsoldeError:
        raise
    except Exception as masked:  # file systems have errors of their own
        error = _unmasked(url, masked)
        if isinstance(error, FileNotFoundError):
            raise AudioError(f"{shown(url)}: no such file: check the address") from None
        if error is not masked or hasattr(error, "status"):  # of the web: no disk's error number
            error = OSError(_said(error).replace(url, shown(url)))
        text = explain(shown(url), error, failure="cannot be reached", remedy=_REMEDY)
        raise AudioError(" ".join(text.split())) from None
