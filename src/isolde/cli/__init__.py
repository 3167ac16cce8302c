"""The command `isolde`: one verb per job; it parses, calls and prints, and holds no logic.

Exit codes: 0 all done; 2 bad input, also of one song of several; 130 interrupted.
"""

import sys

import typer

from isolde import __version__
from isolde.cli import activity, data, demo, doctor, evaluate, live, look, pairs, separate, train
from isolde.core.errors import IsoldeError

app = typer.Typer(
    name="isolde",
    help="isolde isolates the voice, and every other stem, from stereo music.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (separate, live, activity, look, data, pairs, evaluate, train, demo, doctor):
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
    """Run the command line; every error of ours is one line on standard error."""
    try:
        app()
    except IsoldeError as error:
        print(f"isolde: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("isolde: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
