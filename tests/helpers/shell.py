"""The command line, run in this process."""

import sys

import pytest

from isolde.cli import main


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
