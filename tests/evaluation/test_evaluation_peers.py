"""Foreign separators: any command line, adapters that stay, and how they fail."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from isolde.core.errors import InputError
from isolde.evaluation.candidates.peers import ExternalCommand, PeerError, peer
from isolde.evaluation.runner import evaluate
from isolde.evaluation.songs import find_songs

RATE = 8000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three songs in the musdb layout, float WAV, 1.5 s; vocals 6 dB above each of two others."""
    generator = np.random.default_rng(0)
    for number, artist in enumerate(("Ann", "Ben", "Ann")):
        folder = tmp_path / "data" / "test" / f"{artist} - Song {number}"
        folder.mkdir(parents=True)
        for stem, level in (("vocals", 0.1), ("drums", 0.05), ("other", 0.05)):
            samples = level * generator.standard_normal((RATE * 3 // 2, 2))
            soundfile.write(folder / f"{stem}.wav", samples, RATE, subtype="FLOAT")
    return tmp_path / "data"


PEER = """
import json, sys, pathlib, soundfile
audio, rate = soundfile.read(sys.argv[1], always_2d=True)
out = pathlib.Path(sys.argv[2]) / "some" / "where"
out.mkdir(parents=True)
soundfile.write(out / "vocals.wav", audio * 0.25, rate, subtype="FLOAT")
(pathlib.Path(sys.argv[2]) / "measured.json").write_text(json.dumps({"cpu_seconds": 0.125}))
"""


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
        peer("echo", home=tmp_path)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    adapter = pickle.loads(pickle.dumps(peer("echo", home=tmp_path).separate))
    mixture = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    for count in (1, 2):
        assert np.array_equal(adapter(mixture, RATE)["vocals"], mixture)
        assert adapter.measured == {"cpu_seconds": count}
    with pytest.raises(PeerError, match="out of memory"):
        adapter(mixture, RATE)
    with pytest.raises(PeerError, match="broke off"):
        adapter(mixture, RATE)
    assert np.array_equal(adapter(mixture, RATE)["vocals"], mixture)
    assert adapter.measured == {"cpu_seconds": 1}
    adapter.program.close()


def test_peers_fail_loudly(tmp_path):
    mixture = np.zeros((1, 100), dtype=np.float32)
    code = "import sys; print('no such model', file=sys.stderr); sys.exit(3)"
    failing = ExternalCommand((sys.executable, "-c", code, "{input}", "{output}"))
    with pytest.raises(PeerError, match="code 3: no such model"):
        failing(mixture, RATE)
    lazy = ExternalCommand((sys.executable, "-c", "", "{input}", "{output}"))
    with pytest.raises(PeerError, match="no vocals"):
        lazy(mixture, RATE)
    slow = ExternalCommand(
        (sys.executable, "-c", "import time; time.sleep(9)", "{input}", "{output}"), timeout=0.2
    )
    with pytest.raises(PeerError, match="more than"):
        slow(mixture, RATE)
    with pytest.raises(PeerError, match="cannot start"):
        ExternalCommand(("/no/such/program", "{input}", "{output}"))(mixture, RATE)
    with pytest.raises(InputError, match="output"):
        peer("x=program {input}")
    with pytest.raises(InputError, match="no adapter"):
        peer("nobody", home=tmp_path)
