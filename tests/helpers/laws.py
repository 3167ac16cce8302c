"""The laws of the house as checks of source text: who imports whom, what a function must say."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
