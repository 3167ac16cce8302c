"""What `isolde separate` does with one song from a pipe, or into one; it knows no batch."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isolde.cli.shared import terminal
from isolde.cli.shared.batch import tell
from isolde.core.errors import InputError

if TYPE_CHECKING:
    from isolde.separation import FileSettings, Song


def separate_pipe(
    songs: Sequence["Song"],
    settings: "FileSettings",
    *,
    needs_files: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Separate a song to standard output, or standard input to files where a folder is given.

    Args:
        songs: Songs, of which there may be only one.
        settings: How it is separated.
        needs_files: Whether something is asked that needs files: journals, other processes.
        quiet: Whether only errors are shown.
        as_json: Whether a line of JSON tells what was written.

    Raises:
        InputError: It is not alone, or there is no place that the sound can go to.
    """
    from isolde.separation import STDIN, check_output, separate_file, separate_stream

    piped = any(song.path == STDIN for song in songs)
    if settings.remote is not None:
        raise InputError("standard input goes to files of this machine: give another -o")
    if len(songs) != 1 or needs_files:
        one = "input is one song: give '-'" if piped else "output is one stem: give one song"
        raise InputError(
            f"standard {one} alone, without --resume, --skip-existing, --shard, --check, "
            "--scheduler and --timeout"
        )
    (song,) = songs
    if song.url:
        raise InputError(f"{song.source}: is fetched and separated to files: give a folder with -o")
    if settings.output is not None:
        check_output(settings)
        done = separate_file(song, settings, source=sys.stdin.buffer)
        tell(song, done, None, quiet=quiet, as_json=as_json)
        return
    if as_json:
        raise InputError("--json and the sound both go to standard output: give a folder with -o")
    if sys.stdout.isatty():
        raise InputError("standard output is a terminal: send it to a file or a pipe, or give -o")
    source = sys.stdin.buffer if piped else song.path
    for warning in separate_stream(source, sys.stdout.buffer, settings):
        if not quiet:
            terminal.say(f"isolde: warning: {warning}")
