"""What would be published: an index takes sdist and wheel, and the usual tools run them."""

import os
import sys
import tarfile
from pathlib import Path

import pytest

from helpers import shell

pytest.importorskip("build", reason="build is not installed: make setup-dev")
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TAKEN = ("README.md", "LICENSE", "NOTICE", "pyproject.toml", "docs/isolde.1", "src")

pytestmark = pytest.mark.slow


def run(*command: str | Path, **variables: str) -> str:
    """What a command prints; it must succeed."""
    return shell.run(*command, env={**os.environ, **variables}).stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sdist and wheel, the wheel built from the sdist, as an index would get them."""
    folder = tmp_path_factory.mktemp("published")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy(folder.parent))
    return folder


def copy(folder: Path) -> Path:
    """A copy of what is built, so that nothing stale gets in and nothing is left behind."""
    target = folder / "source"
    with tarfile.open(folder / "source.tar", "w") as tar:
        for name in TAKEN:
            tar.add(ROOT / name, name, filter=lambda t: None if "__pycache__" in t.name else t)
    with tarfile.open(folder / "source.tar") as tar:
        tar.extractall(target, filter="data")
    return target


def test_the_index_would_take_both_and_render_the_description(published: Path):
    files = sorted(published.iterdir())
    assert [path.name for path in files] == ["isolde-0.1.0-py3-none-any.whl", "isolde-0.1.0.tar.gz"]
    assert run(sys.executable, "-m", "twine", "check", "--strict", *files).count("PASSED") == 2


@pytest.fixture(scope="module")
def index(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local index: the wheel, and all that it needs at the pinned versions."""
    folder = tmp_path_factory.mktemp("index")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder)
    run(*pip, "--constraint", ROOT / "constraints.txt", next(published.glob("*.whl")))
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder in which uv keeps what it has unpacked, away from that of who runs the tests."""
    return str(tmp_path_factory.mktemp("unpacked"))


def test_uv_runs_it_without_installing_it(index: Path, unpacked: str):
    words = ("--no-index", "--find-links", index, "--python", sys.executable, "isolde", "--version")
    printed = run(BIN / "uvx", *words, UV_CACHE_DIR=unpacked)
    assert printed.strip() == "isolde 0.1.0"


def test_uv_installs_it_as_a_tool(index: Path, unpacked: str, tmp_path: Path):
    folders = {f"UV_{name}_DIR": str(tmp_path / name) for name in ("TOOL", "TOOL_BIN")}
    folders["UV_CACHE_DIR"] = unpacked
    words = ("--no-index", "--find-links", index, "--python", sys.executable, "isolde")
    run(BIN / "uv", "tool", "install", *words, **folders)
    assert "ok" in run(tmp_path / "TOOL_BIN" / "isolde", "doctor")


def test_pipx_installs_it(index: Path, unpacked: str, tmp_path: Path):
    folders = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")}
    folders["UV_CACHE_DIR"] = unpacked
    offline = {
        f"{tool}_{name}": value  # pipx works with either
        for tool in ("PIP", "UV")
        for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(index)))
    }
    run(sys.executable, "-m", "pipx", "install", "isolde", **folders, **offline)
    assert run(tmp_path / "PIPX_BIN_DIR" / "isolde", "--version").strip() == "isolde 0.1.0"
    page = tmp_path / "PIPX_MAN_DIR" / "man1" / "isolde.1"  # where `man isolde` finds it
    assert page.read_bytes() == (ROOT / "docs" / "isolde.1").read_bytes()
