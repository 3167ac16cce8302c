"""A studio and a browser for each module that asks for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from studio_server import Studio, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try tests of the page again: Chromium on a busy machine may lose a press. A fault stays."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    yield from serving(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from studio_browser import launched  # skips where playwright is not installed

    yield from launched()


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """A page with a session of its own, in which nothing may be raised."""
    from studio_browser import listed, opened

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    raised: list[str] = []
    yield opened(context, studio.address, raised)
    for song in listed(context.pages[0]):
        context.pages[0].evaluate(f"fetch('/songs/{song['id']}', {{ method: 'DELETE' }})")
    context.close()
    assert raised == []
