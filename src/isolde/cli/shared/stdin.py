"""What `isolde separate -` does with one song from a pipe; it knows no batch."""

import sys
from typing import TYPE_CHECKING

from isolde.cli.shared import terminal
from isolde.cli.shared.batch import tell
from isolde.core.errors import InputError

if TYPE_CHECKING:
    from isolde.separation import FileSettings, Song


def separate_stdin(
    song: "Song", settings: "FileSettings", *, alone: bool, quiet: bool, as_json: bool
) -> None:
    """Separate standard input: to standard output, or to files where a folder is given.

    Args:
        song: The song that standard input is.
        settings: How it is separated.
        alone: Whether nothing is asked that needs files: other songs, journals, other machines.
        quiet: Whether only errors are shown.
        as_json: Whether a line of JSON tells what was written.

    Raises:
        InputError: It is not alone, or there is no place that the sound can go to.
    """
    from isolde.separation import check_output, separate_file, separate_stream

    if settings.remote is not None:
        raise InputError("standard input goes to files of this machine: give another -o")
    if not alone:
        raise InputError(
            "standard input is one song: give '-' alone, without --resume, --skip-existing, "
            "--shard, --check and --scheduler"
        )
    source = sys.stdin.buffer
    if settings.output is not None:
        check_output(settings)
        done = separate_file(song, settings, source=source)
        tell(song, done, None, quiet=quiet, as_json=as_json)
        return
    if as_json:
        raise InputError("--json and the sound both go to standard output: give a folder with -o")
    if sys.stdout.isatty():
        raise InputError("standard output is a terminal: send it to a file or a pipe, or give -o")
    for warning in separate_stream(source, sys.stdout.buffer, settings):
        if not quiet:
            terminal.say(f"isolde: warning: {warning}")
