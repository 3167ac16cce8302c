"""Songs and stems that are not on this machine: the same bytes, whole or not at all, resumed."""

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from helpers.shell import Shell
from helpers.songs import contents, music
from isolde.activity import Phrase
from isolde.core.errors import AudioError, InputError, IsoldeError
from isolde.separation import (
    FileSettings,
    Separated,
    Song,
    State,
    check_songs,
    remote,
    separate_songs,
    songs_in,
)
from isolde.separation.batch import journals, staging

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402


@pytest.fixture
def store() -> Iterator[Any]:
    """An object store in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))


def stored(store: Any, folder: str) -> dict[str, bytes]:
    """Every file below a folder of the store but the journals."""
    paths = [path for path in store.find(folder) if "journal" not in path]
    return {path.removeprefix(f"{folder}/"): store.cat_file(path) for path in paths}


def filled(store: Any, tmp_path: Path, n: int) -> list[Path]:
    songs = music(tmp_path / "music", n)
    for song in songs:
        store.put_file(str(song), f"/bucket/music/{song.name}")
    return songs


@pytest.mark.slow
def test_a_store_gives_and_takes_the_same_bytes_and_a_run_is_resumed(
    isolde: Shell, tmp_path: Path, store: Any
):
    filled(store, tmp_path, 3)
    store.pipe_file("/bucket/music/bad.wav", b"this is no audio at all, whatever its name says")
    assert isolde("separate", "music", "-o", "here", "--stem", "vocals")[0] == 0
    command = ("separate", "memory://bucket/music", "-o", "memory://bucket/stems/", "--stem",
               "vocals", "--resume")  # fmt: skip
    code, out, err = isolde(*command)
    assert code == 2 and "memory://bucket/music/bad.wav" in err[0] and "1 of 4" in err[-1]
    assert sorted(out) == [f"memory://bucket/stems/song {k}/vocals.wav" for k in range(3)]
    assert stored(store, "/bucket/stems") == contents(Path("here"))
    made = {path: store.info(path)["created"] for path in store.find("/bucket/stems")}
    store.rm_file("/bucket/music/bad.wav")
    store.rm_file("/bucket/stems/song 1/vocals.wav")  # someone took it away
    code, out, _ = isolde(*command, "--check")
    assert (code, out) == (2, ["memory://bucket/music/song 1.wav"])
    assert isolde(*command)[0] == 0
    assert isolde(*command, "--check")[:2] == (0, [])
    assert stored(store, "/bucket/stems") == contents(Path("here"))
    for k in (0, 2):
        path = f"/bucket/stems/song {k}/vocals.wav"
        assert store.info(path)["created"] == made[path]
    store.pipe_file("/bucket/music/song 0.wav", store.cat_file("/bucket/music/song 0.wav")[:-400])
    code, _, err = isolde(*command)
    assert code == 2 and "memory://bucket/stems/song 0/vocals.wav: exists already" in err[0]


def test_shares_have_journals_in_the_store(isolde: Shell, tmp_path: Path, store: Any):
    filled(store, tmp_path, 4)
    command = ("separate", "memory://bucket/music", "-o", "memory://bucket/stems", "--stem",
               "vocals")  # fmt: skip
    assert isolde(*command, "--shard", "1/2")[0] == 0
    assert isolde(*command, "--check")[0] == 2
    assert isolde(*command, "--shard", "2/2")[0] == 0
    assert isolde(*command, "--check")[:2] == (0, [])
    stem = "/bucket/stems/song 2/vocals.wav"
    store.pipe_file(stem, store.cat_file(stem)[:-100])
    code, out, err = isolde(*command, "--check")
    assert (code, out) == (2, ["memory://bucket/music/song 2.wav"]) and "smaller" in err[0]
    journals = [path for path in store.find("/bucket/stems") if "journal" in path]
    assert [path.rpartition("/")[2] for path in journals] == [
        "separate.1-of-2.journal.jsonl",
        "separate.2-of-2.journal.jsonl",
    ]


@pytest.mark.parametrize("name", ["Track #1", "Why?", "50%25 off"])
def test_signs_of_web_addresses_belong_to_a_name_in_a_store(tmp_path: Path, store: Any, name: str):
    (song,) = music(tmp_path, 1)
    store.put_file(str(song), f"/bucket/music/{name}.wav")
    settings = FileSettings(remote="memory://bucket/stems", stems=("vocals",))
    for source in ("memory://bucket/music", f"memory://bucket/music/{name}.wav"):
        (found,) = songs_in([source], settings)
        assert (found.track, found.source) == (name, f"memory://bucket/music/{name}.wav")
    assert remote.local_path("file:///music/Track #1?.wav") == Path("/music/Track #1?.wav")
    assert remote.shown("https://me:secret@host/song.mp3?token=1#part") == "https://host/song.mp3"


@pytest.mark.parametrize("n", [1, 3])
def test_a_run_that_is_killed_has_said_whose_the_stems_are(
    tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch, n: int
):
    filled(store, tmp_path, n)
    settings = FileSettings(remote="memory://bucket/stems", stems=("vocals",))
    songs = songs_in(["memory://bucket/music"], settings)
    told: list[int] = []

    def killed(*_: object, **__: object) -> None:
        told.append(store.cat_file("/bucket/stems/separate.journal.jsonl").count(b"\n"))
        raise KeyboardInterrupt

    monkeypatch.setattr("isolde.separation.batch.running.separate_staged", killed)
    with pytest.raises(KeyboardInterrupt):
        separate_songs(songs, settings, resume=True)
    assert told == [n]


def test_a_song_that_was_noted_as_begun_sends_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Else each song would send it, and one failure that passes would end the run."""
    sent: list[str] = []
    monkeypatch.setattr(journals, "send", lambda path, url: sent.append(url))
    journal = journals._RemoteJournal(tmp_path / "journal", "memory://x/journal", [])
    journal.begin({"a": "1", "b": "1"})
    journal.finish("a", "1", {})
    journal.begin({"b": "1"})
    assert len(sent) == 1
    journal.copy()
    journal.copy()
    assert len(sent) == 2


def test_stems_in_a_remote_folder_are_no_songs(tmp_path: Path, store: Any):
    filled(store, tmp_path, 2)
    store.pipe_file("/bucket/music/.hidden.wav", b"x")
    settings = FileSettings(remote="memory://bucket/music", stems=("vocals",))
    songs = songs_in(["memory://bucket/music"], settings)
    assert [song.track for song in songs] == ["song 0", "song 1"]
    assert None not in separate_songs(songs, settings)
    assert songs_in(["memory://bucket/music"], settings) == songs


def test_a_song_whose_stems_cannot_all_be_sent_leaves_none(
    tmp_path: Path, store: Any, quick: None, monkeypatch: pytest.MonkeyPatch
):
    filled(store, tmp_path, 2)
    settings = FileSettings(remote="memory://bucket/stems")
    (song, other) = songs_in(["memory://bucket/music"], settings)
    put, tries = type(store).put_file, list[str]()

    def failing(self: Any, source: str, path: str, **options: Any) -> None:
        tries.append(path)
        if "song 0/accompaniment" in path:
            raise ConnectionError("the line is dead")
        put(self, source, path, **options)

    monkeypatch.setattr(type(store), "put_file", failing)
    told: list[str | None] = []
    done = separate_songs(
        [song, other], settings, resume=True, report=lambda s, d, error: told.append(error)
    )
    assert done[0] is None and done[1] is not None
    assert told[0] is not None and "memory://bucket/stems/song 0/accompaniment.wav" in told[0]
    assert "the line is dead" in told[0]
    assert sum("song 0/accompaniment" in path for path in tries) == 3
    assert sorted(stored(store, "/bucket/stems")) == [
        "song 1/accompaniment.wav",
        "song 1/vocals.wav",
    ]
    states = [found.state for found in check_songs([song, other], settings)]
    assert states == [State.BEGUN, State.DONE]


def test_phrases_of_an_earlier_run_make_room_and_nothing_else_does(
    tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch
):
    filled(store, tmp_path, 1)
    ends = iter(["0001.500", "0001.000"])

    def separated(song: Song, settings: FileSettings, *, progress: object) -> Separated:
        assert settings.output is not None
        folder = settings.output / song.track / "vocals"
        folder.mkdir(parents=True)
        path = folder / f"001_0000.000-{next(ends)}.wav"
        path.write_bytes(b"la")
        return Separated(song, {"vocals": folder}, 2.0, 1.0, phrases=[Phrase(path, 0.0, 1.0)])

    monkeypatch.setattr(staging, "separate_file", separated)
    settings = FileSettings(remote="memory://bucket/stems", phrases=True, overwrite=True)
    songs = songs_in(["memory://bucket/music"], settings)
    for name in ("001_0000.000-0001.500.wav", "001_0000.000-0001.000.wav"):
        assert None not in separate_songs(songs, settings)
        store.pipe_file("/bucket/stems/song 0/vocals/notes.txt", b"mine")
        assert sorted(stored(store, "/bucket/stems/song 0/vocals")) == [name, "notes.txt"]


def test_what_fails_in_passing_is_tried_again(
    tmp_path: Path, store: Any, quick: None, monkeypatch: pytest.MonkeyPatch
):
    filled(store, tmp_path, 1)
    read, failures = type(store)._open, [OSError("reset"), TimeoutError()]

    def failing(self: Any, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb" and failures:
            raise failures.pop()
        return read(self, path, mode, **options)

    monkeypatch.setattr(type(store), "_open", failing)
    remote.fetch("memory://bucket/music/song 0.wav", tmp_path / "copy.wav")
    assert (tmp_path / "copy.wav").read_bytes() == (tmp_path / "music/song 0.wav").read_bytes()
    assert not failures
    failures += [OSError("reset")] * 3
    with pytest.raises(AudioError, match=r"memory://bucket/music/song 0\.wav: .*reset"):
        remote.fetch("memory://bucket/music/song 0.wav", tmp_path / "copy.wav")


def test_elsewhere_than_in_a_store_a_file_is_renamed_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
):
    """fsspec's own local files stand for a folder behind SFTP, where half a file can be seen."""
    (tmp_path / "stem").write_bytes(b"whole")
    local = type(fsspec.filesystem("file"))
    put, seen = local.put_file, list[bool]()

    def watched(self: Any, source: str, path: str, **options: Any) -> None:
        put(self, source, path, **options)
        seen.append((tmp_path / "out/vocals.wav").exists())
        if len(seen) < 3:
            raise ConnectionError("lost")

    monkeypatch.setattr(local, "put_file", watched)
    remote.send(tmp_path / "stem", f"file://{tmp_path}/out/vocals.wav")
    assert seen == [False] * 3
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vocals.wav"]
    assert (tmp_path / "out/vocals.wav").read_bytes() == b"whole"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with a folder of songs."""
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_a_song_comes_from_a_web_server_and_secrets_stay_secret(
    isolde: Shell, tmp_path: Path, site: str, quick: None
):
    music(tmp_path / "music", 1)
    assert isolde("separate", "music/song 0.wav", "-o", "here", "--stem", "vocals")[0] == 0
    url = f"{site}/music/song%200.wav"
    code, out, _ = isolde(
        "separate", f"{url}?key=secret", "-o", "there", "--stem", "vocals", "--resume", "--json"
    )
    assert code == 0
    assert json.loads(out[0])["source"] == url and json.loads(out[0])["track"] == "song 0"
    assert contents(Path("there")) == contents(Path("here"))
    assert "secret" not in Path("there/separate.journal.jsonl").read_text()
    code, _, err = isolde("separate", f"{site}/music/none.wav", url, "-o", "there", "--overwrite")
    assert code == 2 and f"{site}/music/none.wav: no such file" in err[0]
    assert Path("there/song 0/accompaniment.wav").exists()
    code, _, err = isolde("separate", "music", "-o", site)
    assert code == 2 and "can only be read" in err[0]


def test_a_web_server_in_trouble_is_asked_again_and_said_as_what_it_is(
    tmp_path: Path, site: str, quick: None, monkeypatch: pytest.MonkeyPatch
):
    (song,) = music(tmp_path / "music", 1)
    url, answers, asked = f"{site}/music/song%200.wav?key=secret", [503] * 4, list[str]()

    def answer(self: _Quiet) -> None:
        asked.append(self.path)
        if answers:
            self.send_error(answers.pop())
        else:
            http.server.SimpleHTTPRequestHandler.do_GET(self)

    monkeypatch.setattr(_Quiet, "do_GET", answer, raising=False)
    monkeypatch.setattr(_Quiet, "do_HEAD", answer, raising=False)
    remote.fetch(url, tmp_path / "copy.wav")  # each try asks twice before it gives up
    assert (tmp_path / "copy.wav").read_bytes() == song.read_bytes() and len(asked) > 4
    for status, tries in ((403, 1), (500, 3)):
        answers[:] = [status] * 9
        with pytest.raises(AudioError, match=f"cannot be reached .{status} ") as raised:
            remote.mark_of(url)
        assert len(answers) == 9 - 2 * tries
        assert "secret" not in str(raised.value)
    with pytest.raises(AudioError, match=r"cannot be reached .*connect"):
        remote.mark_of("http://127.0.0.1:1/song.wav")


def test_a_file_url_is_a_path(isolde: Shell, tmp_path: Path):
    music(tmp_path / "my music", 1)
    url = f"file://{tmp_path}/my%20music/song%200.wav"
    code, out, _ = isolde("separate", url, "-o", f"file://{tmp_path}/out", "--stem", "vocals")
    assert code == 0 and out == [f"{tmp_path}/out/song 0/vocals.wav"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("s3://bucket/x.mp3", True),
        ("s3://", True),
        ("C:\\music\\x.mp3", False),
        ("a://", False),
        ("x.mp3", False),
    ],
)
def test_what_is_a_url(text: str, is_one: bool):
    assert remote.is_url(text) == is_one


def test_a_protocol_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(InputError, match="nowhere"):
        remote.check_writable("nowhere://bucket")
    try:
        import s3fs  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        with pytest.raises(IsoldeError, match="s3fs"):
            remote.check_writable("s3://bucket")
    with pytest.raises(InputError, match="one of them"):
        FileSettings(output=tmp_path, remote="memory://bucket")


class _Buckets(MemoryFileSystem):  # type: ignore[misc]
    """A store like S3, s3fs and all: nothing can be sent to a bucket that nobody has made."""

    protocol = "s3"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    refusal: ClassVar[Exception | None] = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("s3://", "/"))).lstrip("/")

    def info(self, path: str, **options: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return super().info("/" + path, **options)

    def put_file(self, source: str, path: str, **options: Any) -> None:
        raise AssertionError("nothing may be sent")


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> type[_Buckets]:
    """Stands for S3 where s3fs is not installed, and where it is."""
    monkeypatch.setattr("fsspec.core.get_filesystem_class", lambda protocol: _Buckets)
    monkeypatch.setattr("fsspec.core.filesystem", lambda protocol, **options: _Buckets())
    return _Buckets


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (None, "there is no bucket nobody: check the address, or make it first"),
        (OSError("Unable to locate credentials"), r"cannot be reached \(Unable to locate "
         r"credentials\): check the address, the credentials and the connection"),
    ],
)  # fmt: skip
def test_a_store_that_takes_nothing_is_said_once_before_the_first_song(
    isolde: Shell,
    tmp_path: Path,
    buckets: type[_Buckets],
    monkeypatch: pytest.MonkeyPatch,
    refusal: Exception | None,
    line: str,
):
    music(tmp_path / "music", 2)
    monkeypatch.setattr(buckets, "refusal", refusal)
    code, out, err = isolde("separate", "music", "-o", "s3://nobody/stems")
    assert (code, out, len(err)) == (2, [], 1)
    assert re.search(f"s3://nobody/stems: {line}", err[0])


def test_rights_that_end_at_a_folder_are_enough(
    buckets: type[_Buckets], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(buckets, "refusal", PermissionError("Access Denied"))
    remote.check_writable("s3://bucket/stems")


@pytest.mark.parametrize("url", ["s3://", "s3:///stems", "gs://"])
def test_a_store_without_a_bucket_is_one_line_and_no_folder(
    isolde: Shell, tmp_path: Path, url: str
):
    music(tmp_path / "music", 1)
    code, _, err = isolde("separate", "music", "-o", url)
    assert code == 2 and len(err) == 1 and f"{url}: names no bucket" in err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["music"]


def test_the_copy_of_a_song_is_gone_afterwards(
    tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch
):
    filled(store, tmp_path, 1)
    monkeypatch.setattr(staging.tempfile, "tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    settings = FileSettings(output=tmp_path / "out")
    song = songs_in(["memory://bucket/music"], settings)[0]
    staging.separate_staged(song, settings)
    store.pipe_file("/bucket/music/song 0.wav", b"nothing of use")
    with pytest.raises(AudioError, match=r"^memory://bucket/music/song 0\.wav"):
        staging.separate_staged(replace(song, track="other"), settings)
    assert not list((tmp_path / "spool").iterdir())
