"""A studio and a browser for each module that asks for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from studio_server import Studio, serving


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    yield from serving(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from studio_browser import launched  # skips where playwright is not installed

    yield from launched()
