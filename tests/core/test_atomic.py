"""What is written appears whole or not at all, whatever interrupts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isolde.core import atomic
from isolde.core.atomic import Draft, write_bytes, write_text
from isolde.core.errors import AudioError
from isolde.core.unfinished import hidden_name, remove_stale


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path):
    target = tmp_path / "a" / "b" / "song.txt"
    with Draft(target) as draft:
        draft.path.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert [p.name for p in target.parent.iterdir()] == ["song.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_nothing_is_left_not_even_folders(tmp_path: Path, error):
    with pytest.raises(error), Draft(tmp_path / "a" / "b" / "song.txt") as draft:
        draft.path.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_when_the_new_one_fails(tmp_path: Path):
    target = tmp_path / "song.txt"
    target.write_text("old")
    with pytest.raises(ValueError), Draft(target) as draft:
        draft.path.write_text("new")
        raise ValueError
    assert target.read_text() == "old"
    write_text(target, "new")
    assert target.read_text() == "new"


def test_nothing_is_replaced_unasked_even_if_it_appears_late(tmp_path: Path):
    target = tmp_path / "song.txt"
    with pytest.raises(AudioError, match="exists already"):
        with Draft(target, overwrite=False) as draft:
            draft.path.write_text("mine")
            target.write_text("somebody's")
    assert target.read_text() == "somebody's"
    with pytest.raises(AudioError, match="exists already"):
        write_bytes(target, b"mine", overwrite=False)
    assert [p.name for p in tmp_path.iterdir()] == ["song.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path):
    target = tmp_path / "song"
    for name in ("old.txt", "new.txt"):
        with Draft(target) as draft:
            draft.path.mkdir()
            (draft.path / name).write_text("")
    assert [p.name for p in target.iterdir()] == ["new.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["song"]
    with pytest.raises(AudioError, match="exists already"):
        Draft(target, overwrite=False)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_replaced_that_appears_after_the_last_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    target = tmp_path / "song"
    draft = Draft(target, overwrite=False)
    monkeypatch.setattr(draft, "check", lambda: None)  # nothing was there when it looked
    if kind == "file":
        draft.path.write_text("mine")
        target.write_text("somebody's")
    else:
        draft.path.mkdir()
        target.mkdir()
        (target / "somebody's").touch()
    with pytest.raises(AudioError, match="song: exists already"):
        draft.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["song"]
    assert target.is_dir() or target.read_text() == "somebody's"
    assert kind == "file" or len([*target.iterdir()]) == 1


def test_a_file_system_without_hard_links_takes_new_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_text(tmp_path / "song.txt", "new", overwrite=False)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_replaced_folder_is_never_missing_and_what_is_left_of_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_swap: bool
):
    target, seen = tmp_path / "song", list[str]()
    target.mkdir()
    (target / "old.txt").touch()
    draft = Draft(target)
    draft.path.mkdir()
    if not can_swap:
        monkeypatch.setattr(atomic, "_swap", lambda one, other: False)

    def killed(path: Path, **_: object) -> None:
        seen.extend(found.name for found in path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        draft._replace_folder()
    assert seen == ["old.txt"] and not [*target.iterdir()]
    monkeypatch.undo()
    left = draft.path.rename(tmp_path / draft.path.name.replace(f"-{os.getpid()}-", "-99999999-"))
    remove_stale(tmp_path)
    assert not left.exists()


def test_what_an_earlier_process_of_this_number_left_is_removed(tmp_path: Path):
    """In a container that is started again, processes get the numbers of those before."""
    mine, dead = tmp_path / hidden_name(), tmp_path / f"{hidden_name()[:-17]}{'0' * 12}.part"
    at_once = tmp_path / f"{hidden_name()[:-17]}{'1' * 12}.part"  # by another container
    for path in (mine, dead, at_once):
        path.touch()
    os.utime(dead, (1e9, 1e9))
    remove_stale(tmp_path)
    assert {*tmp_path.iterdir()} == {mine, at_once}


def test_an_entry_that_cannot_be_removed_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dead = [tmp_path / hidden_name().replace(f"-{os.getpid()}-", "-99999999-") for _ in range(3)]
    for path in dead:
        path.touch()
    unlink = Path.unlink

    def refuse_one(path: Path, **options: bool) -> None:
        if path == dead[1]:
            raise PermissionError("not this one")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    remove_stale(tmp_path)
    assert [*tmp_path.iterdir()] == [dead[1]]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").write_text("old")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_device_is_written_to_and_a_full_one_is_named():
    write_text("/dev/null", "away")
    with pytest.raises(AudioError, match="/dev/full: the disk is full"):
        write_text("/dev/full", "too much")


def test_a_fault_is_told_in_one_line_with_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioError, match="a part of its folder is a file: choose another"):
        write_text(tmp_path / "file" / "song.txt", "")
    with pytest.raises(AudioError, match="is a folder: name a file in it"):
        write_text(tmp_path, "")


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path):
    target = tmp_path / "song.txt"
    target.write_text("old")
    script = (
        "import sys, time\nfrom isolde.core.atomic import Draft\n"
        "with Draft(sys.argv[1]) as draft:\n"
        "    draft.path.write_text('half')\n    print(flush=True)\n    time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, target], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=30)
    writer.stdout.close()
    assert target.read_text() == "old"


@pytest.mark.slow
def test_two_writers_never_mix(tmp_path: Path):
    """A reader sees one whole text or the other, never a part, while both are written."""
    target = tmp_path / "song.txt"
    script = (
        "import sys\nfrom isolde.core.atomic import write_text\n"
        "for _ in range(300):\n    write_text(sys.argv[1], sys.argv[2] * 50_000)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, target, one]) for one in "ab"]
    seen, until = set[str](), time.monotonic() + 60
    while any(w.poll() is None for w in writers) and time.monotonic() < until:
        if target.exists():
            text = target.read_text()
            assert len(text) == 50_000
            seen.add(text[0])
            assert len(set(text)) == 1
    assert [w.wait() for w in writers] == [0, 0]
    assert seen == {"a", "b"}


@pytest.mark.skipif(os.name == "nt", reason="limits of its own")
def test_a_name_that_no_file_can_have_is_refused_before_any_work(tmp_path: Path):
    for target in (tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "song.txt"):
        for overwrite in (True, False):
            with pytest.raises(AudioError, match="the name is too long: choose a shorter one"):
                Draft(target, overwrite=overwrite)
        with pytest.raises(AudioError, match="the name is too long"):
            write_text(target, "")
    assert list(tmp_path.iterdir()) == []
