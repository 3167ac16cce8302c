"""The laws of the house, read from the source: who may import whom, and what a function must say.

The checkers below take source text, so that each is also tested on small sources that break it.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "isolde"

ARCHITECTURE = ROOT / "docs" / "design" / "architecture.md"


def floors_of(page: str) -> list[set[str]]:
    """The floors that a page draws, from the ground up: each the set of its rooms."""
    (picture,) = re.findall(r"^```floors\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    return [set(re.split(r" {2,}", line)[0].split()) for line in picture.splitlines()][::-1]


def packages_of(page: str) -> dict[str, tuple[set[str], set[str]]]:
    """For each third-party package of a page's table: its rooms, and those that it may wait in."""
    rows = re.findall(
        r"^\| ([\w.]+) \| ([\w* ]+) \| (yes|no|in [\w ]+) \|$", page, flags=re.MULTILINE
    )
    return {
        package: (
            set(rooms.split()),
            set(rooms.split()) if top == "yes" else set(top.removeprefix("in ").split()) - {"no"},
        )
        for package, rooms, top in rows
    }


PAGE = ARCHITECTURE.read_text("utf-8")
FLOORS = floors_of(PAGE)
PACKAGES = packages_of(PAGE)
ENTRIES = {"__init__", "__main__"}  # above all floors
NAMES_OF_PACKAGES = ("libsndfile", "onnx", "float32")  # that are written small everywhere
MOST_LINES = 300  # of a file; more is a second noun
MOST_MODULES = 14  # of a folder, beside its `__init__`; more are two rooms
NO_IMPERATIVES = "The A An What Whether Where How All One Every As Is It Of Number Samples".split()


@dataclass(frozen=True)
class Import:
    """One module that a source imports: its dotted name, line, and when it runs."""

    name: str
    line: int
    lazy: bool  # inside a function, or only for the type checker


# --- what a source imports ---------------------------------------------------------------------


@cache  # several laws ask it of every module
def imports_of(source: str, module: str) -> list[Import]:
    """Every module that the source imports anywhere; `module` is its dotted name, for dots.

    `import_module("x")` and `__import__("x")` with a literal count as imports of x.
    """
    package = module.removesuffix(".__init__") if module.endswith(".__init__") else ""
    package = package or module.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "isolde" else [base]
            found.extend(Import(name, node.lineno, lazy) for name in names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                found.append(Import(str(first.value), node.lineno, lazy))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, True)
            for child in node.orelse:
                visit(child, lazy)
            return
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def unit_of(module: str) -> str:
    """The module or package directly in src/isolde: isolde.networks.article -> networks."""
    return [*module.split("."), "__init__"][1]


def floor_of(unit: str) -> int | None:
    """The number of the floor of a room, from the ground up; None if it has none."""
    if unit in ENTRIES:
        return len(FLOORS)
    return next((number for number, rooms in enumerate(FLOORS) if unit in rooms), None)


# --- the checkers ------------------------------------------------------------------------------


def floor_faults(source: str, module: str) -> list[str]:
    """What the source imports from a floor above its own."""
    unit, faults = unit_of(module), []
    own = floor_of(unit)
    if own is None:
        return [f"{module}: '{unit}' has no floor yet: draw it in {ARCHITECTURE.name}"]
    for entry in imports_of(source, module):
        if entry.name.split(".")[0] != "isolde" or entry.name == "isolde.__version__":
            continue
        target = unit_of(entry.name)
        other = floor_of(target)
        if other is None:
            target, other = "__init__", len(FLOORS)
        if other > own:
            faults.append(
                f"{module}:{entry.line}: {unit} (floor {own}) imports {target} (floor {other}),"
                " but imports point down"
            )
    return faults


def package_faults(source: str, module: str) -> list[str]:
    """Which third-party packages the source imports where they have no business."""
    unit, faults = unit_of(module), []
    for entry in imports_of(source, module):
        top = entry.name.split(".")[0]
        if top == "isolde" or top in sys.stdlib_module_names:
            continue
        where = f"{module}:{entry.line}: {top}"
        rooms, at_top = PACKAGES.get(top, (set(), set()))
        if not rooms:
            faults.append(f"{where} is not in the table of {ARCHITECTURE.name}")
        elif not rooms & {unit, "*"}:
            faults.append(f"{where} may be imported only in {', '.join(sorted(rooms))}")
        elif not entry.lazy and not at_top & {unit, "*"}:
            faults.append(f"{where} is heavy: import it inside the function that uses it")
    return faults


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """A cycle of units that import each other, as a path that ends where it began, or []."""
    done: set[str] = set()

    def search(unit: str, path: list[str]) -> list[str]:
        if unit in path:
            return [*path[path.index(unit) :], unit]
        if unit in done:
            return []
        for target in sorted(graph.get(unit, set()) - {unit}):
            if cycle := search(target, [*path, unit]):
                return cycle
        done.add(unit)
        return []

    return next((cycle for unit in sorted(graph) if (cycle := search(unit, []))), [])


def public_definitions(
    body: list[ast.stmt], prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every public class, function and method of a body, with its dotted name."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from public_definitions([*node.body, *node.orelse], prefix)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{prefix}{node.name}.")


def documentation_faults(source: str, module: str) -> list[str]:
    """Public things without a docstring, and public functions that are not fully annotated."""
    tree = ast.parse(source)
    faults = [] if ast.get_docstring(tree) else [f"{module}: the module has no docstring"]
    for name, node in public_definitions(tree.body):
        where = f"{module}:{node.lineno}: {name}"
        if isinstance(node, ast.ClassDef):
            if not ast.get_docstring(node):
                faults.append(f"{where} has no docstring")
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        is_stub = [ast.unparse(statement) for statement in node.body] == ["..."]
        says_nothing_new = is_stub or any(
            d.endswith((".setter", ".deleter")) or d in ("overload", "override") for d in decorators
        )
        if not ast.get_docstring(node) and not says_nothing_new:
            faults.append(f"{where} has no docstring")
        every = node.args
        named = [*every.posonlyargs, *every.args, *every.kwonlyargs]
        if "." in name and "staticmethod" not in decorators:
            named = named[1:]
        named += [a for a in (every.vararg, every.kwarg) if a is not None]
        faults.extend(f"{where}: '{a.arg}' has no type" for a in named if a.annotation is None)
        if node.returns is None:
            faults.append(f"{where} does not say what it returns")
    return faults


def described(docstring: str) -> Iterator[tuple[str, str]]:
    """Each argument, attribute and error that a docstring describes, with its description."""
    section, item = "", None
    for line in [*docstring.split("\n"), "."]:
        indent = len(line) - len(line.lstrip())
        found = re.match(r" {4}(\*{0,2}[\w.]+): +(\S.*)$", line) if section else None
        if item and line.strip() and (found or indent < 8):
            yield item
            item = None
        if found:
            item = (found[1], found[2])
        elif item and line.strip():
            item = (item[0], f"{item[1]} {line.strip()}")
        elif line.strip() and indent == 0:
            section = line if line in ("Args:", "Attributes:", "Raises:") else ""


def language_faults(source: str, module: str) -> list[str]:
    """First lines that are no imperatives, and descriptions that do not stand alone.

    A first line of a public function is no imperative for certain when it begins with an article
    or a pronoun; a description does not stand alone without a capital or a full stop.
    """
    faults = []
    tree = ast.parse(source)
    for name, node in public_definitions(tree.body):
        is_property = any("property" in ast.unparse(d) for d in node.decorator_list)
        first = (ast.get_docstring(node) or "-").split()[0]
        if not isinstance(node, ast.ClassDef) and not is_property and first in NO_IMPERATIVES:
            faults.append(f"{module}:{node.lineno}: {name} begins with '{first}'")
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for name, text in described(ast.get_docstring(node) or ""):
            begins = not text[0].islower() or text.startswith(NAMES_OF_PACKAGES)
            if not begins or not text.endswith((".", ":", "?", '"')):
                faults.append(f"{module}:{node.lineno}: {node.name}, {name}: {text}")
    return faults


def extra_faults(source: str, module: str, extras: dict[str, list[str]]) -> list[str]:
    """Advice to install an extra that does not exist or does not bring the package."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(
            "MissingExtraError"
        ):
            continue
        package = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        extra = next(ast.unparse(k.value).strip("'") for k in node.keywords if k.arg == "extra")
        brought = [re.match(r"[\w.-]+", line)[0] for line in extras.get(extra, [])]
        if package is not None and package not in brought:
            faults.append(
                f"{module}:{node.lineno}: the extra '{extra}' of pyproject.toml"
                f" brings {brought}, not {package}"
            )
    return faults


# --- the house obeys ---------------------------------------------------------------------------


def sources() -> dict[str, str]:
    """The source text of every module of the package, by dotted name."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path.read_text("utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = sources()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}


def test_every_room_stands_on_one_floor_and_nothing_else_does():
    drawn = [room for floor in FLOORS for room in floor]
    assert sorted(drawn) == sorted(ROOMS)
    loose = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert loose == {"__init__.py", "__main__.py", "py.typed"}


def test_no_file_has_more_than_300_lines():
    long = {name: source.count("\n") for name, source in MODULES.items()}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_the_page_of_the_studio_stays_small():
    own = sorted(
        (PACKAGE / "studio" / "page").glob("*.js")
    )  # and not what it was given, in vendor/
    assert len(own) > 5
    assert sum(len(path.read_text("utf-8").splitlines()) for path in own) < 1500


def test_no_folder_is_crowded():
    counts = Counter(name.rpartition(".")[0] for name in MODULES if not name.endswith("__init__"))
    assert {name: n for name, n in counts.items() if n > MOST_MODULES} == {}


def test_imports_point_down():
    assert [fault for m, source in MODULES.items() for fault in floor_faults(source, m)] == []


def test_third_party_packages_stay_in_their_rooms():
    assert [fault for m, source in MODULES.items() for fault in package_faults(source, m)] == []


def test_no_two_rooms_import_each_other():
    graph: dict[str, set[str]] = {}
    for module, source in MODULES.items():
        targets = {
            unit_of(entry.name)
            for entry in imports_of(source, module)
            if entry.name.startswith("isolde.") and floor_of(unit_of(entry.name)) is not None
        }
        graph.setdefault(unit_of(module), set()).update(targets)
    assert cycle_in(graph) == []


def test_public_things_are_documented_and_annotated():
    faults = [fault for m, source in MODULES.items() for fault in documentation_faults(source, m)]
    assert faults == []


def test_first_lines_are_imperatives_and_descriptions_stand_alone():
    faults = [
        fault for module, source in MODULES.items() for fault in language_faults(source, module)
    ]
    assert faults == []


def test_advice_to_install_an_extra_can_be_followed():
    faults = [fault for m, source in MODULES.items() for fault in extra_faults(source, m, EXTRAS)]
    assert faults == []


def test_importing_the_package_imports_nothing_heavy():
    """In a fresh interpreter, every module but those made of torch: the command line included."""
    light = [
        module.removesuffix(".__init__")
        for module in MODULES
        if unit_of(module) not in {*PACKAGES["torch"][0], "__main__"}
    ]
    heavy = [package for package, (_, top) in PACKAGES.items() if not top or package == "torch"]
    script = (
        "import importlib, sys\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(*sorted(set({sorted(heavy)!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT / "src",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
    assert done.stderr == "", "importing must not print or warn"


def test_the_man_page_is_that_of_the_command_line():
    from isolde import __version__
    from isolde.cli import app
    from isolde.cli.shared.help import command_of
    from man_page import man_page

    page = (ROOT / "docs" / "isolde.1").read_text("utf-8")
    assert page == man_page(command_of(app), version=__version__), (
        "docs/isolde.1 is older than the command line: "
        "PYTHONPATH=src:tools .venv/bin/python -m man_page writes it anew, and so does make man"
    )


# --- the checkers can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nimport isolde.core.signal.masks", ["isolde.core.signal.masks"]),
        ("from isolde import audio", ["isolde.audio"]),
        ("from .masks import ratio_mask", ["isolde.core.signal.masks"]),
        ("from ... import rules, audio", ["isolde.rules", "isolde.audio"]),
        (
            "def f():\n    from isolde.core.signal.masks import ratio_mask",
            ["isolde.core.signal.masks"],
        ),
        (
            "import importlib\nm = importlib.import_module('isolde.core.signal.masks')",
            ["isolde.core.signal.masks"],
        ),
        (
            "class A:\n    def f(self):\n        import isolde.live.io.pipes",
            ["isolde.live.io.pipes"],
        ),
    ],
)
def test_imports_are_found_wherever_they_hide(source: str, expected: list[str]):
    found = [entry.name for entry in imports_of(source, "isolde.core.signal.spectrum")]
    assert [name for name in found if name.startswith("isolde")] == expected


def test_dots_count_from_the_package_of_the_module():
    assert imports_of("from .a import b", "isolde.audio.__init__")[0].name == "isolde.audio.a"
    assert imports_of("from .a import b", "isolde.audio.files")[0].name == "isolde.audio.a"
    assert (
        imports_of("from ..core.signal.masks import b", "isolde.audio.files")[0].name
        == "isolde.core.signal.masks"
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("isolde.core.signal.spectrum", "import isolde.separation.stages.separator"),
        (
            "isolde.core.signal.spectrum",
            "def f():\n    from isolde.separation.stages.separator import Separator",
        ),
        ("isolde.core.signal.masks", "from ...models import graph"),
        ("isolde.separation.stages.separator", "from isolde.networks.article import MaskNetwork"),
        ("isolde.evaluation.tables", "from ..figures import spectrogram"),
        ("isolde.core.errors", "from isolde import audio"),
        ("isolde.audio", "from isolde import separate"),
    ],
)
def test_an_import_against_the_arrows_is_a_fault(module: str, source: str):
    (fault,) = floor_faults(source, module)
    assert fault.startswith(f"{module}:") and "point down" in fault


def test_an_import_with_the_arrows_is_none():
    assert floor_faults("from isolde import __version__\nimport isolde.audio", "isolde.cli") == []
    assert (
        floor_faults("from isolde.core.signal.spectrum import Grid", "isolde.core.signal.masks")
        == []
    )


def test_a_module_without_a_place_is_told_where_to_go():
    (fault,) = floor_faults("", "isolde.attic")
    assert "'attic'" in fault and "architecture.md" in fault


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("isolde.separation.stages.separator", "def f():\n    import torch", "only in"),
        ("isolde.datasets.mixing.voices", "from torch.utils.data import Dataset", "only in"),
        ("isolde.cli", "def f():\n    import matplotlib.pyplot as plt", "only in"),
        ("isolde.activity", "def f():\n    import sounddevice", "only in"),
        ("isolde.separation.stages.separator", "def f():\n    import onnxruntime", "only in"),
        ("isolde.models.graph", "import onnxruntime", "inside the function"),
        ("isolde.figures", "import matplotlib", "inside the function"),
        ("isolde.evaluation", "from scipy.signal import stft", "inside the function"),
        ("isolde.training.loop", "import onnx", "inside the function"),
        ("isolde.core.signal.masks", "def f():\n    import pandas", "not in the table"),
        ("isolde.core.signal.masks", "def f():\n    import scipy.signal", "only in"),
    ],
)
def test_a_package_in_the_wrong_room_is_a_fault(module: str, source: str, word: str):
    (fault,) = package_faults(source, module)
    assert word in fault


def test_a_package_in_its_room_is_none():
    assert package_faults("import torch\nfrom torch import nn", "isolde.networks.article") == []
    assert package_faults("def f():\n    import sounddevice", "isolde.live.io.devices") == []
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import onnxruntime"
    assert package_faults(typed, "isolde.models.graph") == []
    assert package_faults(typed + "\nelse:\n    import onnxruntime", "isolde.models.graph") != []


def test_a_cycle_is_found_and_named():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"a", "b"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("x = 1", "module has no docstring"),
        ('"""M."""\ndef f() -> None:\n    pass', "f has no docstring"),
        ('"""M."""\nclass A:\n    pass', "A has no docstring"),
        ('"""M."""\nclass A:\n    """A."""\n    def f(self) -> None:\n        pass', "A.f has no"),
        ('"""M."""\ndef f(x) -> None:\n    """F."""', "'x' has no type"),
        ('"""M."""\ndef f(*, x) -> None:\n    """F."""', "'x' has no type"),
        ('"""M."""\ndef f(*xs, **ys: int) -> None:\n    """F."""', "'xs' has no type"),
        ('"""M."""\ndef f(x: int):\n    """F."""', "does not say what it returns"),
        ('"""M."""\nasync def f():\n    """F."""', "does not say what it returns"),
        ('"""M."""\nif True:\n    def f() -> None:\n        pass', "f has no docstring"),
    ],
)
def test_an_undocumented_or_untyped_thing_is_a_fault(source: str, word: str):
    (fault,) = documentation_faults(source, "isolde.core.signal.masks")
    assert word in fault


@pytest.mark.parametrize(
    ("items", "faults"),
    [
        ("Args:\n    x: Number of frames.\n    y: See `f`:\n        its sum.", 0),
        ("Args:\n    x: of frames.", 1),
        ("Args:\n    x: Number of frames", 1),
        ("Args:\n    x: Number of frames,\n        as many as there are\n    y: Rate in Hz.", 1),
        ("Raises:\n    InputError: there are none.\n\nReturns:\n    x: a sum", 1),
        ("Frames:\n    x: of frames", 0),
    ],
)
def test_a_description_that_does_not_stand_alone_is_a_fault(items: str, faults: int):
    source = f'class A:\n    """A.\n\n{items}\n"""'
    assert len(language_faults(source, "isolde.core.signal.masks")) == faults


def test_a_first_line_that_names_instead_of_telling_is_a_fault():
    function = 'def f() -> int:\n    """{} sum of all."""\n'
    (fault,) = language_faults(function.format("The"), "isolde.core.signal.masks")
    assert "f begins with 'The'" in fault
    assert language_faults(function.format("Give the"), "isolde.core.signal.masks") == []
    assert language_faults("@property\n" + function.format("The"), "isolde.core.signal.masks") == []


def test_advice_that_cannot_be_followed_is_a_fault():
    source = "raise MissingExtraError('av', extra='video', purpose='reading')"
    assert len(extra_faults(source, "isolde.audio", {"av": ["av>=14"]})) == 1
    assert len(extra_faults(source, "isolde.audio", {"video": ["avail>=14"]})) == 1
    assert extra_faults(source, "isolde.audio", {"video": ["av>=14"]}) == []


def test_private_and_trivial_things_may_be_silent():
    source = (
        '"""M."""\ndef _f(x):\n    pass\nclass A:\n    """A."""\n    def __init__(self, x):\n'
        "        pass\n    def f(self) -> int: ...\n"
        "    @f.setter\n    def f(self, x: int) -> None:\n        self.x = x\n"
    )
    assert documentation_faults(source, "isolde.core.signal.masks") == []
