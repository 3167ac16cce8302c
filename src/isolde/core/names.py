"""Texts for people: names of files that can be shown, numbers of things; it opens no file."""

import re

_BREAKS = re.compile(r"\s*[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

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


def one_line(text: str) -> str:
    r"""Fold a text into one line, and write out the characters that a terminal would obey.

    Examples:
        >>> one_line("a\nname with \x1b[31mred")
        'a name with \\x1b[31mred'
    """
    folded = _BREAKS.sub(" ", text.strip())
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", folded)


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    Examples:
        >>> counted(1, "song"), counted(0, "song")
        ('1 song', '0 songs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def unused_name(name: str, taken: set[str]) -> str:
    """Make a name that is not taken, and take it; some file systems do not tell case apart.

    Args:
        name: Name.
        taken: Names that are taken, case folded; the result is added.

    Examples:
        >>> taken = set()
        >>> unused_name("A", taken), unused_name("a", taken), unused_name("a", taken)
        ('A', 'a (2)', 'a (3)')
    """
    unused, number = name, 2
    while unused.casefold() in taken:
        unused, number = f"{name} ({number})", number + 1
    taken.add(unused.casefold())
    return unused
