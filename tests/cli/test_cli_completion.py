"""What a shell offers after Tab: asked of the shells, with the script that isolde gives them."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `isolde` is a command, and the user has nothing of their own."""
    home = tmp_path_factory.mktemp("home")
    command = home / "bin" / "isolde"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isolde "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    folders = {"HOME": str(home), "ISOLDE_MODELS": str(home / "none")}
    return {**os.environ, **folders, "PATH": path, "PYTHONPATH": str(ROOT / "src")}


def ask(environment: dict[str, str], *command: str, **variables: str) -> str:
    """What a command prints; it must succeed and say nothing on standard error."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**environment, **variables},
        cwd=environment["HOME"],
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def script(environment: dict[str, str]) -> Callable[[str], str]:
    """The script that a shell is to read, by the name of the shell."""
    return cache(lambda shell: ask(environment, "isolde", _ISOLDE_COMPLETE=f"source_{shell}"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("isolde se", ["separate"]),
        ("isolde separate --model voc", ["vocals", "vocals-live"]),
        ("isolde separate --model stems --stem ", ["vocals", "drums", "bass", "other"]),
        ("isolde karaoke song.mp3 --format m", ["mp3", "m4a"]),
        ("isolde separate --only", ["--only-vocal-parts"]),
        ("isolde separate so", []),  # files, which bash knows itself
    ],
)
def test_bash_offers(
    environment: dict[str, str], script: Callable[[str], str], line: str, expected: list[str]
):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    asked = (
        f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _isolde_completion isolde; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    offered = ask(environment, "bash", "--norc", "-c", script("bash") + asked).split()
    assert [word for word in expected if word not in offered] == []
    assert all(word.startswith(words[-1]) for word in offered)
    assert bool(offered) == bool(expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed: .ci/run installs it")
def test_zsh_offers_with_a_line_about_each(
    environment: dict[str, str], script: Callable[[str], str]
):
    program = (
        "compdef() { :; }; _files() { print files; }; _arguments() { print -r -- $1; }\n"
        + script("zsh")
        + "\nwords=(isolde separate --model vocals-li); CURRENT=4; _isolde_completion\n"
        + "words=(isolde separate so); CURRENT=3; _isolde_completion\n"
    )
    offered, files = ask(environment, "zsh", "-f", "-c", program).splitlines()
    assert offered.startswith('*: :(("vocals-live":"') and "live" in offered.split('"')[3]
    assert files == "files"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("fish") is None, reason="fish is not installed: .ci/run installs it"
)
def test_fish_offers_with_a_line_about_each(
    environment: dict[str, str], script: Callable[[str], str]
):
    asked = "\ncomplete -C 'isolde separate --format al'\ncomplete -C 'isolde models info stem'\n"
    program = script("fish") + asked
    offered = ask(environment, "fish", "--no-config", "-c", program).splitlines()
    assert [line.partition("\t")[0] for line in offered] == ["alac", "stems"]
    assert "four masks" in offered[1]


def test_it_is_installed_for_the_shell_by_an_option(environment: dict[str, str], tmp_path: Path):
    """Typer asks which shell it runs in; the script goes where that shell looks."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    home = {"HOME": str(tmp_path)}
    ask(environment, "bash", "--norc", "-c", "isolde --install-completion; true", **home)
    (installed,) = tmp_path.rglob("isolde.sh")
    assert "_isolde_completion" in installed.read_text()
    assert str(installed) in (tmp_path / ".bashrc").read_text()
    shown = ask(environment, "bash", "--norc", "-c", "isolde --show-completion; true", **home)
    assert shown.strip() == installed.read_text().strip()
