"""The fixtures of several tests; what they are made of is in helpers/."""

import os

import pytest
from hypothesis import settings

from helpers.maskers import Shelf
from helpers.shell import Shell

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # of tests that run ONNX Runtime by themselves

settings.register_profile("isolde", deadline=None)  # a machine that others use may stand still
settings.load_profile("isolde")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def isolde(monkeypatch, capsys, tmp_path) -> Shell:
    """The command line, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def started():
    """Engines and pipelines that end with the test."""
    import time

    from isolde.live.stream.pipeline import Pipeline
    from isolde.live.worker.engine import Engine

    engines = []

    def start(plan, *, follow=True):
        engine = Engine(plan)
        engines.append(engine)
        pipeline = Pipeline(plan, engine, follow=follow)
        deadline = time.monotonic() + 60
        while not pipeline.ready and time.monotonic() < deadline:
            pipeline.collect(0.5)
        assert pipeline.ready
        return pipeline

    yield start
    for engine in engines:
        engine.close()
