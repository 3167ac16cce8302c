"""Sound devices through PortAudio; the only place that imports sounddevice, and only when asked.

One thread of ours reads and writes streams by blocking calls, which wait without holding Python's
lock; no Python code runs in the driver's thread (measured in docs/lab/live.md).
"""

import contextlib
import sys
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from isolde.core.errors import AudioError, InputError, MissingExtraError
from isolde.core.stage import Float32


@dataclass(frozen=True)
class Device:
    """A device as PortAudio sees it.

    Attributes:
        index: PortAudio's number; it may change when devices come and go.
        name: Name for `--input` and `--output`.
        host: The system's sound interface ("ALSA", "Core Audio", "Windows WASAPI", ...).
        n_inputs: Number of channels that can be captured.
        n_outputs: Number of channels that can be played.
        sample_rate: Default sample rate in Hz.
        is_default: Whether it is the default: "input", "output", "both" or "".
    """

    index: int
    name: str
    host: str
    n_inputs: int
    n_outputs: int
    sample_rate: int
    is_default: str


def portaudio() -> Any:
    """Return the module sounddevice.

    Raises:
        MissingExtraError: It is not installed.
        AudioError: It finds no PortAudio library, or the library does not start.
    """
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("sounddevice", extra="live", purpose="live sound") from None
    except OSError:
        raise AudioError(
            "the PortAudio library is missing: install it (on Debian: apt install libportaudio2)"
        ) from None
    except Exception as error:  # its own error, which cannot be imported
        raise AudioError(
            f"PortAudio does not start ({_plain(error)}): check the system's sound"
        ) from None
    _quiet_alsa()
    return sounddevice


@cache
def _quiet_alsa() -> None:
    """Linux only: keep ALSA from printing each gap on standard error."""
    if sys.platform != "linux":
        return
    import ctypes

    global _handler
    kind = ctypes.CFUNCTYPE(
        None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
    )
    _handler = kind(lambda *_: None)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_handler)


_handler: Any = None
"""Kept alive, since ALSA has only its address."""


def refresh() -> None:
    """Make PortAudio look for devices again; no stream may be open."""
    sd = portaudio()
    with contextlib.suppress(Exception):
        sd._terminate()
    with contextlib.suppress(Exception):
        sd._initialize()


def list_devices() -> list[Device]:
    """Return all devices.

    Raises:
        MissingExtraError: Sounddevice is not installed.
        AudioError: PortAudio is missing, or cannot list them.
    """
    sd = portaudio()
    try:
        hosts, every = sd.query_hostapis(), sd.query_devices()
    except sd.PortAudioError as error:
        raise AudioError(
            f"PortAudio cannot list the devices ({_plain(error)}): check the system's sound"
        ) from None
    chosen = [int(i) for i in sd.default.device]
    found = []
    for index, d in enumerate(every):
        inward, outward = index == chosen[0], index == chosen[1]
        default = "both" if inward and outward else "input" if inward else "output" * outward
        found.append(
            Device(
                index=index,
                name=str(d["name"]),
                host=str(hosts[d["hostapi"]]["name"]),
                n_inputs=int(d["max_input_channels"]),
                n_outputs=int(d["max_output_channels"]),
                sample_rate=round(d["default_samplerate"]),
                is_default=default,
            )
        )
    return found


def find(name: str | int | None, kind: str) -> Device:
    """Find one device.

    Args:
        name: Number or name of the device, or a part of the name; None for the default.
        kind: "input" or "output".

    Raises:
        InputError: There is none, or several.
        MissingExtraError: Sounddevice is not installed.
        AudioError: PortAudio is missing, or cannot list them.
    """
    every = [d for d in list_devices() if (d.n_inputs if kind == "input" else d.n_outputs)]
    if name is None:
        found = [d for d in every if d.is_default in (kind, "both")] or every[:1]
        if not found:
            raise InputError(f"there is no {kind} device: connect one, or start the sound server")
        return found[0]
    text = str(name)
    found = (
        [d for d in every if text.isdecimal() and d.index == int(text)]
        or [d for d in every if d.name == text]
        or [d for d in every if text.lower() in d.name.lower()]
    )
    if not found:
        names = ", ".join(f"{d.index} {d.name}" for d in every) or "(none)"
        raise InputError(f"'{name}' is no {kind} device: take one of {names}")
    if len(found) > 1:
        names = ", ".join(f"{d.index} {d.name}" for d in found)
        raise InputError(f"'{name}' may be one of several {kind} devices: take one of {names}")
    return found[0]


class Ports:
    """An output, and perhaps an input, open with one clock; reading and writing wait."""

    def __init__(
        self,
        *,
        source: Device | None,
        target: Device,
        sample_rate: int,
        n_channels: int,
        block: int,
        latency: float | str = "low",
    ) -> None:
        """Open and start.

        Args:
            source: Device to capture from, or None.
            target: Device to play to.
            sample_rate: Sample rate in Hz.
            n_channels: Number of channels of both.
            block: Samples of a read and a write.
            latency: Seconds of buffering in each device, or "low" or "high" for the driver's own.

        Raises:
            AudioError: A device cannot be opened so.
        """
        sd = portaudio()
        self._error: type[Exception] = sd.PortAudioError
        self._block, self._captures = block, source is not None
        self._flat = np.zeros((block, n_channels), np.float32)
        self._names = " and ".join(f"'{d.name}'" for d in (source, target) if d)
        common = {
            "samplerate": sample_rate,
            "blocksize": block,
            "channels": n_channels,
            "dtype": "float32",
            "latency": latency,
        }
        try:
            if source:
                self._stream = sd.Stream(device=(source.index, target.index), **common)
            else:
                self._stream = sd.OutputStream(device=target.index, **common)
            self._stream.start()
            self._capacity = int(self._stream.write_available)
        except (sd.PortAudioError, ValueError) as error:
            with contextlib.suppress(Exception):  # it may be open, and not started
                self._stream.close()
            raise AudioError(
                f"{self._names} cannot be opened at {sample_rate} Hz with {n_channels} channels "
                f"({_plain(error)}): try another --rate, --channels or device"
            ) from None

    @property
    def latency(self) -> tuple[float, float]:
        """Seconds of buffering in the input and in the output, as the driver declares them."""
        if self._captures:
            inward, outward = self._stream.latency
            return float(inward), float(outward)
        return 0.0, float(self._stream.latency)

    @property
    def queued(self) -> tuple[int, int]:
        """Samples captured and not read yet, and samples written and not played yet, now.

        A sound server may hold more, which PortAudio does not know. Only for the thread that reads
        and writes: PortAudio crashes when two threads ask it at once.
        """
        try:
            waiting = int(self._stream.read_available) if self._captures else 0
            return waiting, max(0, self._capacity - self.room)
        except self._error:
            return 0, 0

    @property
    def room(self) -> int:
        """Samples that can be written without waiting; for the thread that writes."""
        try:
            return int(self._stream.write_available)
        except self._error:
            return 0

    def read(self) -> tuple[Float32, bool]:
        """Wait for a block (n_channels, block); tell also whether sound was lost before it.

        Raises:
            AudioError: The device is gone.
        """
        try:
            data, lost = self._stream.read(self._block)
        except self._error as error:
            raise self._gone(error) from None
        return np.ascontiguousarray(data.T), bool(lost)

    def write(self, block: Float32) -> bool:
        """Wait until a block (n_channels, n) is taken; tell whether there was a gap before it.

        Raises:
            AudioError: The device is gone.
        """
        flat = self._flat[: block.shape[1]]
        flat[:] = block.T
        try:
            return bool(self._stream.write(flat))
        except self._error as error:
            raise self._gone(error) from None

    def close(self, timeout: float = 2.0) -> bool:
        """Stop and close; False if the driver does not answer."""

        def end() -> None:
            with contextlib.suppress(Exception):
                self._stream.abort()
            with contextlib.suppress(Exception):
                self._stream.close()

        thread = threading.Thread(target=end, name="isolde close", daemon=True)
        thread.start()
        thread.join(timeout)
        return not thread.is_alive()

    def _gone(self, error: Exception) -> AudioError:
        have = "have" if " and " in self._names else "has"
        return AudioError(f"{self._names} {have} stopped ({_plain(error)}): connect it again")


def _plain(error: Exception) -> str:
    """Give PortAudio's message without its codes and its history."""
    return str(error).split("\n")[0].replace("PaErrorCode ", "code ").strip()
