"""Digests of the code that changes a candidate's numbers; it measures nothing.

Results on disk are reused only under the same identity, so a table never mixes two versions of the
code that separates. Comments, docstrings and layout do not count.
"""

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

SEPARATION = (
    "isolde.core.stage",
    "isolde.core.signal.spectrum",
    "isolde.core.signal.synthesis",
    "isolde.core.signal.masks",
    "isolde.core.signal.resample",
    "isolde.core.signal.level",
    "isolde.models.conditioning",
    "isolde.separation.stages.ensemble",
    "isolde.separation.stages.estimator",
    "isolde.separation.stages.queue",
    "isolde.separation.stages.separator",
    "isolde.separation.load",
    "isolde.separation.settings",
)
"""The code that any model runs in."""

NETWORK = (
    "isolde.core.signal.features",
    "isolde.core.signal.mel",
    "isolde.models.masker",
    "isolde.models.graph",
    "isolde.models.stream",
    "isolde.models.window",
)
RULES = ("isolde.rules",)
GATE = ("isolde.activity", *NETWORK)


def separation_modules(*, rules: bool = False, gate: bool = False) -> tuple[str, ...]:
    """List the code that separates; the one list from which its fingerprint is taken.

    A test follows a separation and fails when a module that it ran through is not listed.

    Args:
        rules: Whether the rules make the mask, and no network.
        gate: Whether the vocals are turned down in pauses.

    Returns:
        Dotted names of modules and packages.
    """
    chosen = (*SEPARATION, *(RULES if rules else NETWORK), *(GATE if gate else ()))
    return tuple(dict.fromkeys(chosen))


@cache
def code_digest(*modules: str) -> str:
    """Eight hexadecimal digits that change when the code of modules or packages does.

    Args:
        modules: Dotted names; a package counts with every module directly in it.

    Raises:
        ModuleNotFoundError: There is no such module.
    """
    digest = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        origin = Path(spec.origin)
        files = sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            digest.update(_bare(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:8]


def _bare(source: str) -> str:
    """The source without comments, docstrings and other lone constants."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [s for s in node.body if not _is_constant(s)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
