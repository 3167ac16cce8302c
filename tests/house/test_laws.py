"""The house obeys its laws, as its source tells."""

import subprocess
import sys
import tomllib
from collections import Counter

from helpers.laws import (
    FLOORS,
    MOST_LINES,
    MOST_MODULES,
    PACKAGE,
    PACKAGES,
    ROOT,
    cycle_in,
    documentation_faults,
    extra_faults,
    floor_faults,
    floor_of,
    imports_of,
    language_faults,
    package_faults,
    unit_of,
)


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
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in own}
    assert len(own) > 5 and sum(lines.values()) < 1700
    assert [name for name, n in lines.items() if n > MOST_LINES] == []


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


def test_importing_the_package_imports_nothing_heavy_and_nothing_that_only_unix_has():
    """In a fresh interpreter, every module but those made of torch: the command line included."""
    unix_only = ("fcntl", "grp", "pwd", "resource", "termios", "tty")
    light = [
        module.removesuffix(".__init__")
        for module in MODULES
        if unit_of(module) not in {*PACKAGES["torch"][0], "__main__"}
    ]
    heavy = [package for package, (_, top) in PACKAGES.items() if not top or package == "torch"]
    script = (
        f"import importlib, sys\nsys.modules.update(dict.fromkeys({unix_only!r}))\n"
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
