"""What a user gets from `pip install isolde`: the built wheel in a fresh venv, without extras.

The venv gets the runtime dependencies at the versions of constraints.txt. From then on nothing
in it can reach the network: connecting a socket raises.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.shell import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STEMS = ("vocals", "drums", "bass", "other")
MAX_INSTALLED = 356e6  # bytes of everything that `pip install isolde` brings
MAX_WHEEL = 52.5e6  # bytes: two pairs of U-Nets of 18 MB each, and the networks of our own

OFFLINE = """
import socket

def refuse(self, address, *rest):
    if self.family != getattr(socket, "AF_UNIX", None):
        raise RuntimeError(f"isolde tried to reach {address}")
    raise ConnectionRefusedError(address)

socket.socket.connect = socket.socket.connect_ex = refuse
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing stale gets in and nothing is left behind."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder)
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "isolde.1", folder / "docs")
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder / "dist", folder)
    (built,) = (folder / "dist").glob("isolde-*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a venv that holds the wheel and what it depends on, and not even pip."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = (sys.executable, "-m", "pip", "--python", python_of(venv), "install", "--quiet")
    run(*pip, "--constraint", ROOT / "constraints.txt", wheel)
    return venv


def python_of(venv: Path) -> Path:
    """The interpreter of a venv."""
    return venv / ("Scripts" if os.name == "nt" else "bin") / "python"


def packages_of(venv: Path) -> Path:
    """The site-packages folder of a venv."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(python_of(venv), "-c", script).stdout.strip())


def alone(venv: Path) -> dict[str, str]:
    """An environment in which only the venv and the system's own commands can be found."""
    path = os.pathsep.join([str(python_of(venv).parent), os.defpath])
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
    return {**kept, **proxies, "PATH": path, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def write_in_blocks(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    """Write (n_samples, n_channels) audio; one large Vorbis write crashes some libsndfiles."""
    with soundfile.SoundFile(path, "w", sample_rate, audio.shape[1]) as file:
        for start in range(0, len(audio), 4096):
            file.write(audio[start : start + 4096])


def test_the_wheel_holds_the_package_its_models_and_its_song(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"isolde/audio/demo_song/{stem}.ogg" for stem in STEMS} <= names
    assert "isolde/py.typed" in names
    page = ROOT / "src" / "isolde" / "studio" / "page"
    parts = {p.relative_to(ROOT / "src").as_posix() for p in page.rglob("*") if p.is_file()}
    assert len(parts) > 10 and parts <= names
    for folder in ("models", "data"):
        here = ROOT / "src" / "isolde" / folder
        files = [p for p in here.rglob("*") if p.suffix in (".onnx", ".json", ".ogg")]
        assert {p.relative_to(ROOT / "src").as_posix() for p in files} <= names
    assert {Path(name).name for name in names} >= {"LICENSE", "NOTICE", "METADATA"}
    data = wheel_info(wheel).removesuffix(".dist-info") + ".data"
    assert f"{data}/data/share/man/man1/isolde.1" in names
    tops = {"isolde", wheel_info(wheel), data}
    assert not [name for name in names if name.split("/")[0] not in tops]
    assert wheel.stat().st_size < MAX_WHEEL


def wheel_info(wheel: Path) -> str:
    """The name of the metadata folder of a wheel."""
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"


def test_the_install_is_small_and_has_no_torch(fresh: Path):
    packages = packages_of(fresh)
    size = sum(p.stat().st_size for p in packages.rglob("*") if p.is_file())
    sizes = {
        folder.name: sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        for folder in packages.iterdir()
        if folder.is_dir()
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert size < MAX_INSTALLED, largest
    assert not {"torch", "matplotlib", "scipy", "librosa", "sounddevice"} & set(sizes)
    assert (fresh / "share" / "man" / "man1" / "isolde.1").is_file()


def test_the_installed_command_separates_a_song_offline(fresh: Path, tmp_path: Path):
    packages = packages_of(fresh)
    (packages / "offline.py").write_text(OFFLINE)
    (packages / "offline.pth").write_text("import offline\n")
    reach = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    reached = subprocess.run(
        [python_of(fresh), "-c", reach], env=alone(fresh), capture_output=True, text=True
    )
    assert "isolde tried to reach" in reached.stderr, "the network was not blocked"

    demo = packages / "isolde" / "audio" / "demo_song"
    decoded = {stem: soundfile.read(demo / f"{stem}.ogg", always_2d=True) for stem in STEMS}
    sample_rate = decoded["vocals"][1]
    away = tmp_path / "Straße and spaces"
    away.mkdir()
    write_in_blocks(away / "song.ogg", sum(audio for audio, _ in decoded.values()), sample_rate)

    command = shutil.which("isolde", path=alone(fresh)["PATH"])
    assert command and Path(command).is_relative_to(fresh)
    run(command, "separate", "song.ogg", "-o", "out", cwd=away, env=alone(fresh))

    mixture, _ = soundfile.read(away / "song.ogg", always_2d=True)
    parts = {}
    for stem in ("vocals", "accompaniment"):
        parts[stem], rate = soundfile.read(away / "out" / "song" / f"{stem}.wav", always_2d=True)
        assert rate == sample_rate
        assert parts[stem].shape == mixture.shape
        # Neither stem is the whole song or nothing: each holds 1 % to 99 % of the energy.
        assert 0.01 < np.sum(parts[stem] ** 2) / np.sum(mixture**2) < 0.99
    # Each stem is rounded to 16 bits once, half a step each; a whole step more for the dither.
    assert np.max(np.abs(sum(parts.values()) - mixture)) <= 2 / 32768
    assert sorted(p.name for p in away.iterdir()) == ["out", "song.ogg"]
