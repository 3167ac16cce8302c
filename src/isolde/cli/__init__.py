"""The command `isolde`: one verb per job; it parses, calls and prints, and holds no logic.

Exit codes: 0 all done; 1 some results of `evaluate` or songs of `data` failed; 2 bad input, also of
one song of several; 130 interrupted; 141 the reader of standard output has ended.
"""

import signal
import sys
from typing import Any, NoReturn

import typer

from isolde import __version__
from isolde.cli import (
    activity,
    data,
    demo,
    doctor,
    evaluate,
    karaoke,
    live,
    look,
    models,
    pairs,
    separate,
    studio,
    train,
)
from isolde.cli.shared import terminal
from isolde.cli.shared.habits import translate
from isolde.cli.shared.help import command_of, examples, name_formats
from isolde.core import parallel
from isolde.core.atomic import explain
from isolde.core.errors import IsoldeError
from isolde.core.warned import warnings_as_lines

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer's, which has no public name

app = typer.Typer(
    name="isolde",
    help="isolde isolates the voice, and every other stem, from stereo music.",
    no_args_is_help=True,
    epilog=examples(
        "isolde song.mp3 # vocals and accompaniment, in a folder of the song's name",
        "isolde karaoke song.mp3 # the song without its voice",
        "isolde studio # a page that plays, fades and saves stems",
    ),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    separate,
    karaoke,
    studio,
    live,
    activity,
    look,
    models,
    data,
    pairs,
    evaluate,
    train,
    demo,
    doctor,
):
    verb.register(app)


def _version(asked: bool) -> None:
    if asked:
        print(f"isolde {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """Options before the verb."""


def main() -> None:
    """Run the command line; every error is one line on standard error."""
    terminal.prepare()
    for name in ("SIGTERM", "SIGHUP"):  # the latter where a terminal can be closed
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, parallel.terminate)
    try:
        command = command_of(app)
        arguments = translate(sys.argv[1:], verbs=command.commands)
        if {"-h", "--help"} & set(arguments):
            name_formats(command)
        with warnings_as_lines():
            code = command.main(arguments, prog_name="isolde", standalone_mode=False)
        sys.stdout.flush()
        if code == 130:  # typer's answer to Ctrl-C
            _stop(130, "interrupted")
    except IsoldeError as error:
        _stop(2, str(error))
    except _UsageError as error:
        _stop(2, _usage(error, verb="".join(arguments[:1])))
    except (KeyboardInterrupt, typer.Abort):
        _stop(130, "interrupted")
    except BrokenPipeError:
        terminal.abandon()
        sys.exit(141)
    except OSError as error:
        terminal.abandon()
        _stop(2, explain(error.filename or "standard output", error))
    sys.exit(code)


def _usage(error: Any, *, verb: str) -> str:
    """Say in one line what is wrong with the arguments; the help where none was given."""
    context = error.ctx
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.exit(2)  # it has been printed
    path = context.command_path if context else f"isolde {verb}"
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    if (told := getattr(error.__cause__, "errors", None)) is not None:  # of pydantic: "Input ..."
        message = message.replace(": Input ", f": '{told()[0]['input']}' ", 1)
    return f"{message}: see {path} --help"


def _stop(code: int, line: str) -> NoReturn:
    """End with a line on standard error."""
    terminal.say(f"isolde: {line}")
    sys.exit(code)
