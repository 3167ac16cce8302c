"""Split words into syllables by their vowels, in any language, without a dictionary.

A syllable is a group of vowels and the consonants around it. The last consonant between two groups
begins the second syllable, or the last two if words begin with them (`tr`, `sh`). In English a
silent e (`time`, `loved`) does not count. In Chinese, Japanese and Korean a character is a
syllable. This is right for most words and a guess for the others, good enough to share out time and
notes.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

_VOWELS = frozenset("aeiouyæœøı" + "αεηιουω" + "аеёиоуыэюяіїєў")  # noqa: RUF001
_ONSETS = frozenset(
    "bl br ch cl cr dr fl fr gh gl gr kl kn kr pf ph pl pr qu sh sl sp st th tr tw wh wr".split()
)
_ENGLISH = frozenset("the and you i'm it's to of my is don't your".split())
_SILENT = re.compile(r"(?<![aeiouy])(?<![^aeiouy]l)(?:e|(?<![td])ed|(?<![sxzchg])es)$")
_UNWRITTEN_VOWELS = 2.5
"""Letters per syllable in scripts without letters for vowels (Arabic, Hebrew, Thai)."""


def is_english(lines: Iterable[str]) -> bool:
    """Return whether one word in twenty of a text is a very common English one.

    Args:
        lines: Lines of the text.

    Examples:
        >>> is_english(["Row, row, row your boat", "gently down the stream"])
        True
        >>> is_english(["Sah ein Knab' ein Röslein stehn"])
        False
    """
    words = [
        word.strip('.,;:!?"()').lower().replace("\u2019", "'") for s in lines for word in s.split()
    ]
    return sum(word in _ENGLISH for word in words) * 20 >= max(1, len(words))


def split_syllables(line: str, *, english: bool = False) -> list[str]:
    """Split a line into syllables; the first one of each word but the first has a leading space.

    Args:
        line: Words with single spaces between them.
        english: Whether a silent e makes no syllable.

    Returns:
        Parts that join to the line; one part for a line without letters.

    Examples:
        >>> split_syllables("Wandering starlight, time")
        ['Wan', 'de', 'ring', ' star', 'light,', ' ti', 'me']
        >>> split_syllables("Wandering starlight, time", english=True)
        ['Wan', 'de', 'ring', ' star', 'light,', ' time']
    """
    parts: list[str] = []
    for i, word in enumerate(line.split(" ")):
        first, *others = _split_word(word, english)
        first = f" {first}" if i else first
        if parts and not any(c.isalnum() for c in word):  # a dash takes no time
            parts[-1] += "".join([first, *others])
        else:
            parts += [first, *others]
    return parts


def count_syllables(line: str, *, english: bool = False) -> float:
    """Estimate how many syllables a line takes to sing, at least one.

    Args:
        line: Words with single spaces between them.
        english: Whether a silent e makes no syllable.
    """
    total = 0.0
    for word in line.split(" "):
        letters = sum(c.isalpha() for c in word)
        if letters and not _has_vowels(word) and not any(map(_is_sign, word)):
            is_latin = any("LATIN" in unicodedata.name(c, "") for c in word)
            total += 1 if is_latin else max(1.0, letters / _UNWRITTEN_VOWELS)
        elif any(c.isalnum() for c in word):
            total += len(_split_word(word, english))
    return max(1.0, total)


def _split_word(word: str, english: bool) -> list[str]:
    """Split a word into syllables with the punctuation around it."""
    if any(map(_is_sign, word)):
        return _split_signs(word)
    plain = "".join(map(_base, word))
    kinds = ["v" if c in _VOWELS else "c" if c.isalpha() else "." for c in plain]
    for i, c in enumerate(plain):  # a y before a vowel is a consonant, as in "you"; so is qu's u
        if c == "y" and i + 1 < len(plain) and kinds[i + 1] == "v" and plain[i + 1] != "y":
            kinds[i] = "c"
        if c == "u" and i and plain[i - 1] == "q":
            kinds[i] = "c"
    nuclei = [m.span() for m in re.finditer("v+", "".join(kinds))]
    if english and len(nuclei) > 1:
        letters = plain.rstrip("".join(c for c in plain if not c.isalpha()))
        silent = _SILENT.search(letters)
        if silent is not None and silent.start() == nuclei[-1][0]:
            nuclei.pop()
    cuts = [0]
    for (_, end), (start, _) in pairwise(nuclei):
        between = plain[end:start]
        n_onset = 2 if between[-2:] in _ONSETS else 1
        cuts.append(max(end, start - n_onset))
    return [word[a:b] for a, b in zip(cuts, [*cuts[1:], len(word)], strict=True)]


def _split_signs(word: str) -> list[str]:
    """Split a word into characters; others, and small kana, join the character before."""
    parts: list[str] = []
    for c in word:
        small = "SMALL" in unicodedata.name(c, "") or c == "ー"
        if parts and (not _is_sign(c) or small):
            parts[-1] += c
        elif parts and not any(map(_is_sign, parts[-1])):
            parts[-1] += c  # an opening quotation mark
        else:
            parts.append(c)
    return parts


def _is_sign(c: str) -> bool:
    """Whether a character is a syllable."""
    kind = unicodedata.name(c, "").partition(" ")[0]
    return c.isalpha() and kind in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA")


def _has_vowels(word: str) -> bool:
    return any(_base(c) in _VOWELS for c in word)


def _base(c: str) -> str:
    """A letter in lower case and without its accents."""
    low = unicodedata.normalize("NFD", c.lower())[:1]
    return low or c
