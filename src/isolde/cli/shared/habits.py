"""What people type from habit: songs without a verb, and the options of other separators.

It turns them into ours, or says in one line which of ours they are, and refuses what a script left
empty; it separates nothing.
"""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from isolde.core.errors import InputError

SEPARATE = "separate"

SAME = {
    "-i": [],
    "-j": ["--jobs"],
    "-n": ["--model"],
    "-m": ["--model"],
    "--model_filename": ["--model"],
    "--single-stem": ["--stem"],
    "--single_stem": ["--stem"],
    "--out": ["--output"],
    "--output_dir": ["--output"],
    "--output_path": ["--output"],
    "--output_format": ["--format"],
    "-c": ["--format"],
    "--codec": ["--format"],
    "--mp3": ["--format", "mp3"],
    "--flac": ["--format", "flac"],
    "--int24": ["--bit-depth", "24"],
    "--float32": ["--bit-depth", "32f"],
    "--mp3-bitrate": ["--bitrate"],
    "--filename": ["--name"],
    "-b": ["--bitrate"],
    "--bitrate": ["--bitrate"],
    "--offset": ["--start"],
}
"""Options of Demucs, Spleeter and audio-separator, and ours for the same; none for a song's."""

NONE = {
    "-d": "the network runs on the processor",
    "--device": "the network runs on the processor",
    "--shifts": "the network gives the same for every shift",
    "--overlap": "a song is separated as one stream, without pieces",
    "--segment": "a song is separated as one stream, without pieces",
    "--no-split": "a song is separated as one stream, without pieces",
    "--repo": "models are named by --model, or by their path",
    "--model_file_dir": "models are named by --model, or by their path",
    "-p": "models are named by --model, like spleeter or stems",
    "-f": "names are given by --name or --layout",
    "--filename_format": "names are given by --name or --layout",
    "--duration": "the end is given by --end",
    "--mwf": "the stems sum to the song without another filter",
}
"""Options of theirs that have no meaning here, and why."""

ROOT = ("-h", "--help", "--version", "--install-completion", "--show-completion")
"""Options that stand before a verb."""

_REWRITES: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("--single-stem", "--single_stem", "--output_format"), str.lower),
    **dict.fromkeys(("-b", "--bitrate", "--mp3-bitrate"), lambda rate: rate.removesuffix("k")),
}
"""Options whose values are written otherwise, like Vocals, FLAC and 128k, and ours for them."""


def translate(arguments: Sequence[str], *, verbs: Collection[str]) -> list[str]:
    """Turn a command line into one of ours.

    Args:
        arguments: Arguments after the program's name.
        verbs: Names of our verbs.

    Returns:
        Arguments that begin with a verb, where they can have one.

    Raises:
        InputError: An option of another separator has no meaning here, the line says why; or an
            argument is empty, which a path would take for the current folder.
    """
    _refuse_empty(arguments)
    options = arguments.index("--") if "--" in arguments else len(arguments)
    ours = [*map(_as_path, arguments[:options]), *arguments[options:]]
    if ours and ours[0] not in verbs and _looks_like_songs(ours[0]):
        ours.insert(0, SEPARATE)
    return _options(ours) if ours[:1] == [SEPARATE] else ours


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an argument without a letter, of an option or of its own."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if option.startswith("--") and equals and not value:
            raise InputError(f"{option} is empty: give it a value, or leave it out")
        if not argument and before.startswith("-") and before != "--":
            raise InputError(f"what follows {before} is empty: give a value, or leave it out")
        if not argument:
            raise InputError("a path is empty: name a file or a folder, like . for the current one")


def _as_path(argument: str) -> str:
    """Give a file whose name begins like an option, as `*.mp3` may find it, as a path."""
    is_file = argument[:1] == "-" and Path(argument).suffix and os.path.isfile(argument)
    return f"./{argument}" if is_file else argument


def _looks_like_songs(first: str) -> bool:
    """Whether the first argument is a file, a folder, standard input or an option of `separate`."""
    if first.startswith("-"):
        return first not in ROOT
    path = Path(first)
    return bool(path.suffix) or "/" in first or "\\" in first or path.exists()


def _options(arguments: list[str]) -> list[str]:
    """Replace the options of other separators."""
    ours: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if argument[:2] in (*SAME, *NONE) and argument[2:] and argument[1] != "-":
            option, equals = argument[:2], "="
            value = argument[2:].removeprefix("=")  # like -j4 and -j=4
        if argument == "--":
            return [*ours, argument, *rest]
        if option in NONE:
            raise InputError(f"isolde has no {option}: {NONE[option]}; leave it out")
        if option == "--two-stems":
            stem = (value if equals else next(rest, "")).lower()
            if stem != "vocals":
                ours_of = f"--stem {stem or 'drums'} --model stems"
                raise InputError(f"isolde has no --two-stems {stem}".rstrip() + f": take {ours_of}")
            ours += ["--stem", "vocals", "--stem", "accompaniment"]
        elif option in SAME:
            ours += SAME[option]
            rewrite = _REWRITES.get(option)
            if rewrite and not equals:
                value, equals = next(rest, ""), "="
            if equals:
                ours.append(rewrite(value) if rewrite else value)
        else:
            ours.append(argument)
    return ours
