"""Threads share pools of memory, so that requests leave none of their own behind."""

import subprocess
import sys

import pytest

from isolde.studio.memory import ARENAS

SCRIPT = """
import ctypes, sys, threading
from isolde.studio.memory import limit_arenas

if sys.argv[1] == "limited":
    limit_arenas()
together = threading.Barrier(12)

def take():
    together.wait()
    held = [bytearray(50_000) for _ in range(20)]
    together.wait()

threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
c = ctypes.CDLL(None)
out = ctypes.c_void_p.in_dll(c, "stdout")
c.malloc_info(0, out)
c.fflush(out)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the pools are glibc's")
def test_many_threads_share_few_pools():
    def pools(what: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, check=False
        )
        if "malloc_info" in done.stderr:
            pytest.skip("this C library tells nothing of its pools")
        assert done.returncode == 0, done.stderr
        return done.stdout.count("<heap nr=")

    assert pools("limited") <= ARENAS < pools("free")
