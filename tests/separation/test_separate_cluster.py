"""Songs through Dask on loopback: what a killed client or scheduler was doing is resumed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import isolde as isolde_package
from helpers import windows
from helpers.songs import contents, music
from isolde.core.errors import ModelError
from isolde.separation import FileSettings, separate_songs, songs_in
from isolde.separation.batch.fitness import Fitness

pytestmark = pytest.mark.slow

pytest.importorskip("distributed")
HERE = {**os.environ, "PYTHONPATH": str(Path(isolde_package.__file__).parents[1])}


def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """A Python module as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)], env=HERE, text=True, **options
    )  # type: ignore[call-overload, no-any-return]


class Cluster:
    """A scheduler and a worker, as processes of their own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.running: list[subprocess.Popen[str]] = []

    def begin(self) -> subprocess.Popen[str]:
        """Start both."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        where = ("--host", "127.0.0.1", "--no-dashboard")
        scheduler = start(
            "distributed.cli.dask_scheduler", *where, "--port", self.port, "--dashboard-address",
            "127.0.0.1:0", **quiet,
        )  # fmt: skip
        worker = start(
            "distributed.cli.dask_worker", self.address, *where, "--nthreads", 1, "--no-nanny",
            **quiet,
        )  # fmt: skip
        self.running += [scheduler, worker]
        return scheduler


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    for process in made.running:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_after_a_killed_client_and_a_killed_scheduler_a_run_is_completed(
    tmp_path: Path, cluster: Cluster
):
    songs = songs_in(music(tmp_path / "music", 6, n_samples=22050 * 8))
    alone = FileSettings(output=tmp_path / "alone")
    assert None not in separate_songs(songs, alone)
    out = tmp_path / "out"
    command = ("isolde", "separate", tmp_path / "music", "-o", out, "--resume", "--scheduler",
               cluster.address)  # fmt: skip

    def n_finished() -> int:
        journal = out / "separate.journal.jsonl"
        return journal.read_text().count('"value"') if journal.exists() else 0

    def run_until_one_more() -> subprocess.Popen[str]:
        before = n_finished()
        client = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while n_finished() == before and client.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return client

    scheduler = cluster.begin()
    client = run_until_one_more()
    client.send_signal(signal.SIGKILL)
    client.communicate()
    client = run_until_one_more()
    scheduler.kill()
    _, said = client.communicate(timeout=60)
    assert client.returncode == 2
    assert "has gone" in said and "--resume" in said and "Traceback" not in said
    cluster.begin()
    client = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 0, said
    whole = {k: v for k, v in contents(out).items() if not Path(k).name.startswith(".isolde-")}
    assert whole == contents(tmp_path / "alone")


def test_a_machine_with_another_version_or_other_weights_is_not_fit(tmp_path: Path):
    here = Fitness.here("vocals")
    here()
    with pytest.raises(ModelError, match="install the same version"):
        replace(here, version="0.0.1")()
    with pytest.raises(ModelError, match="other weights"):
        replace(here, checksums=("0" * 64,))()
    both = windows.ensemble(tmp_path, {"vocals": 1.0, "open": 1.0})
    assert len(Fitness.here(str(both)).checksums) > 1
    Fitness.here("rules")()
