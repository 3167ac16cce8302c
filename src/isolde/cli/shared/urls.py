"""URLs where only files are taken: refused in one line; it opens nothing."""

import re
from pathlib import Path

from isolde.core.errors import InputError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")  # a path keeps one slash of two


def refuse_urls(*paths: Path | None) -> None:
    """Refuse what was a URL before it was taken for a path.

    Args:
        paths: Paths as they were given; None where there is none.

    Raises:
        InputError: One was a URL.
    """
    for path in paths:
        if path is not None and _URL.match(str(path)) and not path.exists():
            url = re.sub(r"[/\\]", "//", path.as_posix(), count=1)
            raise InputError(f"{url}: URLs are taken by isolde separate only: download it first")
