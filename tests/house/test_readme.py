"""What README and docs tell people to type exists: verbs, options, links, names."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import isolde
from isolde.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
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


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_exists_with_its_options(page: str, command: str):
    group = typer.main.get_command(app)
    words = shlex.split(command)[1:]
    verb = group.commands.get(words[0])  # type: ignore[attr-defined]
    assert verb is not None, f"{page}: there is no `isolde {words[0]}`"
    while hasattr(verb, "commands") and len(words) > 1:  # a group of verbs
        words = words[1:]
        verb = verb.commands.get(words[0])
        assert verb is not None, f"{page}: there is no `{command}`"
    known = {name for option in verb.params for name in (*option.opts, *option.secondary_opts)}
    asked = {w.split("=")[0] for w in words[1:] if re.match(r"--?[a-z]", w)}
    assert asked <= known | {"--help", "-h"}, f"{page}: {command}"


def test_there_are_commands_to_test():
    assert len(commands()) > 6


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


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
