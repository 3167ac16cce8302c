"""Warnings of isolde are lines for users, in this process and in those of a pool."""

import warnings

import pytest

from isolde.core import parallel
from isolde.core.errors import IsoldeWarning
from isolde.core.warned import warnings_as_lines


def warn(name: str) -> str:
    warnings.warn(f"{name}: cut short", IsoldeWarning, stacklevel=1)
    return name


def test_a_warning_is_one_line_without_the_place_in_the_code(capsys: pytest.CaptureFixture[str]):
    before = warnings.showwarning
    with warnings_as_lines():
        warn("a\nb.wav")
        with pytest.warns(UserWarning, match="of another package"):
            warnings.warn("of another package", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "isolde: warning: a b.wav: cut short\n"
    assert warnings.showwarning is before


@pytest.mark.slow
def test_a_warning_in_a_pool_is_one_line_too(capfd: pytest.CaptureFixture[str]):
    outcomes = parallel.run(warn, {"a": "a.wav", "b": "b.wav"}, workers=2)
    assert [outcome.value for outcome in outcomes] == ["a.wav", "b.wav"]
    said = sorted(capfd.readouterr().err.splitlines())
    assert said == [f"isolde: warning: {name}.wav: cut short" for name in "ab"]
