"""Other people's separators as candidates, by a command or by a folder with an adapter."""

import hashlib
import os
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from isolde.core.errors import InputError
from isolde.core.programs import TIMEOUT
from isolde.evaluation.candidates.candidate import Candidate
from isolde.separation.external import ExternalSeparator


def peer(text: str, *, timeout: float | None = TIMEOUT) -> Candidate:
    """Make a candidate of "NAME=COMMAND", or of the path of an adapter's folder.

    An adapter is a folder with a `separate.py` and an environment of its own in `.venv`, as those
    in benchmarks/peers of the source code.

    Args:
        text: Name and command, with {input} and {output} or with --serve; or the folder's path.
        timeout: Seconds that a song may take; None for no limit.

    Raises:
        InputError: Neither a command nor an adapter that is set up, or the time cannot be.
    """
    name, equals, command = text.partition("=")
    if equals:
        if not name.strip() or not command.strip():
            raise InputError(f"peer '{text}': give 'NAME=COMMAND {{input}} {{output}}'")
        separator = ExternalSeparator.parse(command, name=name.strip(), timeout=timeout)
        identity = shlex.join(separator.command)
        named = [word for word in separator.command if os.access(word, os.R_OK)]
        if files := [Path(word) for word in named if Path(word).is_file()]:
            identity += f" files {_digest(files)}"
        separator = replace(separator, command=tuple(map(_found, separator.command)))
        return Candidate(separator.name, separator, kind="peer", identity=identity)
    folder = Path(text)
    python, script = folder / ".venv" / "bin" / "python", folder / "separate.py"
    if not script.is_file():
        raise InputError(
            f"peer '{text}': no folder with a separate.py: give the path of one, such as "
            "benchmarks/peers/spleeter-itself of the sources, or 'NAME=COMMAND {input} {output}'"
        )
    if not python.exists():
        raise InputError(f"peer '{text}': not set up: run 'sh {folder / 'setup.sh'}'")
    name = folder.resolve().name
    # not resolved: the link's own path is what makes it this environment's Python
    words = tuple(str(path.absolute()) for path in (python, script))
    sources = [p for p in (script, script.parents[1] / "common.py") if p.is_file()]
    separator = ExternalSeparator((*words, "--serve"), name, timeout)
    return Candidate(name, separator, kind="peer", identity=f"adapter {_digest(sources)}")


def _found(word: str) -> str:
    """A word of a command as other folders need it: the path of a file here is absolute."""
    is_path = "/" in word or Path(word).suffix  # a bare name is a program of PATH
    return str(Path(word).absolute()) if is_path and Path(word).is_file() else word


def _digest(files: Iterable[Path]) -> str:
    """Eight hexadecimal digits that change when what is in the files does."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:8]
