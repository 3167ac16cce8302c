"""How a table was made, so that it can be made again; it measures nothing."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from isolde import __version__
from isolde.core.names import readable
from isolde.evaluation.songs import Song


def provenance(
    data: str | Path, songs: Sequence[Song], *, command: str | None = None
) -> dict[str, str]:
    """Collect what a reader needs to make the table again: command, commit, version, data, day.

    Args:
        data: Folder or manifest of the songs; only its own name is given.
        songs: Songs that were measured.
        command: Command line; None for that of this process.
    """
    name = os.path.basename(os.path.abspath(data))
    return {
        "command": readable(command or shlex.join(["isolde", *sys.argv[1:]])),
        "commit": commit(),
        "isolde": __version__,
        "data": f"{readable(name)}: {len(songs)} songs, "
        f"{len({song.artist for song in songs})} artists",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def as_list(made: Mapping[str, str]) -> str:
    """Return the lines below a table, as a Markdown list."""
    return "".join(f"* {name}: `{value}`\n" for name, value in made.items())


def commit() -> str:
    """Find the commit of this file's working copy; with + when something is changed.

    A package that is installed below somebody else's working copy has none.
    """
    here = Path(__file__)
    for words in (
        ["ls-files", "--error-unmatch", here.name],
        ["describe", "--always", "--abbrev=12", "--dirty=+"],
    ):
        command = ["git", "-C", str(here.parent), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        if done.returncode:
            return "unknown"
    return done.stdout.strip()
