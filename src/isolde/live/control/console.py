"""A live session on a terminal: keys, meters, Ctrl-C; it computes no sound."""

import os
import sys
import time
from pathlib import Path

from isolde.audio import comes_once, info
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import TOP_RATE
from isolde.live.control import keys
from isolde.live.control.controls import Controls
from isolde.live.control.osc import OscServer
from isolde.live.control.settings import LiveSettings
from isolde.live.control.socket import ControlSocket
from isolde.live.io import devices
from isolde.live.io.devices import Device
from isolde.live.io.open import check_channels
from isolde.live.io.pipes import Filter, pipe_raw, pipe_wav
from isolde.live.plan import Plan, make_plan
from isolde.live.session import Live
from isolde.live.stream.meters import Status
from isolde.models.catalogue import LIVE, LOW_LATENCY

_SHOWN = 0.2
"""Seconds between two views of the meters."""
_CLEAR = "\r\x1b[K"
"""What removes the line of meters from a terminal."""


def usual_model(*, low_latency: bool) -> str:
    """Give the model of a session whose user names none."""
    return LOW_LATENCY if low_latency else LIVE


def print_devices() -> None:
    """Print the devices, one a line.

    Raises:
        MissingExtraError: Sounddevice is not installed.
        AudioError: PortAudio is missing, or cannot list them.
    """
    found = devices.list_devices()
    if not found:
        print("no devices: PortAudio sees no sound card, and no server such as PipeWire")
    for d in found:
        default = f"  (default {d.is_default})" if d.is_default else ""
        print(
            f"{d.index:3d}  {d.name}  [{d.host}]  {d.n_inputs} in, {d.n_outputs} out, "
            f"{d.sample_rate} Hz{default}"
        )


def _plan(settings: LiveSettings, *, sample_rate: int, n_channels: int, frames: int) -> Plan:
    usual_depth = 0 if settings.low_latency else None
    return make_plan(
        settings.separation,
        sample_rate=sample_rate,
        n_channels=n_channels,
        frames=settings.block or frames,
        depth=usual_depth if settings.depth is None else settings.depth,
    )


def _set(controls: Controls, settings: LiveSettings) -> None:
    """Set the mixer as asked, from the first sample."""
    controls.mixer.solo(settings.play)
    controls.mixer.wet = settings.wet
    controls.mixer.settle()


def run_pipe(settings: LiveSettings) -> None:
    """Filter standard input to standard output.

    Raises:
        AudioError: The input cannot be read.
        InputError: A setting does not fit.
    """
    if sys.stdout.isatty():
        raise InputError("standard output is a terminal: send it to a file or a pipe")
    source, target = sys.stdin.buffer, sys.stdout.buffer
    start, end = settings.start, settings.end
    servers: list[ControlSocket | OscServer] = []

    def make(sample_rate: int, n_channels: int) -> Filter:
        plan = _plan(settings, sample_rate=sample_rate, n_channels=n_channels, frames=1)
        made = Filter(plan, record=settings.record, overwrite=settings.overwrite)
        try:
            _set(made.controls, settings)
            servers.extend(_servers(made.controls, settings))
        except BaseException:
            made.abort()
            raise
        return made

    try:
        if settings.raw:
            made = make(settings.rate or TOP_RATE, settings.channels or 2)
            pipe_raw(made, source, target, settings.raw, start=start, end=end)
        else:
            made = pipe_wav(make, source, target, start=start, end=end)
        for note in made.notes:
            _say(f"isolde: {note}")
    finally:
        for server in servers:
            server.close()


def run_devices(settings: LiveSettings) -> None:
    """Play a device, a file or standard input on a device.

    Raises:
        AudioError: A device or file fails.
        InputError: A setting does not fit.
        ModelError: The model fails.
    """
    source: Device | Path | None = None
    about = None
    if settings.source not in ("", "-"):
        source = Path(settings.source)
        about = None if comes_once(source) else info(source)
    target = devices.find(settings.output_name, "output")
    if about is None:
        inward = devices.find(settings.input_name, "input") if not settings.source else None
        source = inward or source
        own = inward.sample_rate if inward and not settings.low_latency else TOP_RATE
        rate = settings.rate or own  # another rate than the grid's costs two resamplers' delay
        n = settings.channels or (min(2, inward.n_inputs) if inward else 2)
        if inward:
            check_channels(n, inward, "input")
    else:
        rate, n = settings.rate or about.sample_rate, settings.channels or about.n_channels
    # a song's channels are averaged to one, and not to fewer: see `feeder.adapt`
    check_channels(n, target, "output", instead=None if isinstance(source, Device) else 1)
    plan = _plan(
        settings, sample_rate=rate, n_channels=n, frames=1 if isinstance(source, Device) else 4
    )
    session = Live(
        plan,
        source=sys.stdin.buffer if source is None else source,
        target=target,
        start=settings.start,
        record=settings.record,
        device_latency=settings.device_latency,
        on_note=lambda text: _say(f"isolde: {text}"),
        overwrite=settings.overwrite,
    )
    terminal = keys.Keys(lambda key: _press(session.controls, key))
    servers: list[ControlSocket | OscServer] = []
    started = False
    try:
        _set(session.controls, settings)
        servers += _servers(session.controls, settings)
        session.start()
        started = True
        if not settings.quiet:
            _announce(session, terminal.active)
        _watch(session, settings)
    finally:
        terminal.close()
        for server in servers:
            server.close()
        session.close()
        if started and not settings.quiet:
            _say(summary(session.status()))
        if session.stuck:
            # The driver holds a thread that cannot be ended, and would delay the end of Python.
            _say("isolde: a sound device does not answer; left it")
            os._exit(130 if isinstance(sys.exception(), KeyboardInterrupt) else 2)


def _servers(controls: Controls, settings: LiveSettings) -> list[ControlSocket | OscServer]:
    """Open what takes commands from other programs, and tell the ports."""
    servers: list[ControlSocket | OscServer] = []
    if settings.control is not None:
        servers.append(ControlSocket(controls, port=settings.control))
        _say(f"control: 127.0.0.1 port {servers[-1].port}")
    if settings.osc is not None:
        servers.append(OscServer(controls.answer, port=settings.osc))
        _say(f"OSC: 127.0.0.1 UDP port {servers[-1].port}")
    return servers


def _say(line: str) -> None:
    """Print a line on standard error, in place of the meters."""
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{line}", file=sys.stderr, flush=True)


def _press(controls: Controls, key: str) -> None:
    status = controls.status()
    line = keys.command_for(
        key, stems=controls.mixer.stems, wet=controls.mixer.wet, strength=status.strength
    )
    if line is not None:
        answer = controls.answer(line)
        if answer != "ok":
            _say(answer)


def _announce(session: Live, has_keys: bool) -> None:
    plan = session.plan
    ms = 1000 / plan.sample_rate
    if session.follows:
        _say(
            f"latency {1000 * session.latency:.0f} ms: separator {plan.lag * ms:.1f} "
            f"({plan.settings.model}, {plan.settings.synthesis} synthesis), "
            f"cross-fade {plan.reserve * ms:.1f}, "
            f"capturing {plan.block * ms:.1f}, computing {plan.depth * plan.block * ms:.1f}, "
            f"devices {1000 * session.latency - (plan.delay + plan.block) * ms:.1f}"
        )
    if has_keys:
        _say(keys.help_for(session.controls.mixer.stems))


def _watch(session: Live, settings: LiveSettings) -> None:
    began = time.monotonic()
    while not session.wait(_SHOWN):
        if settings.stop_after is not None and time.monotonic() - began > settings.stop_after:
            session.stop()
        if not settings.quiet and sys.stderr.isatty():
            line = meters(session.status())
            width = os.get_terminal_size(sys.stderr.fileno()).columns  # 0 where it is unknown
            line = line[: width - 1] if width else line  # a longer line would scroll
            print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)


def meters(status: Status) -> str:
    """Give the line of meters; what comes last is cut on a narrow terminal."""
    c = status.counts
    bar = "#" * max(0, min(12, round((status.rms_db + 60) / 5)))
    parts = [
        f"{status.position:7.1f} s",
        describe_mix(status),
        status.state if status.state != "playing" else "",
        "MUTED" if status.muted else "",
        "" if status.on_stems else "MIXTURE (separator late)",
        f"{bar:12s} {status.peak_db:6.1f} dB",
        f"voice {100 * status.activity:3.0f} %",
        f"{status.latency_ms:.0f} ms",
        f"load {100 * status.load[0]:.0f}/{100 * status.load[1]:.0f}/{100 * status.load[2]:.0f} %",
        f"late {c.late} under {c.underruns} over {c.overruns}",
    ]
    return "  ".join(p for p in parts if p)


def describe_mix(status: Status) -> str:
    """Name what is played: stems with their gains, dry/wet, and the strength of the mask."""
    gains = [(stem, gain) for stem, gain in status.gains.items() if gain]
    names = [stem if gain == 1 else f"{stem} {gain:.2f}" for stem, gain in gains]
    whole = len(gains) == len(status.gains) and all(gain == 1 for _, gain in gains)
    words = ["mix" if whole else " + ".join(names) or "nothing"]
    words += [f"wet {status.wet:.1f}"] if status.wet < 1 else []
    words += [f"strength {status.strength:.2f}"] if status.strength != 1 else []
    return ", ".join(words)


def summary(status: Status) -> str:
    """Give the line that ends a session."""
    c = status.counts
    return (
        f"{status.position:.1f} s, latency {status.latency_ms:.0f} ms, load p50/p95/p99 "
        f"{100 * status.load[0]:.0f}/{100 * status.load[1]:.0f}/{100 * status.load[2]:.0f} %; "
        f"late blocks {c.late} in {c.dropouts} dropouts, underruns {c.underruns}, overruns "
        f"{c.overruns}, starved {c.starved}, lost {c.lost}"
    )
