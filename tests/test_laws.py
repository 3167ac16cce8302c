"""The laws of the house, read from the source: who may import whom, and what a function must say.

The checkers below take source text, so that each is also tested on small sources that break it.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "isolde"

# Who may import whom: a module may import its own layer and the layers above it in this table.
# A name is a module or a package directly in src/isolde.
LAYERS: dict[str, set[str]] = {
    "ground": {"errors", "stages"},
    "sound": {"audio", "spectrum", "features", "masks", "songs"},
    "models": {"graph", "catalogue", "masker"},
    "jobs": {"separator", "loading", "separation", "harmonic", "activity", "live", "many"},
    "learning": {"networks", "datasets", "training", "evaluation"},
    "faces": {"figures", "demo", "doctor", "cli", "__main__", "__init__"},
}

# Third-party packages: a pattern of the modules that may import each, "*" for all.
RUNTIME: dict[str, tuple[str, ...]] = {
    "numpy": ("*",),
    "soundfile": ("audio", "songs", "datasets", "evaluation"),
    "soxr": ("audio", "datasets", "evaluation"),
    "typer": ("cli",),
    "rich": ("cli",),
}
# The heavy ones also never at the top of a module, so that they cost only those who use them;
# networks and training are made of torch and may have it there.
HEAVY: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("graph",),
    "torch": ("networks", "training"),
    "onnx": ("networks", "training"),
    "safetensors": ("networks", "training"),
    "matplotlib": ("figures",),
    "PIL": ("figures",),  # comes with matplotlib
    "sounddevice": ("live*",),
    "librosa": ("harmonic", "figures", "evaluation"),
    "av": ("audio",),
    "museval": ("evaluation",),
    "mir_eval": ("evaluation",),
    "pyarrow": ("evaluation", "datasets"),
    "python_stretch": ("datasets",),
    "scipy": ("harmonic", "datasets", "evaluation", "training"),
    "dask": ("many",),
    "distributed": ("many",),
}
MAY_IMPORT_AT_TOP: dict[str, set[str]] = {
    "networks": {"torch"},
    "training": {"torch", "safetensors"},
}


@dataclass(frozen=True)
class Import:
    """One module that a source imports: its dotted name, line, and when it runs."""

    name: str
    line: int
    lazy: bool  # inside a function, or only for the type checker


# --- what a source imports ---------------------------------------------------------------------


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


def layer_of(unit: str) -> int | None:
    """The number of the layer that holds a unit, from the ground up; None if it has none."""
    for number, units in enumerate(LAYERS.values()):
        if unit in units:
            return number
    return None


# --- the checkers ------------------------------------------------------------------------------


def layer_faults(source: str, module: str) -> list[str]:
    """What the source imports from a layer below it in the table."""
    unit, faults = unit_of(module), []
    own = layer_of(unit)
    if own is None:
        return [
            f"{module}: '{unit}' has no place yet: add it to the layer in LAYERS"
            " (tests/test_laws.py) that fits what it imports and who will import it"
        ]
    for entry in imports_of(source, module):
        if entry.name.split(".")[0] != "isolde" or entry.name == "isolde.__version__":
            continue
        target = unit_of(entry.name)
        other = layer_of(target)
        if other is None:
            target, other = "__init__", layer_of("__init__")
        assert other is not None
        if other > own:
            names = list(LAYERS)
            faults.append(
                f"{module}:{entry.line}: {unit} ({names[own]}) imports {target} ({names[other]}),"
                " but imports point the other way"
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
        places = RUNTIME.get(top) or HEAVY.get(top)
        if places is None:
            faults.append(f"{where} is in neither RUNTIME nor HEAVY (tests/test_laws.py)")
        elif not any(fnmatch(unit, pattern) for pattern in places):
            faults.append(f"{where} may be imported only in {', '.join(places)}")
        elif top in HEAVY and not entry.lazy and top not in MAY_IMPORT_AT_TOP.get(unit, set()):
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


def test_the_table_has_no_unit_twice():
    units = [unit for layer in LAYERS.values() for unit in layer]
    assert sorted(units) == sorted(set(units))
    assert not set(RUNTIME) & set(HEAVY)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str):
    assert layer_faults(MODULES[module], module) == []


@pytest.mark.parametrize("module", MODULES)
def test_third_party_packages_stay_in_their_rooms(module: str):
    assert package_faults(MODULES[module], module) == []


def test_no_two_units_import_each_other():
    graph: dict[str, set[str]] = {}
    for module, source in MODULES.items():
        targets = {
            unit_of(entry.name)
            for entry in imports_of(source, module)
            if entry.name.startswith("isolde.") and layer_of(unit_of(entry.name)) is not None
        }
        graph.setdefault(unit_of(module), set()).update(targets)
    assert cycle_in(graph) == []


@pytest.mark.parametrize("module", MODULES)
def test_public_things_are_documented_and_annotated(module: str):
    assert documentation_faults(MODULES[module], module) == []


@pytest.mark.parametrize("module", MODULES)
def test_advice_to_install_an_extra_can_be_followed(module: str):
    assert extra_faults(MODULES[module], module, EXTRAS) == []


def test_importing_the_package_imports_nothing_heavy():
    """In a fresh interpreter, every module but those made of torch: the command line included."""
    light = [
        module.removesuffix(".__init__")
        for module in MODULES
        if unit_of(module) not in {*MAY_IMPORT_AT_TOP, "__main__"}
    ]
    script = (
        "import importlib, sys\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(*sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))\n"
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


# --- the checkers can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nimport isolde.masks", ["isolde.masks"]),
        ("from isolde import masks", ["isolde.masks"]),
        ("from .masks import ratio_mask", ["isolde.masks"]),
        ("from . import masks, audio", ["isolde.masks", "isolde.audio"]),
        ("def f():\n    from isolde.masks import ratio_mask", ["isolde.masks"]),
        ("import importlib\nm = importlib.import_module('isolde.masks')", ["isolde.masks"]),
        ("class A:\n    def f(self):\n        import isolde.live.pipes", ["isolde.live.pipes"]),
    ],
)
def test_imports_are_found_wherever_they_hide(source: str, expected: list[str]):
    found = [entry.name for entry in imports_of(source, "isolde.spectrum")]
    assert [name for name in found if name.startswith("isolde")] == expected


def test_dots_count_from_the_package_of_the_module():
    assert imports_of("from .a import b", "isolde.audio.__init__")[0].name == "isolde.audio.a"
    assert imports_of("from .a import b", "isolde.audio.files")[0].name == "isolde.audio.a"
    assert imports_of("from ..masks import b", "isolde.audio.files")[0].name == "isolde.masks"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("isolde.spectrum", "import isolde.separator"),
        ("isolde.spectrum", "def f():\n    from isolde.separator import Separator"),
        ("isolde.masks", "from . import graph"),
        ("isolde.separator", "from isolde.networks.article import MaskNetwork"),
        ("isolde.evaluation.tables", "from ..figures import spectrogram"),
        ("isolde.errors", "from isolde import audio"),
        ("isolde.audio", "from isolde import separate"),
    ],
)
def test_an_import_against_the_arrows_is_a_fault(module: str, source: str):
    (fault,) = layer_faults(source, module)
    assert fault.startswith(f"{module}:") and "other way" in fault


def test_an_import_with_the_arrows_is_none():
    assert layer_faults("from isolde import __version__\nimport isolde.audio", "isolde.cli") == []
    assert layer_faults("from isolde.spectrum import Grid", "isolde.masks") == []


def test_a_module_without_a_place_is_told_where_to_go():
    (fault,) = layer_faults("", "isolde.attic")
    assert "'attic'" in fault and "LAYERS" in fault


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("isolde.separator", "def f():\n    import torch", "only in"),
        ("isolde.datasets.remix", "from torch.utils.data import Dataset", "only in"),
        ("isolde.cli", "def f():\n    import matplotlib.pyplot as plt", "only in"),
        ("isolde.activity", "def f():\n    import sounddevice", "only in"),
        ("isolde.separator", "def f():\n    import onnxruntime", "only in"),
        ("isolde.graph", "import onnxruntime", "inside the function"),
        ("isolde.figures", "import matplotlib", "inside the function"),
        ("isolde.evaluation", "from scipy.signal import stft", "inside the function"),
        ("isolde.training.loop", "import onnx", "inside the function"),
        ("isolde.masks", "def f():\n    import pandas", "neither"),
        ("isolde.masks", "def f():\n    import scipy.signal", "only in"),
    ],
)
def test_a_package_in_the_wrong_room_is_a_fault(module: str, source: str, word: str):
    (fault,) = package_faults(source, module)
    assert word in fault


def test_a_package_in_its_room_is_none():
    assert package_faults("import torch\nfrom torch import nn", "isolde.networks.article") == []
    assert package_faults("def f():\n    import sounddevice", "isolde.live_devices") == []
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import onnxruntime"
    assert package_faults(typed, "isolde.graph") == []
    assert package_faults(typed + "\nelse:\n    import onnxruntime", "isolde.graph") != []


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
    (fault,) = documentation_faults(source, "isolde.masks")
    assert word in fault


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
    assert documentation_faults(source, "isolde.masks") == []
