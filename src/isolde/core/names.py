"""Texts for people: names of files that can be shown, numbers of things; it opens no file."""

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
    # surrogates that stand for no bytes, but are from JSON or Windows
    name = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", name)
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    Examples:
        >>> counted(1, "song"), counted(0, "song")
        ('1 song', '0 songs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
