"""The texts of `--help` as they are shown: what stands in brackets is a default, not markup."""

from collections.abc import Iterator

import typer
from rich.text import Text

from isolde.cli import app


def texts(command) -> Iterator[str]:
    """All help texts of a command and of its verbs."""
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", None) or ""
    for verb in getattr(command, "commands", {}).values():
        yield from texts(verb)


def test_no_bracket_of_a_help_text_vanishes():
    every = list(texts(typer.main.get_command(app)))
    with_brackets = [text for text in every if "[" in text]
    assert len(every) > 80 and len(with_brackets) > 8
    for text in with_brackets:
        assert Text.from_markup(text).plain == text.replace("\\[", "["), text
