"""The one-file program separates without Python: in a chroot with glibc and nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers import shell
from helpers.songs import demo_song

PROGRAM = Path(__file__).resolve().parents[2] / "build" / "app" / "isolde"
CHROOT = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "chroot"
SECONDS = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="the program is not built: make app"),
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may change the root"
    ),
]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder that holds the program, the C library and a song."""
    root = tmp_path_factory.mktemp("bare")
    for name in ("tmp", "dev/shm", "songs"):
        (root / name).mkdir(parents=True)
    listed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    libraries = {Path(word) for word in listed.split() if word.startswith("/")}
    home = next(path.parent for path in libraries if path.name == "libc.so.6")
    # the rest of glibc, which what the program unpacks is linked with
    libraries |= {home / name for name in ("libm.so.6", "librt.so.1", "libutil.so.1")}
    for path in libraries:
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copy(PROGRAM, root / "isolde")
    for name in ("one", "two"):
        demo_song(root / "songs" / f"{name}.flac", SECONDS)
    return root


def run(root: Path, *words: str) -> str:
    """What the program prints inside the root folder; it must succeed."""
    return shell.run(CHROOT, root, "/isolde", *words, env={}).stdout


def test_there_is_no_python(bare: Path):
    assert [path for path in bare.rglob("*python*") if path.is_file()] == []


def test_it_separates_several_songs_in_several_processes(bare: Path):
    run(bare, "separate", "/songs", "-o", "/stems", "--jobs", "2")
    for name in ("one", "two"):
        mixture = soundfile.read(bare / "songs" / f"{name}.flac")[0]
        parts = [
            soundfile.read(bare / "stems" / name / f"{stem}.wav")[0]
            for stem in ("vocals", "accompaniment")
        ]
        assert np.abs(sum(parts) - mixture).max() < 1e-4
        assert np.std(parts[0]) > 0.01


def test_its_doctor_finds_nothing_broken(bare: Path):
    lines = run(bare, "doctor").splitlines()
    assert not (bare / "dev" / "null").exists()
    assert not any("broken" in line for line in lines)
    assert sum(line.startswith("ok ") and " model " in line for line in lines) >= 6
