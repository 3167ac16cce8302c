"""The journal on a disk that is full; what it holds is in the tests of what resumes."""

import errno
import os
from pathlib import Path

import pytest

from isolde.core.errors import AudioError, InputError
from isolde.core.journal import Journal, append_line, read_lines


def test_a_full_disk_is_the_journals_own_and_leaves_no_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "run.jsonl"

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(AudioError, match=r"run\.jsonl: the disk is full"):
            Journal(path).begin({"song": "stamp"})
    assert not path.exists()
    append_line(path, {"key": "song", "stamp": "stamp", "value": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(AudioError, match="the disk is full"):
            append_line(path, {"key": "other", "stamp": "stamp", "value": 2})
    assert next(read_lines(path))[1]["value"] == 1  # what it held is there


def test_a_folder_that_is_a_file_is_said(tmp_path: Path):
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(AudioError, match=r"run\.jsonl: "):
        append_line(tmp_path / "out" / "run.jsonl", {"key": "song", "stamp": "s", "value": 1})


def test_bytes_that_are_no_text_are_a_damaged_line(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    append_line(path, {"key": "song"})
    with path.open("ab") as file:
        file.write(b"\xff\xfe\x00\n")
    append_line(path, {"key": "other"})
    with pytest.raises(InputError, match=r"run\.jsonl: line 2 is damaged"):
        [*read_lines(path)]


def test_a_last_line_that_lacks_only_its_end_counts_and_stays(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    append_line(path, {"key": "song", "stamp": "s", "value": 5})
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert Journal(path).finished({"song": "s"}) == {"song": 5}
    Journal(path).begin({"other": "s"})
    assert Journal(path).finished({"song": "s"}) == {"song": 5}
    assert Journal(path).has_begun("other", "s")


def test_merging_keeps_what_another_run_finished_though_a_later_one_began_it_again(tmp_path: Path):
    done, begun, own = (tmp_path / f"{name}.jsonl" for name in ("done", "begun", "own"))
    append_line(done, {"key": "song", "stamp": "s", "time": 2.0, "value": 7})
    append_line(begun, {"key": "song", "stamp": "s", "time": 3.0})
    append_line(own, {"key": "song", "stamp": "s", "time": 4.0})
    for others in ([done, begun], [done], [begun, done]):
        path = tmp_path / "copy.jsonl"
        path.write_bytes(own.read_bytes())
        journal = Journal(path, others=others)
        assert journal.finished({"song": "s"}) == {"song": 7}
        journal.merge()
        assert Journal(path).finished({"song": "s"}) == {"song": 7}
    append_line(own, {"key": "song", "stamp": "new", "time": 5.0})
    journal = Journal(own, others=[done, begun])
    journal.merge()
    assert not Journal(own).finished({"song": "s", "other": "s"})


def test_what_is_no_journal_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(AudioError, match=r"cannot be read \(Is a directory\)"):
        Journal(tmp_path)
    path = tmp_path / "run.jsonl"
    append_line(path, {"key": "song", "stamp": "s", "time": "monday"})
    append_line(path, {"key": "song", "stamp": "s", "time": 1.0})
    with pytest.raises(InputError, match="line 1 is not of a journal"):
        Journal(path)
