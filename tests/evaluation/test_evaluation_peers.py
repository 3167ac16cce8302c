"""Foreign separators: any command line, adapters that stay, and how they fail."""

import os
import pickle
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.shell import Shell
from helpers.songs import three_songs
from isolde.core.errors import InputError
from isolde.evaluation.candidates.peers import peer
from isolde.evaluation.runner import evaluate
from isolde.evaluation.songs import find_songs
from isolde.separation.external import ExternalError, ExternalSeparator, read_stems

RATE = 8000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_songs(tmp_path / "data", RATE)


PEER = """
import json, sys, pathlib, soundfile
audio, rate = soundfile.read(sys.argv[1], always_2d=True)
out = pathlib.Path(sys.argv[2]) / "some" / "where"
out.mkdir(parents=True)
soundfile.write(out / "vocals.wav", audio * 0.25, rate, subtype="FLOAT")
(pathlib.Path(sys.argv[2]) / "measured.json").write_text(json.dumps({"cpu_seconds": 0.125}))
"""


@pytest.mark.slow
def test_a_peer_is_any_command(tmp_path, data):
    script = tmp_path / "peer.py"
    script.write_text(PEER)
    candidate = peer(f"quarter={sys.executable} {script} {{input}} {{output}}")
    results = evaluate(find_songs(data), [candidate], results=tmp_path / "r.jsonl")
    stems = find_songs(data)[0].load()
    out = candidate(stems)
    assert np.abs(out["vocals"] - 0.25 * stems.mixture).max() < 1e-7
    assert np.array_equal(out["accompaniment"], stems.mixture - out["vocals"])
    assert [result.cpu_seconds for result in results] == [0.125] * 3
    assert results[0].kind == "peer" and results[0].identity


def test_a_script_named_from_here_is_found_from_other_folders(tmp_path, monkeypatch):
    """Workers of a scheduler have folders of their own; what PATH finds stays a name."""
    monkeypatch.chdir(tmp_path)
    Path("tools").mkdir()
    Path("tools/half.py").touch()
    Path("python3").touch()
    command = peer("x=python3 tools/half.py {input} {output}").separate.command
    assert command == ("python3", str(tmp_path / "tools" / "half.py"), "{input}", "{output}")


def test_a_script_that_was_edited_is_another_peer(tmp_path):
    script = tmp_path / "peer.py"
    identities = []
    for text in (PEER, PEER, PEER.replace("0.25", "0.5")):
        script.write_text(text)
        identities.append(peer(f"x={sys.executable} {script} {{input}} {{output}}").identity)
    assert identities[0] == identities[1] != identities[2]


SERVER = """
import json, sys, pathlib, shutil
for count, line in enumerate(sys.stdin, start=1):
    task = json.loads(line)
    if count == 3:
        print(json.dumps({"error": "out of memory"}), flush=True)
        continue
    if count == 4:
        sys.exit(1)
    shutil.copy(task["input"], pathlib.Path(task["output"]) / "vocals.wav")
    (pathlib.Path(task["output"]) / "measured.json").write_text(json.dumps({"cpu_seconds": count}))
    print("{}", flush=True)
"""


def test_an_adapter_stays_and_is_started_again_when_it_breaks_off(tmp_path):
    folder = tmp_path / "echo"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "separate.py").write_text(SERVER)
    with pytest.raises(InputError, match=r"setup\.sh"):
        peer(str(folder))
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    kept = pickle.dumps(peer(str(folder)).separate)
    mixture = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    for count in (1, 2):
        adapter = pickle.loads(kept)  # every song's task brings a copy: they share one program
        assert np.array_equal(adapter(mixture, RATE)["vocals"], mixture)
        assert adapter.measured == {"cpu_seconds": count}
    with pytest.raises(ExternalError, match="out of memory"):
        adapter(mixture, RATE)
    with pytest.raises(ExternalError, match="broke off: it ended with exit code 1"):
        adapter(mixture, RATE)
    assert np.array_equal(adapter(mixture, RATE)["vocals"], mixture)
    assert adapter.measured == {"cpu_seconds": 1}
    adapter.close()


def test_a_program_that_stays_and_does_not_tell_its_time_has_none(tmp_path, data):
    """Its CPU time was taken to be that of this process, which only waits for it."""
    script = tmp_path / "echo.py"
    script.write_text(SERVER.replace("cpu_seconds", "other").replace("count == ", "0 * "))
    candidate = peer(f"x={sys.executable} {script} --serve")
    for result in evaluate(find_songs(data)[:1], [candidate], results=tmp_path / "r.jsonl"):
        assert result.error is None and np.isnan(result.cpu_seconds) and np.isnan(result.speed)
    candidate.separate.close()


def test_peers_fail_loudly(tmp_path):
    mixture = np.zeros((1, 100), dtype=np.float32)
    code = "import sys; print('no such model', file=sys.stderr); sys.exit(3)"
    failing = ExternalSeparator((sys.executable, "-c", code, "{input}", "{output}"), "it")
    with pytest.raises(ExternalError, match=r"it failed \(3\): no such model"):
        failing(mixture, RATE)
    lazy = ExternalSeparator((sys.executable, "-c", "", "{input}", "{output}"), "it")
    with pytest.raises(ExternalError, match="no vocals"):
        lazy(mixture, RATE)
    sleep = (sys.executable, "-c", "import time; time.sleep(9)", "{input}", "{output}")
    slow = ExternalSeparator(sleep, "it", timeout=0.2)
    with pytest.raises(ExternalError, match="more than"):
        slow(mixture, RATE)
    with pytest.raises(ExternalError, match="cannot be started"):
        ExternalSeparator(("/no/such/program", "{input}", "{output}"), "it")(mixture, RATE)
    with pytest.raises(InputError, match=r"no \{output\}"):
        peer(f"x={sys.executable} {{input}}")
    with pytest.raises(InputError, match=r"no folder with a separate\.py: give the path of one"):
        peer("nobody")


TALKER = """
import json, sys, time
for line in sys.stdin:
    json.loads(line)
    print(sys.argv[1], flush=True)
"""


@pytest.mark.parametrize("said", ["loading weights", "[]", "3"])
def test_only_an_object_is_an_answer(tmp_path, said):
    script = tmp_path / "talker.py"
    script.write_text(TALKER)
    talker = ExternalSeparator((sys.executable, str(script), said, "--serve"), "it")
    line = rf"it answered '{re.escape(said)}' and no JSON object: let it print logs to standard er"
    with pytest.raises(ExternalError, match=line):
        talker(np.zeros((1, 100), np.float32), RATE)


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="groups of processes")
@pytest.mark.parametrize("marks", [("--serve",), ("{input}", "{output}")])
def test_a_program_that_hangs_is_ended_with_its_children(tmp_path, marks):
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    command = (sys.executable, str(script), str(told), *marks)
    hanging = ExternalSeparator(command, "it", timeout=1.0)
    with pytest.raises(ExternalError, match="it took more than 1 s and was ended"):
        hanging(np.zeros((1, 100), np.float32), RATE)
    assert wait_for(lambda: has_ended(told.read_text()))


def test_the_time_of_peers_is_an_option(tmp_path, data, isolde: Shell):
    hanging = f"x={sys.executable} -c 'import time; time.sleep(60)' {{input}} {{output}}"
    words = ("--peers", hanging, "--timeout", 0.2, "--limit", 1, "-o", tmp_path / "out")
    code, out, _ = isolde("evaluate", "--data", data, "--models", ",", *words)
    assert code == 1 and "x took more than 0.2 s and was ended" in "\n".join(out)
    code, _, err = isolde("evaluate", "--data", data, "--models", ",", *words[:3], 0)
    assert code == 2 and err[-1].startswith("isolde: 0 s for a song: give more than 0")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_nothing_of_a_peer_goes_on_when_isolde_is_ended(tmp_path, data, jobs):
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    words = ["--peers", f"x={sys.executable} {script} {told} {{input}} {{output}}", "--jobs", jobs]
    command = [sys.executable, "-m", "isolde", "evaluate", "--data", str(data), "--models", ","]
    running = subprocess.Popen([*command, "-o", str(tmp_path / "out"), *words])
    assert wait_for(lambda: told.exists() and told.read_text())
    running.terminate()
    assert running.wait(30) == 143
    assert wait_for(lambda: has_ended(told.read_text()))


def has_ended(pid):
    try:
        os.kill(int(pid), 0)
        stat = Path("/proc", pid, "stat")  # its new parent may not have looked
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, ValueError):
        return True


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_threads_take_turns_with_a_program_that_stays(tmp_path):
    script = tmp_path / "echo.py"
    script.write_text(SERVER.replace("count == 3", "False").replace("count == 4", "False"))
    echo = pickle.dumps(ExternalSeparator((sys.executable, str(script), "--serve"), "it"))
    songs = [np.full((1, 2000), k / 8, np.float32) for k in range(8)]

    def separate(song):
        return pickle.loads(echo)(song, RATE)["vocals"]

    with ThreadPoolExecutor(4) as threads:
        for song, vocals in zip(songs, threads.map(separate, songs), strict=True):
            assert np.array_equal(vocals, song)
    pickle.loads(echo).close()


def test_a_stem_has_one_file_and_other_is_a_sum_of_instruments(tmp_path):
    """One table of names, one slack, one rule of channels, whoever asks."""
    rng = np.random.default_rng(1)
    mixture, (v, g, p) = np.zeros((2, 400), np.float32), rng.uniform(-0.1, 0.1, (3, 400))
    for name, sound in (("vocals.wav", v), ("deep/voice.flac", g), ("no_vocals.wav", g)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, sound, RATE)
    soundfile.write(tmp_path / "Guitar.wav", g, RATE)
    soundfile.write(tmp_path / "piano.wav", np.append(p, np.zeros(30)), RATE)
    stems = read_stems(tmp_path, mixture, RATE, name="it")
    assert list(stems) == ["vocals", "accompaniment", "other"]
    for stem, wanted in (("vocals", v), ("accompaniment", g), ("other", g + p)):
        assert np.abs(stems[stem] - wanted).max() < 2.5 / 32768  # 16 bit, each file
        assert stems[stem].shape == mixture.shape
    soundfile.write(tmp_path / "piano.wav", np.append(p, np.zeros(RATE)), RATE)
    with pytest.raises(ExternalError, match=r"it wrote a piano\.wav of 1\.05 s for a mixture of 0"):
        read_stems(tmp_path, mixture, RATE, name="it")
