"""The texts of `--help` as they are shown: what stands in brackets is a default, not markup."""

from collections.abc import Iterator

import typer
from rich.text import Text

from helpers.shell import Shell, verbs_of
from isolde.cli import app
from isolde.cli.shared.help import command_of


def texts(command) -> Iterator[str]:
    """All help texts of a command and of its verbs."""
    for _, verb in verbs_of(command):
        yield verb.help or ""
        for parameter in verb.params:
            yield getattr(parameter, "help", None) or ""


def test_no_bracket_of_a_help_text_vanishes():
    every = list(texts(typer.main.get_command(app)))
    with_brackets = [text for text in every if "[" in text]
    assert len(every) > 80 and len(with_brackets) > 8
    for text in with_brackets:
        assert Text.from_markup(text).plain == text.replace("\\[", "["), text


def test_every_help_ends_with_examples_of_its_own_command():
    every = dict(verbs_of(command_of(app)))
    assert len(every) > 15
    for name, command in every.items():
        first, *lines = (command.epilog or "").splitlines()
        assert first == "Examples:" and 1 <= len(lines) <= 3, name
        assert all(line.strip().startswith("isolde") for line in lines), name
        assert all(line.strip().startswith(name) for line in lines), name


def test_help_is_given_for_both_of_its_names(isolde: Shell):
    for verb in ([], ["separate"], ["models", "add"]):
        (code, short, _), (_, long, _) = isolde(*verb, "-h"), isolde(*verb, "--help")
        assert code == 0 and short == long
        assert any("-h" in line and "--help" in line for line in long)


def test_help_shows_no_type_behind_a_flag_and_says_what_an_option_is():
    for name, command in verbs_of(command_of(app)):
        for parameter in command.params:
            text = getattr(parameter, "help", None) or "?"
            assert not text.startswith(("Of ", "In ", "At ", "For ", "Only ")), (name, text)
            if getattr(parameter, "is_flag", False):
                assert parameter.metavar == "", (name, parameter.name)
