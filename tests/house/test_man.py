"""The man page is whole, and its readers find no fault; test_laws.py says that it is not old."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.shell import verbs_of
from isolde.cli import app
from isolde.cli.shared.help import command_of
from man_page import body, text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "isolde.1"
UNDATED = "missing date"  # the page is that of a version, not of a day


def plain(source: str) -> str:
    """The text of a page without its marks."""
    return re.sub(r"\\f[BIR]", "", source).replace(r"\-", "-").replace(r"\e", "\\")


def test_every_verb_argument_and_option_is_in_it():
    page = PAGE.read_text("utf-8")
    sections = re.split(r"^\.SS ", page.partition(".SH EXIT STATUS")[0], flags=re.MULTILINE)
    found = {plain(part.partition("\n")[0]): plain(part) for part in sections[1:]}
    found["isolde"] = plain(sections[0])
    every = dict(verbs_of(command_of(app)))
    assert len(every) > 15 and sorted(found) == sorted(every)
    n_options = 0
    for name, command in every.items():
        tags = re.findall(r"^\.TP\n(.+)$", found[name], flags=re.MULTILINE)
        words = {word.strip(",") for line in tags for word in line.split()}
        for parameter in command.params:
            if parameter.param_type_name == "option":
                n_options += 1
                names = {*parameter.opts, *parameter.secondary_opts}
            else:
                names = {parameter.metavar or parameter.name.upper()}
            assert names <= words, name
        first = (command.help or "").splitlines()[0].split()
        assert " ".join(first) in " ".join(found[name].split()), name
    assert n_options > 100


@pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="mandoc is not installed: .ci/run installs it"
)
def test_mandoc_has_nothing_to_say():
    command = ["mandoc", "-T", "lint", "-W", "warning", str(PAGE)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = (said.stdout + said.stderr).splitlines()
    assert [line for line in lines if UNDATED not in line] == []
    assert len(lines) == 1  # it was read


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say():
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tascii", str(PAGE)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--only-vocal-parts" in re.sub(".\x08", "", done.stdout)  # bold is struck twice


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a \\[default] and C:\\x", r"a [default] and C:\ex"),
        ("--mask", r"\-\-mask"),
        ("µ and Straße", r"\[u00B5] and Stra\[u00DF]e"),
    ],
)
def test_what_roff_would_read_as_its_own_is_text(words: str, expected: str):
    assert text(words) == expected


def test_no_line_of_text_is_a_macro_and_sentences_begin_lines():
    assert body("Ends. .toml files are recipes.") == ["Ends.", r"\&.toml files are recipes."]
    assert body("It is 'quoted'. 'So' it is.") == ["It is 'quoted'.", r"\&'So' it is."]
