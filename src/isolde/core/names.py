"""Names of files as texts that can be shown and stored; it opens no file."""

import re

JOINERS = "\u200c\u200d"
"""Invisible characters that are part of Persian, Indic and emoji spelling."""


def readable(name: str) -> str:
    r"""Give a name as text: what of it is not UTF-8 becomes replacement characters.

    Examples:
        >>> readable("caf\udce9.wav") == "caf\ufffd.wav"
        True
        >>> readable("half of a pair: \ud83d") == "half of a pair: \ufffd"
        True
    """
    name = re.sub(
        "[\ud800-\udc7f\udd00-\udfff]", "\ufffd", name
    )  # no bytes, but of JSON or Windows
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
