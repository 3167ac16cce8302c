"""Nothing that only Unix has is imported at the top: every module imports as on Windows."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "isolde"
UNIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios", "tty")
TORCH = {"networks", "training"}  # rooms that are made of it; it needs `resource` itself


def test_every_module_imports_without_what_only_unix_has():
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stem != "__main__" and path.relative_to(PACKAGE).parts[0] not in TORCH
    ]
    assert len(modules) > 100
    script = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({UNIX_ONLY!r}))\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
