"""Name the files of stems by templates and the layouts of other programs; it writes nothing."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isolde.core.errors import InputError

FIELDS = {
    "track": "name of the song without its ending, with its folders below a scanned one",
    "stem": "vocals, accompaniment, ...",
    "ext": "ending of the format, like wav",
    "folder": "name of the folder that the song lies in",
    "model": "name of the model",
}
"""Fields of a template of names."""


@dataclass(frozen=True)
class Layout:
    """Names of the files of a song's stems, like those of another separator.

    Attributes:
        template: Template of the paths below the output folder.
        stems: Other names for stems, by isolde's name.
    """

    template: str
    stems: Mapping[str, str] = field(default_factory=dict)


LAYOUTS: dict[str, Layout] = {
    "spleeter": Layout("{track}/{stem}.{ext}"),
    "demucs": Layout("{model}/{track}/{stem}.{ext}", {"accompaniment": "no_vocals"}),
    "uvr": Layout(
        "{track}_({stem}).{ext}",
        {
            "vocals": "Vocals",
            "accompaniment": "Instrumental",
            "drums": "Drums",
            "bass": "Bass",
            "other": "Other",
        },
    ),
    "flat": Layout("{track} ({stem}).{ext}"),
}
"""Layouts by name."""

USUAL = "spleeter"
"""Layout unless another is asked for."""

STEM_FILE = "{track}.{ext}"
"""Template for stem files, which hold all stems of a song."""
FILM = "{track} ({stem}).{ext}"
"""Template for films with all stems: never the film's own name."""


def layout_named(name: str) -> Layout:
    """Find a layout.

    Args:
        name: One of `LAYOUTS`.

    Raises:
        InputError: There is no such layout.
    """
    if name not in LAYOUTS:
        raise InputError(f"layout '{name}' is unknown: take one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def check_template(template: str, *, n_stems: int) -> None:
    """Check that a template has known fields only, and names each stem differently.

    Args:
        template: Template of paths, like "{track}/{stem}.{ext}".
        n_stems: Number of stems that are written.

    Raises:
        InputError: The template is malformed, has an unknown field, names a folder, or gives all
            stems one file.
    """
    try:
        asked = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise InputError(f"the name '{template}' is no template ({error})") from None
    if unknown := sorted(asked - FIELDS.keys()):
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        lacking = ", ".join(f"{{{name}}}" for name in unknown)
        raise InputError(f"the name '{template}' asks for {lacking}: only {known} are known")
    try:
        template.format(**dict.fromkeys(FIELDS, "x"))
    except (ValueError, LookupError) as error:
        raise InputError(f"the name '{template}' is no template ({error})") from None
    if template.endswith("/"):
        raise InputError(f"the name '{template}' is that of a folder: end it with that of a file")
    if n_stems > 1 and "stem" not in asked:
        raise InputError(f"the name '{template}' gives all stems one file: put {{stem}} into it")


def fill_template(template: str, *, ext: str, as_folder: bool = False, **values: str) -> Path:
    """Make the path of one stem, which always ends with the ending of the format.

    The path stays below the output folder: the values must be safe (see `safe_track`), and a
    template that leads out of it is refused.

    Args:
        template: Template that `check_template` accepts.
        ext: Ending of the format.
        as_folder: Whether the path is that of a folder, without an ending.
        values: Values of the other fields.

    Raises:
        InputError: The path is absolute, or has '..' in it.
    """
    ending = next((e for e in (".{ext}", f".{ext}") if template.endswith(e)), "")
    stem = template[: len(template) - len(ending)]
    name = stem.format(ext=ext, **values)
    path = Path(name if as_folder else f"{name}.{ext}")
    if path.anchor or ".." in path.parts:
        raise InputError(
            f"the name '{template}' leads out of the output folder, to {path}: leave out '..' and "
            "a '/' at its start, and choose the folder with -o"
        )
    return path


def safe_track(name: str) -> str:
    """Make a track name that stays below the output folder: no part is empty or only dots."""
    parts = [part if part.strip(". ") else "_" * max(1, len(part)) for part in name.split("/")]
    return "/".join(parts)
