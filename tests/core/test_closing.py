"""Leaving a `with` block closes, or completes or takes back, and hides no error."""

import pytest

from isolde.core.closing import Closable, Completable


class Door(Closable):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class Letter(Completable):
    """Notes in which way it ends."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def close(self) -> None:
        self.ends.append("complete")

    def abort(self) -> None:
        self.ends.append("taken back")


class TornLetter(Letter):
    """Cannot be completed."""

    def close(self) -> None:
        raise OSError("no space")


def test_leaving_closes_once():
    with Door() as door:
        assert door.closed == 0
    assert door.closed == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_closes_and_goes_on(error: type[BaseException]):
    door = Door()
    with pytest.raises(error), door:
        raise error
    assert door.closed == 1


def test_leaving_normally_completes():
    with Letter() as letter:
        assert letter.ends == []
    assert letter.ends == ["complete"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_takes_back_and_goes_on(error: type[BaseException]):
    letter = Letter()
    with pytest.raises(error), letter:
        raise error
    assert letter.ends == ["taken back"]


def test_what_cannot_be_completed_says_so():
    with pytest.raises(OSError, match="no space"), TornLetter():
        pass
