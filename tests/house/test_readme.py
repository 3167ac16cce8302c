"""What README and docs tell people to type exists: verbs, options, links, names."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import isolde
from isolde.cli import app
from isolde.cli.shared.habits import translate

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    + [page for folder in ("docs", "benchmarks") for page in (ROOT / folder).rglob("*.md")]
)
PROGRAM = re.compile(r"(?:benchmarks|tools|examples|tests)/[\w./-]+\.(?:py|sh|mjs|toml|csv)")
NAMED_ONLY = "does not exist|requires an argument"
RECIPES = {path.stem for path in (ROOT / "src/isolde/training/recipes").glob("*.toml")}
COMMAND = re.compile(r"(?:^|[|`] *)(isolde [a-z][^|`#>\n]*)", re.MULTILINE)


def code_of(page: Path) -> str:
    """Indented and fenced code and inline code of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return "\n".join([*blocks, *lines, *re.findall(r"`[^`\n]+`", text)])


def commands() -> list[tuple[str, str]]:
    """(page, command) for every `isolde VERB ...` that a page shows."""
    return [
        (page.name, match.strip()) for page in PAGES for match in COMMAND.findall(code_of(page))
    ]


def fault_of(command: str) -> str | None:
    """Why the command line would not take a command, or None; nothing is run and no file opened.

    `...` and a trailing `> file` are left out, as are placeholders such as [SONG...].
    """
    words = shlex.split(command.split(" > ")[0])[1:]
    words = [word.removesuffix("...") for word in words if word != "..."]
    verb, name = typer.main.get_command(app), "isolde"
    words = translate(words, verbs=verb.commands)
    while hasattr(verb, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        if name not in verb.commands:
            return f"there is no '{name}'"
        verb = verb.commands[name]
    try:
        context = verb.make_context(name, words)
    except Exception as error:
        kind = type(error).__name__
        if kind in ("Exit", "MissingParameter") or re.search(NAMED_ONLY, str(error)):
            return None  # --help; what is only named; a file of the reader's
        return str(error) or kind
    for recipe in context.params.get("recipe") or ():
        if recipe not in RECIPES and not recipe.endswith((".toml", ".json")):
            return f"'{recipe}' is no recipe"
    return None


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_is_taken_as_it_stands(page: str, command: str):
    assert fault_of(command) is None, f"{page}: {command}"


def test_a_command_that_would_be_refused_is_a_fault():
    assert "songs.csv" in str(fault_of("isolde train songs.csv"))
    assert "nothing" in str(fault_of("isolde nothing"))
    assert "--frmat" in str(fault_of("isolde separate a.wav --frmat flac"))
    assert fault_of("isolde separate a.wav --format flac") is None


def test_there_are_commands_to_test():
    assert len(commands()) > 6


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_programs_that_a_page_names_are_there(page: Path):
    named = PROGRAM.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_of_the_benchmarks_names_each():
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    each = {path.name for path in (ROOT / "benchmarks").iterdir()}
    each -= {"README.md", "songs.py", "__pycache__"}
    assert len(each) > 10 and [name for name in each if name not in page] == []


def test_the_python_of_the_readme_runs():
    """The example's names are the package's, and the streaming example works as written."""
    import numpy as np

    samples = np.zeros((2, 4410), np.float32)
    stems = isolde.separate(samples, sample_rate=44100)
    assert set(stems) == {"vocals", "accompaniment"}
    separator = isolde.load_separator(sample_rate=48000, n_channels=2)
    parts = [separator.feed(samples), separator.flush()]
    assert sum(part["vocals"].shape[1] for part in parts) == 4410


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
