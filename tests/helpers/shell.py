"""The command line, run in this process, and programs, run in their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from isolde.cli import app, main
from isolde.core.errors import IsoldeError


class Shell:
    """Runs the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, list[str], list[str]]:
        """Exit code, lines of standard output, lines of standard error."""
        self._patch.setattr(sys, "argv", ["isolde", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = self._capture.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()


def verbs_of(command: Any, name: str = "isolde") -> Iterator[tuple[str, Any]]:
    """A command and all its verbs, by their whole names."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from verbs_of(below, f"{name} {word}")


def invoke(*words: object) -> tuple[int, str]:
    """Exit code of the command line and everything printed; of an error of ours -1 and its line."""
    done = CliRunner().invoke(app, [*map(str, words)])
    error = done.exception
    return (-1, str(error)) if isinstance(error, IsoldeError) else (done.exit_code, done.output)


def run(
    *words: str | Path, code: int = 0, timeout: float = 900, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; show what it printed if its exit code is another one."""
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == code, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done


def run_python(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run this Python."""
    return run(sys.executable, *words, **options)
