"""A studio in a process of its own, and a client that speaks to it as any program may."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Studio:
    """A running server."""

    process: "subprocess.Popen[str]"
    address: str
    folder: Path
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        *,
        bare: bool = False,
        **headers: str,
    ) -> Answer:
        """One request; `bare` sends no token; underscores in names of headers are hyphens."""
        sent = {} if bare else {"Authorization": f"Bearer {self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            line.request(method, path, body, sent, encode_chunked=False)
            got = line.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            line.close()

    def cookie(self) -> str:
        """The cookie of a new session, as a browser gets it."""
        got = self.ask(f"/?token={self.token}", bare=True)
        assert got.status == 303
        assert got.headers["location"] == "/"
        return got.headers["set-cookie"].partition(";")[0]

    def wait(self, song: str, *states: str, **headers: str) -> dict[str, Any]:
        """The song once it is ready, or in one of these states."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            told: dict[str, Any] = self.ask(f"/songs/{song}", **headers).json()
            if told["state"] in (states or ("ready", "failed")):
                return told
            time.sleep(0.05)
        raise AssertionError(f"the song is still {told}")

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


def start(folder: Path, *options: str, errors: int | None = None) -> Studio:
    """A server whose temporary files go to a folder, and its errors where this process has them."""
    pytest.importorskip("starlette", reason="the extra 'studio' is not installed")
    pytest.importorskip("uvicorn", reason="the extra 'studio' is not installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "isolde", "studio", "--no-browser", *options],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=ROOT / "src",
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://"), address
    return Studio(process, address, folder)


def serving(folder: Path, *options: str) -> Iterator[Studio]:
    """A server for as long as a fixture lives; it must leave nothing."""
    running = start(folder, *options)
    yield running
    assert running.end() == 0
    assert kept_in(folder) == []


def kept_in(folder: Path) -> list[Path]:
    """What servers keep in their folder for temporary files."""
    return list(folder.glob("isolde-*"))


def outer_address() -> list[str]:
    """The address under which other computers reach this one, if any; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [line.getsockname()[0]]
