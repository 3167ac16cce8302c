"""A sound server with null sinks, for tests and benchmarks; it changes no other server.

PulseAudio runs as a child in a folder of its own, with one null sink `bus` of four channels and
three names for parts of it, so that what goes into isolde and what comes out lie side by side, on
one clock, in one recording:

    song    -> bus 1, 2          a player plays here
    capture <- bus 1, 2          isolde captures here
    out     -> bus 3, 4          isolde plays here
    bus.monitor <- bus 1..4      a recorder sees both

Linux only. Needs the Debian packages pulseaudio, pulseaudio-utils, libasound2-plugins and
libportaudio2.
"""

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from isolde.core.closing import Closable

PACKAGES = "pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"

_ASOUND = """
pcm.isolde_capture {{ type pulse server "{server}" device "capture" }}
pcm.isolde_out {{ type pulse server "{server}" device "out" }}
"""


def missing() -> str:
    """Say why there can be no such server here; "" when there can."""
    for program in ("pulseaudio", "pactl", "pacat", "parec"):
        if not shutil.which(program):
            return f"{program} is not installed (apt install {PACKAGES})"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return f"ALSA has no plug-in for PulseAudio (apt install {PACKAGES})"
    # Not imported: PortAudio looks for devices at its import, and the server is not there yet.
    if not importlib.util.find_spec("sounddevice") or not ctypes.util.find_library("portaudio"):
        return f"sounddevice or PortAudio is missing (pip install sounddevice; apt {PACKAGES})"
    return ""


class NullSinks(Closable):
    """The server; a context manager. `environment` is for programs that are to use it."""

    def __init__(self, *, sample_rate: int = 44100) -> None:
        """Start it, and wait until it answers."""
        self.sample_rate = sample_rate
        self.folder = Path(tempfile.mkdtemp(prefix="isolde-pulse-"))
        socket = f"unix:{self.folder}/native"  # and so it stays over a restart
        conf = self.folder / "asound.conf"
        conf.write_text(_ASOUND.format(server=socket))
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_SERVER": socket,
            "HOME": str(self.folder),
            "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{conf}",
        }
        self._children: list[subprocess.Popen[bytes]] = []
        self._start()

    def restart(self, *, sample_rate: int) -> None:
        """Kill it, as when devices are pulled out, and start it anew at another rate."""
        self._server.kill()
        self._server.wait()
        (self.folder / "native").unlink(missing_ok=True)
        (self.folder / "pid").unlink(missing_ok=True)
        self.sample_rate = sample_rate
        self._start()

    def _start(self) -> None:
        sample_rate = self.sample_rate
        four = "front-left,front-right,rear-left,rear-right"
        kind = f"format=float32le rate={sample_rate}"
        two = "channels=2 channel_map=front-left,front-right remix=no"
        modules = [
            f"module-native-protocol-unix socket={self.folder}/native auth-anonymous=1",
            f"module-null-sink sink_name=bus {kind} channels=4 channel_map={four}",
            f"module-remap-sink sink_name=song master=bus {two} "
            "master_channel_map=front-left,front-right",
            f"module-remap-sink sink_name=out master=bus {two} "
            "master_channel_map=rear-left,rear-right",
            f"module-remap-source source_name=capture master=bus.monitor {two} "
            "master_channel_map=front-left,front-right",
        ]
        command = ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--disable-shm=yes"]
        command += [f"--log-target=file:{self.folder}/log", "--resample-method=copy"]
        for module in modules:
            command += ["-L", module]
        self._server = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while "out" not in self._pactl("list", "short", "sinks"):
            if self._server.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text() if (self.folder / "log").exists() else ""
                self.close()
                raise RuntimeError(f"PulseAudio does not start: {log[-500:]}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid

    def play(
        self, audio: np.ndarray, *, sink: str = "song", times: int = 1
    ) -> "subprocess.Popen[bytes]":
        """Play float32 (2, n) in the background, a number of times."""
        path = self.folder / f"play-{len(self._children)}.raw"
        with path.open("wb") as file:
            for _ in range(times):
                audio.T.astype("<f4").tofile(file)
        with path.open("rb") as source:
            child = subprocess.Popen(
                [
                    "pacat",
                    "--playback",
                    f"--device={sink}",
                    *self._kind(2),
                    "--channel-map=front-left,front-right",
                    "--latency-msec=500",
                ],
                env=self.environment,
                stdin=source,
                stderr=subprocess.DEVNULL,
            )
        self._children.append(child)
        return child

    def record(self, name: str = "bus") -> Path:
        """Record all four channels in the background, until `stop_recording`."""
        path = self.folder / f"{name}.raw"
        with path.open("wb") as target:
            child = subprocess.Popen(
                [
                    "parec",
                    "--device=bus.monitor",
                    *self._kind(4),
                    "--channel-map=front-left,front-right,rear-left,rear-right",
                    "--latency-msec=200",
                ],
                env=self.environment,
                stdout=target,
                stderr=subprocess.DEVNULL,
            )
        self._children.append(child)
        self._recorder = child
        deadline = time.monotonic() + 30
        while not path.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.05)
        return path

    def stop_recording(self, path: Path) -> np.ndarray:
        """End the recording, and give it as float32 (4, n)."""
        self._recorder.terminate()
        self._recorder.wait(10)
        flat = np.fromfile(path, "<f4")
        return np.ascontiguousarray(flat[: flat.size // 4 * 4].reshape(-1, 4).T)

    def use_here(self) -> None:
        """Let PortAudio in this process see the devices; before its first use."""
        for name in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "ALSA_CONFIG_PATH"):
            os.environ[name] = self.environment[name]

    def close(self) -> None:
        """End it and all its children."""
        for child in [*self._children, self._server]:
            if child.poll() is None:
                child.terminate()
        for child in [*self._children, self._server]:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kind(self, n_channels: int) -> list[str]:
        return [
            "--raw",
            "--format=float32le",
            f"--rate={self.sample_rate}",
            f"--channels={n_channels}",
            "--no-remix",
        ]

    def _pactl(self, *words: str) -> str:
        done = subprocess.run(["pactl", *words], env=self.environment, capture_output=True)
        return done.stdout.decode()
