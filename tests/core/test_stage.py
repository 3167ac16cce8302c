"""The one idea: whatever takes blocks and owes is a stage, whole and in one form."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolde.core.stage import Stage

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "isolde"
PROMISED = {name for name in vars(Stage) if not name.startswith("_")}
NO_SAMPLES_OUT = {"Segmenter"}
"""Takes frames and gives finished segments, which have no sample that could trail another."""


def members(body: list[ast.stmt]) -> set[str]:
    """Methods, properties and class attributes, and what `__init__` sets."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
            if node.name == "__init__":
                targets = [s for s in ast.walk(node) if isinstance(s, ast.Attribute)]
                found |= {t.attr for t in targets if isinstance(t.ctx, ast.Store)}
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def stage_faults(source: str) -> Iterator[str]:
    """Stages that lack a part, or whose `feed` needs more than a block, or `flush` anything."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or node.name in NO_SAMPLES_OUT:
            continue
        has = members(node.body)
        if not {"feed", "latency"} <= has and not {"feed", "flush", "reset"} <= has:
            continue
        yield from (f"{node.name} has no {name}" for name in sorted(PROMISED - has))
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in ("feed", "flush", "reset"):
                given = [*method.args.posonlyargs, *method.args.args][1:]
                needed = len(given) - len(method.args.defaults)
                if needed != (method.name == "feed"):
                    yield f"{node.name}.{method.name} needs {needed} arguments"


def test_every_stage_is_a_whole_one():
    sources = [path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))]
    stages = [source for source in sources if "def feed(" in source and "def flush(" in source]
    assert len(stages) > 20, "the idea has moved: look for it by its new names"
    assert [fault for source in sources for fault in stage_faults(source)] == []


WHOLE = """
class A:
    latency = 3
    def feed(self, block, /): ...
    def flush(self): ...
    def reset(self): ...
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("latency = 3", "delay = 3", "A has no latency"),
        ("def flush(self)", "def finish(self)", "A has no flush"),
        ("def reset(self)", "def clear(self)", "A has no reset"),
        ("block, /", "block, gain", "A.feed needs 2 arguments"),
        ("flush(self)", "flush(self, n)", "A.flush needs 1 arguments"),
    ],
)
def test_half_a_stage_is_a_fault(old: str, new: str, fault: str):
    assert list(stage_faults(WHOLE)) == []
    assert list(stage_faults(WHOLE.replace(old, new))) == [fault]
