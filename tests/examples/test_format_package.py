"""The example of a package that gives a format: installed by pip, found by name and by suffix."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.shell import run_python
from helpers.sounds import noise

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "isolde-format-example"
BROKEN = "import nothing_of_that_name\n"
METADATA = "Metadata-Version: 2.1\nName: broken\nVersion: 1\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages: the example by pip, and one whose format cannot be imported."""
    folder = tmp_path_factory.mktemp("packages")
    copy, site = folder / "copy", folder / "site"  # building leaves things behind
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "egg-info" not in str(path) and path.suffix != ".pyc":
            target = copy / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site)
    run_python("-m", "pip", "install", *options, copy)
    (site / "broken_format.py").write_text(BROKEN)
    info = site / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[isolde.formats]\nbroken = broken_format:formats\n")
    return site


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(site), str(ROOT / "src")])
    return {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}


@pytest.mark.slow
def test_stems_are_written_in_the_format_of_a_package(environment: dict[str, str], tmp_path: Path):
    audio = noise(2, 40_000)
    soundfile.write(tmp_path / "song.wav", audio.T, 44100, subtype="PCM_24")
    words = ("-m", "isolde", "separate", "song.wav", "--format", "aiff", "-o", "out")
    said = run_python(*words, env=environment, cwd=tmp_path)
    assert "broken" not in said.stderr  # a package that fails is not asked for, and stops nothing
    stems = sorted((tmp_path / "out" / "song").iterdir())
    assert [path.name for path in stems] == ["accompaniment.aiff", "vocals.aiff"]
    info = soundfile.info(stems[0])
    assert (info.format, info.subtype, info.frames) == ("AIFF", "PCM_24", 40_000)
    parts = [soundfile.read(path)[0] for path in stems]
    assert np.abs(sum(parts).T - audio).max() < 3 * 2**-23


def test_the_suffix_of_a_path_means_the_format(environment: dict[str, str], tmp_path: Path):
    script = (
        "import numpy as np\n"
        "from isolde.audio import read, write\n"
        "tone = 0.9 * np.sin(np.arange(4410) / 9, dtype=np.float32)\n"
        "write('tone.AIFF', tone, 44100, tags={'title': 'Tone'})\n"
        "back, rate = read('tone.AIFF')\n"
        "assert rate == 44100 and np.abs(back - tone).max() <= 0.5 / 32768 + 1e-7\n"
    )
    run_python("-c", script, env=environment, cwd=tmp_path)
    assert soundfile.SoundFile(tmp_path / "tone.AIFF").title == "Tone"
    run_python("-c", script, env=environment, cwd=tmp_path, code=1)  # it is there already
    assert [path.name for path in tmp_path.iterdir()] == ["tone.AIFF"]


@pytest.mark.slow
def test_help_and_doctor_name_the_format_and_doctor_the_package_that_fails(
    environment: dict[str, str],
):
    for verb in ("separate", "karaoke"):
        printed = run_python("-m", "isolde", verb, "--help", env=environment).stdout
        assert "Of installed packages: aiff." in " ".join(printed.replace("│", " ").split()), verb
    lines = run_python("-m", "isolde", "doctor", env=environment, code=2).stdout.splitlines()
    assert [line.split() for line in lines if "format aiff" in line] == [
        ["ok", "format", "aiff", ".aiff", "by", "isolde_format_example"]
    ]
    (line,) = [line for line in lines if line.startswith("broken")]
    assert "'broken_format:formats'" in line and "nothing_of_that_name" in line


def test_an_unknown_format_is_one_line_that_tells_what_was_lost(
    environment: dict[str, str], tmp_path: Path
):
    soundfile.write(tmp_path / "song.wav", noise(2, 4000).T, 44100)
    words = ("-m", "isolde", "separate", "song.wav", "--format", "qoa", "-o", "out")
    said = run_python(*words, env=environment, cwd=tmp_path, code=2).stderr.splitlines()
    assert len(said) == 1
    assert "m4a, alac, aiff; the formats of the package entry 'broken_format:formats'" in said[0]
    assert not (tmp_path / "out").exists()
