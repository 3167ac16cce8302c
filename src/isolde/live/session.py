"""A live session: devices, threads and files around a pipeline; it computes no sound.

The audio thread runs the loop, a feeder reads files ahead, a recorder writes, and a watchdog notes
what stands still. The caller's thread is free.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from isolde.core.closing import Closable
from isolde.core.errors import AudioError
from isolde.live.control.controls import Controls
from isolde.live.control.watchdog import STALL_SECONDS, Watchdog
from isolde.live.io.devices import Device
from isolde.live.io.feeder import Feeder
from isolde.live.io.open import Connection
from isolde.live.io.recorder import Recorder
from isolde.live.plan import Plan
from isolde.live.stream.loop import Loop
from isolde.live.stream.meters import Status
from isolde.live.stream.pipeline import Pipeline
from isolde.live.worker.engine import Engine
from isolde.live.worker.priority import raise_priority


class Live(Closable):
    """Separates what a device captures, or a file or pipe holds, and plays it; a context manager.

    Attributes:
        follows: Whether it captures from a device.
        pipeline: Positions, counts and meters.
        controls: Commands by name.
        notes: What happened, one line each, the last hundred.
        stuck: Whether a driver did not answer when it was closed; only the process's end frees it.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        source: str | Path | BinaryIO | Device,
        target: Device,
        start: float = 0.0,
        record: str | Path | None = None,
        overwrite: bool = False,
        wait_ready: bool | None = None,
        device_latency: float | str | None = None,
        patience: float = 30.0,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; `start` makes sound.

        Args:
            plan: The session's numbers.
            source: A device to capture from, a file, or a stream of wav.
            target: Device to play to.
            start: Start in seconds into a file.
            record: Folder for the stems of what is played.
            overwrite: Whether existing stems in it may be replaced.
            wait_ready: Whether sound begins only when the model is loaded; None: when capturing.
            device_latency: Seconds of buffering in each device, or "low" or "high"; None: "low"
                when capturing, 0.1 for a file.
            patience: Seconds to wait for a device that has gone.
            on_note: Function called with each note, from any thread.

        Raises:
            AudioError: The source or the record cannot be opened.
            InputError: The source and the plan do not fit.
        """
        self.plan = plan
        self.notes: deque[str] = deque(maxlen=100)
        self.stuck = False
        self._on_note = on_note
        self.follows = follow = isinstance(source, Device)
        self._wait_ready = follow if wait_ready is None else wait_ready
        self._devices = Connection(
            plan,
            source=source if isinstance(source, Device) else None,
            target=target,
            latency=device_latency or ("low" if follow else 0.1),
            patience=patience,
        )
        self._stop, self._done = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self._recorder: Recorder | None = None
        self._feeder: Feeder | None = None
        self._engine = Engine(plan, urgent=True)
        try:
            self.pipeline = Pipeline(plan, self._engine, follow=follow)
            if not isinstance(source, Device):
                self._feeder = Feeder(source, self.pipeline, start=start, note=self._note)
            if record is not None:
                self._recorder = Recorder(
                    record,
                    self.pipeline,
                    mixture=follow,
                    overwrite=overwrite,
                    note=self._note,
                )
        except BaseException:
            if self._feeder:
                self._feeder.close()
            self._engine.close(0.0)
            raise
        self._loop = Loop(plan, self.pipeline, follows=follow)
        self._watchdog = Watchdog(
            self._done,
            beat=lambda: self._loop.beat,
            counts=self.pipeline.counts,
            note=self._note,
        )
        self.controls = Controls(
            mixer=self.pipeline.mixer,
            set_strength=self.pipeline.set_strength,
            status=self.status,
            stop=self._stop.set,
            pause=None if follow else self._pause,
            seek=self._feeder.seek if self._feeder and self._feeder.can_seek else None,
        )
        self._thread = threading.Thread(target=self._run, name="isolde audio", daemon=True)

    def __enter__(self) -> "Live":
        """Start."""
        self.start()
        return self

    def start(self) -> None:
        """Open the devices and play.

        Raises:
            AudioError: A device cannot be opened.
            ModelError: The model is waited for and cannot be loaded.
        """
        self._loop.begin()
        try:
            if self._feeder:
                self._feeder.start()
            if self._wait_ready:
                while not self.pipeline.ready:
                    self.pipeline.collect(0.2)
            self._loop.use(self._devices.open())
        except BaseException:
            self._close_quietly()
            raise
        self._watchdog.wake()
        self._thread.start()
        self._watchdog.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the source ends or `stop` is called; False after `timeout` seconds.

        Raises:
            AudioError: A device or the source has failed for good.
            ModelError: The separator has failed.
        """
        ended = self._done.wait(timeout)
        if self._error is not None:
            raise self._error
        return ended

    def stop(self) -> None:
        """Ask the session to end, without waiting."""
        self._stop.set()

    def close(self) -> None:
        """End devices, worker and files; nothing happens the second time.

        Raises:
            AudioError: The record cannot be completed.
        """
        self._stop.set()
        self._watchdog.awake = False
        if self._thread.ident is None:  # nothing was played: nothing is recorded
            self._close_quietly()
            return
        self._thread.join(STALL_SECONDS)
        self._close_ports()
        self._thread.join(STALL_SECONDS)
        self.stuck = self.stuck or self._thread.is_alive()
        if self._feeder:
            self._feeder.close()
        try:
            if self._recorder:
                recorder, self._recorder = self._recorder, None
                if self.follows:  # also what was captured and not yet played
                    at = max(self.pipeline.position, 0)
                    self.pipeline.finish()
                    recorder.played.append((at, self._engine.mixture.written))
                recorder.close()
                if recorder.n_lost:
                    self._note(
                        f"{recorder.n_lost} samples of the record are silence: "
                        "the separator was too slow"
                    )
        finally:
            if not self.stuck:
                self._engine.close()
            self._done.set()

    def status(self) -> Status:
        """Give the present status."""
        pipeline, mixer = self.pipeline, self.pipeline.mixer
        captured = max(0.0, pipeline.position / self.plan.sample_rate)
        state = "paused" if pipeline.paused else "playing" if pipeline.ready else "starting"
        return Status(
            position=self._feeder.seconds if self._feeder else captured,
            state="ended" if self._done.is_set() else state,
            on_stems=mixer.on_stems,
            gains=mixer.gains,
            wet=mixer.wet,
            muted=mixer.muted,
            strength=pipeline.strength,
            peak_db=pipeline.output.peak_db,
            rms_db=pipeline.output.rms_db,
            activity=pipeline.activity,
            load=pipeline.load.percentiles(last=1024),
            latency_ms=1000 * self.latency,
            counts=pipeline.counts,
        )

    @property
    def latency(self) -> float:
        """Seconds from a sound's arrival at the input to its leaving the output.

        The sum of the plan's delay, the input's block, and what waits in the devices' queues,
        measured while it runs (before that, what the drivers declare). A converter or a sound
        server behind PortAudio adds its own. For a file: from a key to the output.
        """
        return self._loop.latency

    @property
    def first_sound(self) -> float:
        """Seconds from `start` to the first block given to the output device; 0 before it."""
        return self._loop.first_sound

    @property
    def first_stems(self) -> float:
        """Seconds from `start` to the first block of stems; 0 before it."""
        return self._loop.first_stems

    def _pause(self, on: bool) -> None:
        self.pipeline.paused = on

    def _run(self) -> None:
        raise_priority()
        try:
            while not self._stop.is_set() and not self.pipeline.ended:
                try:
                    self._loop.step()
                except AudioError as error:
                    if self._stop.is_set() or not self._reopen(error):
                        raise
            if not self._stop.is_set():
                self._loop.drain()
            if self._feeder and self._feeder.error:
                raise self._feeder.error
        except Exception as error:  # `wait` raises it in the caller's thread
            if not self._stop.is_set():
                self._error = error
        finally:
            self._done.set()

    def _reopen(self, error: AudioError) -> bool:
        """Wait for a device that has gone; False if it does not come back."""
        self._note(f"{error}; waiting {self._devices.patience:.0f} s for it")
        self._watchdog.awake = False
        self._close_ports()
        if self.stuck:
            return False
        ports = self._devices.reopen(self._stop)
        if ports is None:
            return False
        self._loop.use(ports)
        self.pipeline.counts.reopened += 1
        self._note("the device is back")
        self._watchdog.wake()
        return True

    def _note(self, text: str) -> None:
        self.notes.append(text)
        if self._on_note:
            self._on_note(text)

    def _close_ports(self) -> None:
        ports, self._loop.ports = self._loop.ports, None
        self.stuck = self.stuck or (ports is not None and not ports.close())

    def _close_quietly(self) -> None:
        """End a session that has not begun, and remove its record."""
        self._close_ports()
        if self._feeder:
            self._feeder.close()
        if self._recorder:
            recorder, self._recorder = self._recorder, None
            recorder.abandon()
        self._engine.close(0.5)
        self._done.set()
