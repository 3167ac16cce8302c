"""Several songs side by side: the same files as one by one, resumed, interrupted, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import isolde as isolde_package
from helpers.shell import Shell
from helpers.songs import contents, music
from helpers.sounds import noise
from isolde.audio import write
from isolde.core.atomic import Draft
from isolde.core.journal import Journal
from isolde.core.unfinished import remove_stale
from isolde.separation import FileSettings, SeparationSettings, separate_songs, songs_in


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


def test_a_client_killed_before_the_journals_line_is_resumed(
    isolde: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its files are there and no line says that they are finished: they are its own."""
    music(tmp_path / "music", 2)
    command = ("separate", "music", "-o", "out", "--resume")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", killed)
        assert isolde(*command)[0] == 130
    first = contents(Path("out"))
    assert sorted(first) == ["song 0/accompaniment.wav", "song 0/vocals.wav"]
    Path("out/song 0/vocals.wav").unlink()  # or killed between the song's files
    assert isolde(*command)[0] == 0
    assert first.items() < contents(Path("out")).items()
    assert len(contents(Path("out"))) == 4


@pytest.mark.parametrize("link", [False, True])
def test_a_run_is_resumed_from_another_folder(
    isolde: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
):
    music(tmp_path / "music", 1)
    options = ("--resume", "--stem", "vocals", "--model", "vocals")
    assert isolde("separate", "music", "-o", "out", *options)[0] == 0
    made = Path("out/song 0/vocals.wav").stat().st_mtime_ns
    (tmp_path / "other").mkdir()
    monkeypatch.chdir("other")
    there = Path("..")
    if link:
        there = Path("link")
        there.symlink_to(tmp_path)
    command = ("separate", there / "music", "-o", there / "out", *options)
    assert isolde(*command, "--check")[:2] == (0, [])
    code, out, err = isolde(*command)
    assert (code, out, err) == (0, [str(there / "out/song 0/vocals.wav")], [])
    assert Path(out[0]).stat().st_mtime_ns == made


def test_a_run_without_a_journal_can_be_resumed(isolde: Shell, tmp_path: Path):
    songs = music(tmp_path / "music", 3)
    assert isolde("separate", *songs[:2], "-o", "out")[0] == 0
    before = contents(Path("out"))
    write(Path("out/song 2/vocals.wav"), noise(2, 20_000), 22050)  # half a song, or not ours
    code, out, err = isolde("separate", "music", "-o", "out", "--resume")
    assert code == 2 and len(out) == 4
    assert sum("without --resume" in line for line in err) == 2
    assert any("song 2/vocals.wav: exists already" in line for line in err)
    assert any("--skip-existing" in line for line in err)
    write(songs[0], noise(2, 10_000), 22050, overwrite=True)  # not the song of these stems
    code, _, err = isolde("separate", songs[0], "-o", "out", "--resume")
    assert code == 2 and "exists already" in err[0]
    assert before.items() <= contents(Path("out")).items()


def test_existing_stems_can_be_skipped(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 2)
    write("out/song 0/vocals.wav", noise(1, 10), 22050)
    write("out/song 1/vocals.wav", noise(1, 20), 22050)
    write("out/song 1/accompaniment.wav", noise(1, 30), 22050)
    before = contents(Path("out"))
    code, out, err = isolde("separate", "music", "-o", "out", "--skip-existing", "--json")
    assert code == 0 and len(out) == 2 and "song 1: exists already: skipped" in err[0]
    after = contents(Path("out"))
    assert before.items() < after.items() and len(after) == 4  # the missing stem of song 0


def test_a_stem_that_was_skipped_belongs_to_its_song(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 1)
    command = ("separate", "music", "-o", "out", "--model", "vocals")
    assert isolde(*command, "--stem", "vocals")[0] == 0
    assert isolde(*command, "--resume", "--skip-existing")[0] == 0
    whole = contents(Path("out"))
    assert isolde(*command, "--check")[:2] == (0, [])
    Path("out/song 0/vocals.wav").unlink()
    assert isolde(*command, "--check")[0] == 2
    assert isolde(*command, "--resume")[0] == 0
    assert contents(Path("out")) == whole


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminated_run_leaves_nothing_hidden_and_a_killed_one_until_the_next(
    tmp_path: Path, jobs: str
):
    music(tmp_path / "music", 2, n_samples=22050 * 60)
    command = [sys.executable, "-m", "isolde", "separate", "music", "-o", "out", "--jobs", jobs]
    here = str(Path(isolde_package.__file__).parents[1])

    def stopped(how: signal.Signals) -> int:
        running = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": here},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while running.poll() is None and not list(tmp_path.glob("out/*/.isolde-*")):
            time.sleep(0.02)
        running.send_signal(how)
        _, said = running.communicate()
        assert "Traceback" not in said
        return running.returncode

    assert stopped(signal.SIGTERM) == 143
    deadline = time.monotonic() + 10
    while (left := list(tmp_path.glob("out/*/.isolde-*"))) and time.monotonic() < deadline:
        time.sleep(0.1)  # the workers of several processes end a moment later
    assert not left
    if jobs == "1":
        stopped(signal.SIGKILL)
        (remains,) = {p.parent for p in tmp_path.glob("out/*/.isolde-*")}
        remove_stale(remains)
        assert not list(tmp_path.glob("out/*/.isolde-*"))


def test_what_somebody_is_writing_is_not_removed(tmp_path: Path):
    with Draft(tmp_path / "a") as mine:
        mine.path.write_text("half")
        with Draft(tmp_path / "b") as other:
            other.path.write_text("b")
        assert mine.path.exists()
        parts = mine.path.name.split("-")
        foreign = tmp_path / "-".join([parts[0], "0" * 8, *parts[2:]])
        foreign.write_text("of another machine")
        remove_stale(tmp_path)
        assert foreign.exists()
        os.utime(foreign, (1, 1))
        remove_stale(tmp_path)
        assert not foreign.exists() and mine.path.exists()
    assert (tmp_path / "a").read_text() == "half"


@pytest.mark.slow
def test_nothing_is_overwritten_unasked_in_a_batch_either(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 2)
    write("out/song 1/vocals.wav", noise(1, 10), 22050)
    before = contents(tmp_path / "out")
    code, out, err = isolde("separate", "music", "-o", "out", "--jobs", "2", "--stem", "vocals")
    assert code == 2 and "exists already" in err[0]
    assert out == ["out/song 0/vocals.wav"]
    assert before.items() <= contents(tmp_path / "out").items()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_song_that_takes_too_long_is_given_up_and_leaves_nothing(isolde: Shell, tmp_path: Path):
    music(tmp_path / "music", 1, n_samples=22050 * 60)
    code, out, err = isolde("separate", "music", "-o", "out", "--timeout", "0.3")
    assert code == 2 and not out
    assert "song 0: took longer than 0.3 s" in err[0]
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]
    assert isolde("separate", "music", "-o", "out", "--timeout", "0")[0] == 2


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_stems_that_another_run_made_meanwhile_are_not_replaced(isolde: Shell, tmp_path: Path):
    (song,) = music(tmp_path / "music", 1)
    settings = FileSettings(Path("out"), separation=SeparationSettings("article"))
    theirs = Path("out/song 0/vocals.wav")
    said: list[str] = []

    def other_run(_song: object, _share: float) -> None:
        if not theirs.exists():
            theirs.write_bytes(b"another run's")

    (done,) = separate_songs(
        songs_in([song], settings),
        settings,
        report=lambda _song, _done, error: said.append(error or ""),
        progress=other_run,
    )
    assert done is None
    assert len(said) == 1 and "vocals.wav: exists already" in said[0]
    assert theirs.read_bytes() == b"another run's"
    assert [path.name for path in theirs.parent.iterdir()] == ["vocals.wav"]
