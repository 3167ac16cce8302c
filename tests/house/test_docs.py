"""The pages build, with the API reference, and a link that leads nowhere stops them."""

import html
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import isolde
import isolde.activity
import isolde.audio
import isolde.karaoke

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'isolde[docs]'")
ROOT = Path(__file__).resolve().parents[2]


def build(project: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages of a copy of the project."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mkdocs", "build"]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages are built from."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("src", "examples"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.slow
def test_the_pages_build_and_hold_the_reference(project: Path):
    done = build(project)
    assert done.returncode == 0, done.stderr
    reference = (project / "build/site/reference/index.html").read_text("utf-8")
    for package in (isolde, isolde.activity, isolde.audio, isolde.karaoke):
        for name in set(package.__all__) - {"__version__"}:
            places = (package.__name__, "isolde.core.errors")
            assert any(f'id="{place}.{name}"' in reference for place in places), name
    contract = html.unescape((project / "build/site/design/onnx.html").read_text("utf-8"))
    for name in ("onnx_reader.py", "onnx_reader.mjs"):  # the files themselves are shown
        lines = (ROOT / "examples" / name).read_text("utf-8").splitlines()
        assert len(lines) > 50 and all(line in contract for line in lines), name


@pytest.mark.slow
def test_a_link_that_leads_nowhere_stops_the_build(project: Path):
    (project / "docs" / "broken.md").write_text("# Broken\n\n[nowhere](guide/nowhere.md)\n")
    assert build(project).returncode != 0
