"""Attacks: by other sites, other sessions, names, sizes, and by ending in the middle."""

import asyncio
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio_server import Studio, kept_in, outer_address, serving, start

from helpers.shell import Shell
from isolde.separation import SeparationSettings
from isolde.studio.choices import Choices
from isolde.studio.web.guard import Guard
from isolde.studio.web.server import StudioSettings, serve

DEMO = "/songs?demo"
INSIDE = (
    "",
    "/stems/vocals",
    "/tiles/mixture/0/0",
    "/tiles/both/0/0.png",
    "/peaks",
    "/activity",
    "/files/mix.wav",
)
ESCAPES = ("..%2f..%2f..%2fescaped.wav", "%2fetc%2fescaped.wav", "..%5cescaped.wav", "a%00b", ".")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    yield from serving(tmp_path_factory.mktemp("studio"), "--max-upload", "0.02")


def test_without_a_session_there_is_nothing(studio: Studio):
    for path in ("/", "/page/main.js", "/songs", "/events", "/about", "/songs/x/stems/vocals"):
        assert studio.ask(path, bare=True).status == 401, path
    assert studio.ask(DEMO, "POST", bare=True).status == 401
    assert studio.ask("/songs", bare=True, Authorization="Bearer wrong").status == 401
    assert studio.ask("/?token=wrong", bare=True).status == 403
    assert studio.ask("/songs", bare=True, Cookie=f"isolde-{studio.port}=guess").status == 401


def test_only_this_computers_own_address_listens(studio: Studio):
    with socket.create_connection(("127.0.0.1", studio.port), timeout=5):
        pass
    for address in ("127.0.0.2", *outer_address()):
        with pytest.raises(OSError):
            socket.create_connection((address, studio.port), timeout=5).close()


@pytest.mark.slow
def test_an_address_for_others_is_warned_of(tmp_path: Path):
    command = [sys.executable, "-m", "isolde", "studio", "--no-browser", "--host", "0.0.0.0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("http://localhost:")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert "warning: 0.0.0.0 can be reached from other computers, unencrypted" in said
    assert kept_in(tmp_path) == []


def test_ctrl_c_before_the_server_runs_ends_it_too():
    handler = signal.getsignal(signal.SIGINT)
    settings = StudioSettings(SeparationSettings("rules"), port=0)
    serve(settings, [], opened=lambda address: signal.raise_signal(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_once_more_leaves_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    close = Choices.close

    def interrupted(choices: Choices) -> None:
        signal.raise_signal(signal.SIGINT)
        close(choices)

    monkeypatch.setattr(Choices, "close", interrupted)
    settings = StudioSettings(SeparationSettings("rules"), port=0)
    serve(settings, [], opened=lambda address: signal.raise_signal(signal.SIGINT))
    assert kept_in(tmp_path) == []


def test_an_address_of_ipv6_can_be_opened():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this computer has no IPv6")
    told = []

    def opened(address: str) -> None:
        told.append(address)
        signal.raise_signal(signal.SIGINT)

    serve(StudioSettings(SeparationSettings("rules"), host="::1"), [], opened=opened)
    assert re.fullmatch(r"http://\[::1\]:[0-9]+/\?token=[\w-]+", told[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "{port}"], "127.0.0.1:{port}: cannot listen there (Address already in use): "),
        (["--host", "192.0.2.1"], "192.0.2.1: cannot listen there"),
        (["--model", "none"], "model 'none' is not known"),
        (["--host", "no such name"], "no such name: cannot listen there"),
        (["--max-upload", "0"], "--max-upload 0: give GB above 0"),
        (["--max-upload", "nan"], "--max-upload nan: give GB"),
        (["--max-upload", "inf"], "--max-upload inf: give GB"),
        (["--keep", __file__], "test_studio_guard.py: cannot keep stems there (File exists)"),
        (["--keep", f"{__file__}/stems"], "stems: cannot keep stems there (Not a directory)"),
        (["missing.wav"], "missing.wav: "),
    ],
)
def test_what_cannot_be_served_is_one_line(
    studio: Studio, tmp_path: Path, isolde: Shell, options: list[str], words: str
):
    given = [option.format(port=studio.port) for option in options]
    code, out, err = isolde("studio", "--no-browser", *given)
    assert (code != 0, out) == (True, [])
    assert [words.format(port=studio.port) in line for line in err] == [True]


def test_the_token_gives_a_cookie_that_scripts_and_sites_cannot_use(studio: Studio):
    got = studio.ask(f"/?token={studio.token}", bare=True)
    cookie = got.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert studio.token not in got.headers["location"]


def test_a_browser_that_comes_again_keeps_its_session(studio: Studio):
    cookie = studio.cookie()
    again = studio.ask(f"/?token={studio.token}", bare=True, Cookie=cookie)
    assert (again.status, again.headers["location"]) == (303, "/")
    assert "set-cookie" not in again.headers
    old = studio.ask(f"/?token={studio.token}", bare=True, Cookie=f"isolde-{studio.port}=old")
    assert "set-cookie" in old.headers
    assert studio.ask("/?token=wrong", bare=True, Cookie=cookie).status == 403


def test_people_are_refused_in_words_and_scripts_in_json(studio: Studio):
    got = studio.ask("/", bare=True, Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert got.headers["content-type"].startswith("text/plain")
    assert (
        got.body == b"isolde studio: this page has no session: open the address in the terminal\n"
    )
    assert "this page has no session" in studio.ask("/songs", bare=True).json()["error"]


def test_routes_and_methods_that_are_not_there_are_told_like_other_errors(studio: Studio):
    got = studio.ask("/nothing")
    assert (got.status, got.json()) == (404, {"error": "Not Found"})
    got = studio.ask("/songs/x/again")
    assert (got.status, got.json()) == (405, {"error": "Method Not Allowed"})
    assert got.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:{port}", "localhost:1", "", "[::1]"]
)
def test_a_name_that_was_made_to_point_here_is_refused(studio: Studio, host: str):
    got = studio.ask("/songs", Host=host.format(port=studio.port))
    assert got.status == 421


def asked(host: str, reached: str, *hosts: str) -> int:
    """Status of a question to a server of these hosts, whose connection reached an address."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()), (b"authorization", b"Bearer secret")]
    scope = {"type": "http", "method": "GET", "path": "/songs", "query_string": b""}
    guard = Guard(app, token="secret", hosts=hosts, port=8710)
    asyncio.run(guard({**scope, "headers": headers, "server": (reached, 8710)}, send, send))
    return int(sent[0]["status"])


def test_a_host_is_known_by_its_name_and_by_the_address_that_was_reached():
    assert asked("studio.local:8710", "192.168.1.5", "Studio.Local") == 200
    assert asked("192.168.1.5:8710", "192.168.1.5", "0.0.0.0") == 200
    assert asked("[fd00::5]:8710", "fd00::5", "::") == 200
    for host in ("192.168.1.6:8710", "192.168.1.5", "192.168.1.5:80", "evil.example:8710"):
        assert asked(host, "192.168.1.5", "0.0.0.0") == 421


@pytest.mark.parametrize("other", ['x={"a": 1}', "a/b=1", "plain", "x=a b"])
def test_cookies_of_other_local_servers_hide_no_session(studio: Studio, other: str):
    cookie = f"{other}; {studio.cookie()}"
    assert studio.ask("/songs", bare=True, Cookie=cookie).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_other_sites_are_refused(studio: Studio, origin: str, method: str):
    got = studio.ask("/songs/x", method, Origin=origin)
    assert got.status == 403
    assert not [name for name in got.headers if name.startswith("access-control")]
    assert studio.ask("/songs", Sec_Fetch_Site="cross-site").status == 403
    assert studio.ask("/songs", Sec_Fetch_Site="same-site").status == 403


def test_its_own_page_is_not(studio: Studio):
    origin = f"http://127.0.0.1:{studio.port}"
    assert studio.ask("/songs", Origin=origin, Sec_Fetch_Site="same-origin").status == 200


def test_every_answer_forbids_what_the_page_does_not_need(studio: Studio):
    for path in ("/", "/songs", "/nothing", "/page/vendor/stretch.mjs"):
        headers = studio.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self' 'wasm-unsafe-eval';" in policy
        assert "unsafe-inline" not in policy and "http" not in policy and "*" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    assert studio.ask("/", "OPTIONS").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/%2e%2e/server.py",
        "/page/..%2fserver.py",
        "/page//etc/passwd",
        "/page/vendor/../../guard.py",
        "/songs/..%2f..%2fetc/stems/vocals",
        "/songs/x/stems/..%2flock",
    ],
)
def test_a_path_leads_nowhere_else(studio: Studio, path: str):
    got = studio.ask(path)
    assert got.status == 404
    assert b"def " not in got.body and b"root:" not in got.body


def test_a_song_is_its_sessions_alone(studio: Studio):
    mine, other = studio.cookie(), studio.cookie()
    song = studio.ask(DEMO, "POST", bare=True, Cookie=mine).json()["id"]
    assert len(song) >= 20
    assert studio.ask(f"/songs/{song}", bare=True, Cookie=mine).status == 200
    for path in INSIDE:
        assert studio.ask(f"/songs/{song}{path}", bare=True, Cookie=other).status == 404, path
    for method, path in (("DELETE", ""), ("POST", "/again"), ("POST", "/take"), ("POST", "/first")):
        assert studio.ask(f"/songs/{song}{path}", method, bare=True, Cookie=other).status == 404
    assert studio.ask("/songs", bare=True, Cookie=other).json() == []
    assert studio.ask(f"/songs/{song}", "DELETE", bare=True, Cookie=mine).status == 204


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_is_never_a_path(studio: Studio, name: str):
    before = {path.name for path in studio.folder.parent.rglob("escaped*")}
    wav = io.BytesIO()
    soundfile.write(wav, np.zeros(9), 8000, format="WAV")
    got = studio.ask(f"/songs?name={name}", "POST", wav.getvalue())
    assert got.status == 201, got.body
    told = got.json()
    assert not set("/\\\0") & set(told["name"])
    assert {path.name for path in studio.folder.parent.rglob("escaped*")} == before
    studio.wait(told["id"])
    assert studio.ask(f"/songs/{told['id']}", "DELETE").status == 204


def uploads(studio: Studio) -> list[Path]:
    return [path for path in studio.folder.rglob("source*") if path.is_file()]


def test_too_large_is_refused_before_and_while_it_comes(studio: Studio):
    before = uploads(studio)
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as line:
        line.sendall(head(studio, f"Content-Length: {10**12}"))
        assert b" 413 " in line.recv(4096)
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as line:
        line.sendall(head(studio, "Transfer-Encoding: chunked"))
        piece = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        line.settimeout(10)
        try:
            for _ in range(40):
                line.sendall(piece)
            answer = line.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            answer = b" 413 "  # it hung up, and the answer went with the line
        assert b" 413 " in answer
    assert settled(studio, before)


def test_an_upload_that_breaks_off_leaves_nothing(studio: Studio):
    before = uploads(studio)
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as line:
        line.sendall(head(studio, "Content-Length: 1000000") + bytes(5000))
        time.sleep(0.2)
    assert settled(studio, before)


@pytest.mark.slow
def test_browsers_that_go_away_are_no_news_to_the_terminal(tmp_path: Path):
    running = start(tmp_path, errors=subprocess.PIPE)
    for _ in range(12):
        assert running.ask(DEMO, "POST").status == 201
    for path in ["/events"] * 20 + ["/page/vendor/stretch.mjs"] * 5:
        line = socket.create_connection(("127.0.0.1", running.port), timeout=10)
        line.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
            f"Authorization: Bearer {running.token}\r\n\r\n".encode()
        )
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()  # by a reset, as of a browser that is killed
    assert running.ask("/songs").status == 200
    assert running.end() == 0
    assert running.process.stderr is not None
    told = running.process.stderr.read().splitlines()
    assert told == ["Ctrl-C ends it and deletes its copies of the songs"]


def head(studio: Studio, *lines: str) -> bytes:
    first = f"POST /songs?name=x.wav HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\n"
    own = f"Authorization: Bearer {studio.token}\r\n"
    return (first + own + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


def settled(studio: Studio, before: list[Path]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if uploads(studio) == before:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_an_interrupted_server_leaves_nothing_in_the_middle_of_a_song(tmp_path: Path):
    running = start(tmp_path)
    song = running.ask(DEMO, "POST").json()["id"]
    running.wait(song, "separating", "ready")
    line = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    line.sendall(
        f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
        f"Authorization: Bearer {running.token}\r\n\r\n".encode()
    )
    assert any(tmp_path.rglob("*.f32"))
    began = time.monotonic()
    assert running.end(signal.SIGTERM) in (143, -signal.SIGTERM)
    assert time.monotonic() - began < 10
    line.close()
    assert kept_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no locks of that kind")
def test_what_a_killed_server_left_goes_with_the_next(tmp_path: Path):
    killed = start(tmp_path)
    song = killed.ask(DEMO, "POST").json()["id"]
    killed.wait(song, "separating", "ready")
    killed.end(signal.SIGKILL)
    (left,) = kept_in(tmp_path)
    beside = start(tmp_path)
    assert not left.exists()
    assert beside.token != killed.token
    third = start(tmp_path)
    assert len(kept_in(tmp_path)) == 2, "a server that runs was swept away"
    assert beside.end() == 0 and third.end() == 0
    assert kept_in(tmp_path) == []
