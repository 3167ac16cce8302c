"""The body of a request as a file of the library, limited in size; the file is not decoded."""

from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from isolde.core.errors import InputError
from isolde.studio.library import Library


class TooLargeError(InputError):
    """An upload is larger than the server accepts."""


async def receive(request: Request, name: str, *, library: Library, most: int) -> Path:
    """Write the body of a request into a file; a refused upload leaves no file.

    Args:
        request: Request whose body is the file.
        name: Name that the sender gave, of which only a known suffix is used.
        library: Library in whose folder the file is written.
        most: Greatest number of bytes.

    Raises:
        InputError: The disk has no room, or the upload is interrupted.
        TooLargeError: The file is larger than `most`.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit():
        _check_size(int(declared), most)
        library.check_room(int(declared))
    path = library.upload_path(name)
    n_bytes = 0
    try:
        with path.open("xb") as file:
            async for piece in request.stream():
                n_bytes += len(piece)
                _check_size(n_bytes, most)
                file.write(piece)
    except BaseException as error:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
        if isinstance(error, ClientDisconnect):
            raise InputError("the upload broke off") from None
        raise
    return path


def _check_size(n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise TooLargeError(f"the file is larger than {most / 1e9:g} GB: start with --max-upload")
