"""What stems are called, in arrays and as files of data sets and separators; it opens none."""

from collections.abc import Sequence

from isolde.core.errors import InputError

MIXTURE = "mixture"
VOCALS = "vocals"
ACCOMPANIMENT = "accompaniment"

PARTS = ("drums", "bass", "other")
"""What an accompaniment may be given as."""

STEM_NAMES = {
    MIXTURE: ("mixture", "mix"),
    VOCALS: ("vocals", "vocal", "voice"),
    ACCOMPANIMENT: ("accompaniment", "instrumental", "no_vocals", "backing"),
    "drums": ("drums",),
    "bass": ("bass",),
    "other": ("other", "guitar", "piano", "keys", "synth", "strings"),
}
"""What a stem's file may be called, without its ending and in any case; the preferred first. Those
of `other` are instruments that are summed, those of the rest are words for the same."""

STEM_BY_NAME = {name: stem for stem, names in STEM_NAMES.items() for name in names}

_NOT_IN_FILES = set('/\\:*?"<>|')


def check_stems(names: Sequence[str]) -> None:
    """Refuse names of stems that could not be those of files beside each other.

    Args:
        names: Names of a song's stems, the residual's among them.

    Raises:
        InputError: One is empty, begins with a dot, ends in one, has a blank at an end, or a
            character that file names cannot have; or two are the same.
    """
    for name in names:
        plain = name.isprintable() and _NOT_IN_FILES.isdisjoint(name)
        if not name or name.strip(" .") != name or not plain:
            raise InputError(
                f"{name!r} cannot be the name of a stem: take letters, digits, blanks, '_' and '-'"
            )
    if len(set(names)) < len(names):
        raise InputError(f"the stems {', '.join(names)}: give each a name of its own")
