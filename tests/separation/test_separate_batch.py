"""Several songs side by side: the same files as one by one, resumed, interrupted, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import isolde as isolde_package
from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import write
from isolde.separation import FileSettings, separate_songs, songs_in


def music(folder: Path, n: int, n_samples: int = 20_000) -> list[Path]:
    """Songs of noise, none like another."""
    paths = [folder / f"song {k}.wav" for k in range(n)]
    for k, path in enumerate(paths):
        write(path, np.roll(noise(2, n_samples), 997 * k, axis=1), 22050)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the journal."""
    files = (p for p in folder.rglob("*") if p.is_file() and "journal" not in p.name)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_processes_write_the_same_files_and_a_bad_song_stops_none(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 3)
    (tmp_path / "music" / "bad.wav").write_bytes(b"this is no audio at all, whatever its name says")
    assert isolde("separate", "music", "-o", "one")[0] == 2
    code, out, err = isolde("separate", "music", "-o", "two", "--jobs", "2")
    assert code == 2
    assert len(out) == 6 and all(Path(line).is_file() for line in out)
    assert len(err) == 2 and "bad.wav" in err[0] and "1 of 4" in err[1]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_resumed_batch_does_only_what_is_missing(isolde: Shell, tmp_path: Path):
    songs = music(tmp_path / "music", 3)
    command = ("separate", "music", "-o", "out", "--resume", "--stem", "vocals", "--json")
    assert isolde("separate", songs[0], "-o", "out", "--resume", *command[-3:])[0] == 0
    first = Path("out/song 0/vocals.wav")
    made = first.stat().st_mtime_ns
    code, out, _ = isolde(*command)
    assert code == 0
    assert sorted(json.loads(line)["track"] for line in out) == ["song 0", "song 1", "song 2"]
    assert first.stat().st_mtime_ns == made
    whole = contents(Path("out"))
    Path("out/song 1/vocals.wav").unlink()  # someone took it away
    assert isolde(*command)[0] == 0
    assert contents(Path("out")) == whole
    assert first.stat().st_mtime_ns == made
    write(songs[0], 0.5 * noise(2, 20_000), 22050, overwrite=True)  # another song by that name
    code, _, err = isolde(*command)
    assert code == 2 and "exists already" in err[0]  # its stem is not ours to replace
    assert isolde(*command, "--overwrite")[0] == 0
    assert contents(Path("out"))["song 0/vocals.wav"] != whole["song 0/vocals.wav"]


def test_nothing_is_overwritten_unasked_in_a_batch_either(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 2)
    write("out/song 1/vocals.wav", noise(1, 10), 22050)
    before = contents(tmp_path / "out")
    code, out, err = isolde("separate", "music", "-o", "out", "--jobs", "2", "--stem", "vocals")
    assert code == 2 and "exists already" in err[0]
    assert out == ["out/song 0/vocals.wav"]
    assert before.items() <= contents(tmp_path / "out").items()


def test_ctrl_c_ends_all_processes_and_leaves_nothing_half_written(tmp_path: Path):
    music(tmp_path / "music", 4, n_samples=22050 * 60)
    command = [sys.executable, "-m", "isolde", "separate", "music", "-o", "out", "--jobs", "2"]
    here = str(Path(isolde_package.__file__).parents[1])
    running = subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": here},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while running.poll() is None and not list(tmp_path.glob("out/*/.isolde-*")):
        time.sleep(0.02)  # until a worker has begun to write
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130
    assert "Traceback" not in said
    left = [p for p in tmp_path.glob("out/**/*") if p.is_file()]
    assert not [p for p in left if p.name.startswith(".isolde-")]
    # a song that was finished at that moment is whole: both stems, or none
    assert all(len(list(p.parent.iterdir())) == 2 for p in left)


def test_a_killed_dask_worker_costs_no_song(tmp_path: Path):
    distributed = pytest.importorskip("distributed")
    songs = songs_in([*music(tmp_path / "music", 5)])
    stems = ("vocals",)
    alone = FileSettings(output=tmp_path / "alone", stems=stems)
    assert None not in separate_songs(songs, alone)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as cluster:
        victims: list[int] = []

        def kill_one(*_: object) -> None:
            if not victims:
                victims.append(next(iter(cluster.workers.values())).pid)
                os.kill(victims[0], signal.SIGKILL)

        together = FileSettings(output=tmp_path / "together", stems=stems)
        done = separate_songs(
            songs, together, scheduler=cluster.scheduler_address, resume=True, report=kill_one
        )
    assert victims and None not in done
    together_now = contents(tmp_path / "together")
    # what a killed process was writing stays behind, hidden: it had no time to take it away
    whole = {k: v for k, v in together_now.items() if not Path(k).name.startswith(".isolde-")}
    assert contents(tmp_path / "alone") == whole
