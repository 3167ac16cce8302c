"""A live session: devices, threads and files around a pipeline, and what happens when they fail.

The audio thread waits for the device and pulls; a feeder reads files ahead; a recorder writes; a
watchdog notices what stands still. The caller's thread is free.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from isolde.errors import AudioError, IsoldeError
from isolde.live import devices
from isolde.live.desk import Desk
from isolde.live.devices import Device, Ports
from isolde.live.engine import Engine
from isolde.live.feeder import Feeder
from isolde.live.meters import Status
from isolde.live.pipeline import Pipeline
from isolde.live.plan import Plan
from isolde.live.recorder import Recorder

_STALL_SECONDS = 1.0
_REOPEN_SECONDS = 0.5
_SAFE_SECONDS = 0.003
"""Of the output's store, kept for our own work after waiting."""
_GROWN_SECONDS = 0.05
_QUEUE_EVERY = 8
"""Blocks from one look at the devices' queues to the next."""


class Live:
    """Separate what a device captures, or a file or pipe holds, and play it. A context manager.

    Attributes:
        pipeline: positions, counts and meters.
        desk: commands by name.
        notes: what happened, one line each, the last hundred.
        stuck: a driver did not answer when it was closed; only ending the process frees it.
        first_sound: seconds from `start` to the first block handed to the output device.
        first_stems: seconds from `start` to the first block of stems.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        source: str | Path | BinaryIO | Device,
        target: Device,
        start: float = 0.0,
        record: str | Path | None = None,
        wait_ready: bool | None = None,
        device_latency: float | str | None = None,
        patience: float = 30.0,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; `start` makes sound.

        Args:
            plan: the session's numbers.
            source: a device to capture from, a file, or a stream of wav.
            target: the device to play to.
            start: seconds into a file.
            record: a folder for the stems of what is played.
            wait_ready: whether no sound may begin before the model is loaded; None: for devices.
            device_latency: seconds in each device's buffer, or "low" or "high"; None: "low" when
                capturing, 0.1 for a file.
            patience: seconds to wait for a device that has gone.
            on_note: called with each note, from any thread.

        Raises:
            AudioError: when the source or the record cannot be opened.
            InputError: when the source and the plan do not fit.
        """
        self.plan = plan
        self.notes: deque[str] = deque(maxlen=100)
        self.stuck = False
        self.first_sound = self.first_stems = 0.0
        self._source = source if isinstance(source, Device) else None
        self._target, self._patience, self._on_note = target, patience, on_note
        follow = self._source is not None
        self._wait_ready = follow if wait_ready is None else wait_ready
        self._device_latency = device_latency or ("low" if follow else 0.1)
        self._ports: Ports | None = None
        self._stop, self._done = threading.Event(), threading.Event()
        self._error: IsoldeError | None = None
        self._beat = time.monotonic()
        self._watched = False
        self._steps = self._slipped = 0
        self._usual = float("nan")
        self._queued = np.full(16, np.nan)  # samples waiting in the devices, lately
        self._recorder: Recorder | None = None
        self._feeder: Feeder | None = None
        self._engine = Engine(plan)
        try:
            self.pipeline = Pipeline(plan, self._engine, follow=follow)
            if not isinstance(source, Device):
                self._feeder = Feeder(source, self.pipeline, start=start)
            if record is not None:
                self._recorder = Recorder(record, self.pipeline, mixture=follow)
        except BaseException:
            self._engine.close(0.0)
            raise
        files = self._feeder is not None
        self.desk = Desk(
            mixer=self.pipeline.mixer,
            set_strength=self.pipeline.set_strength,
            status=self.status,
            stop=self._stop.set,
            pause=self._pause if files else None,
            seek=self._feeder.seek if self._feeder and self._feeder.can_seek else None,
        )
        self._thread = threading.Thread(target=self._run, name="isolde audio", daemon=True)

    def __enter__(self) -> "Live":
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop and close everything."""
        self.close()

    def start(self) -> None:
        """Open the devices and let it run.

        Raises:
            AudioError: when a device cannot be opened.
            ModelError: when the model must be waited for and cannot be loaded.
        """
        self._began = time.monotonic()
        try:
            if self._feeder:
                self._feeder.start()
            if self._wait_ready:
                while not self.pipeline.ready:
                    self.pipeline.collect(0.2)
            self._ports = self._open()
        except BaseException:
            self._close_quietly()
            raise
        self._watched = True
        self._beat = time.monotonic()
        self._thread.start()
        threading.Thread(target=self._watch, name="isolde watch", daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the source ends or `stop` is called; True if that is so.

        Raises:
            AudioError: when a device or the source has failed for good.
            ModelError: when the separator has.
        """
        ended = self._done.wait(timeout)
        if self._error is not None:
            raise self._error
        return ended

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        self._stop.set()

    def close(self) -> None:
        """End: devices, worker and files; safe to call twice.

        Raises:
            AudioError: when the record cannot be completed.
        """
        self._stop.set()
        self._watched = False
        if self._thread.is_alive():
            self._thread.join(_STALL_SECONDS)
        if self._ports is not None:
            self.stuck = not self._ports.close() or self.stuck
            self._ports = None
        if self._thread.is_alive():
            self._thread.join(_STALL_SECONDS)
            self.stuck = self.stuck or self._thread.is_alive()
        if self._feeder:
            self._feeder.close()
        try:
            if self._recorder:
                recorder, self._recorder = self._recorder, None
                if self._source is not None:  # also what was captured and not yet played
                    at = max(self.pipeline.position, 0)
                    self.pipeline.finish()
                    self.pipeline.played.append((at, self._engine.mixture.written))
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
        """The session now."""
        pipeline, mixer, rate = self.pipeline, self.pipeline.mixer, self.plan.sample_rate
        offset = self._feeder.offset if self._feeder else 0
        state = "ended" if self._done.is_set() else "paused" if pipeline.paused else "playing"
        if state == "playing" and not pipeline.ready:
            state = "starting"
        return Status(
            position=max(0.0, (pipeline.position + offset) / rate),
            state=state,
            on_stems=mixer.on_stems,
            gains=mixer.gains,
            wet=mixer.wet,
            muted=mixer.muted,
            strength=pipeline.strength,
            peak_db=pipeline.heard.peak_db,
            rms_db=pipeline.heard.rms_db,
            activity=pipeline.activity,
            load=pipeline.load.percentiles(last=1024),
            latency_ms=1000 * self.latency,
            counts=pipeline.counts,
        )

    @property
    def follows(self) -> bool:
        """Whether it captures from a device."""
        return self._source is not None

    @property
    def latency(self) -> float:
        """Seconds from a sound's arrival at the input to its leaving the output.

        The plan's delay, the input's block, and what waits in the devices' queues, measured while
        it runs (before that, what the drivers declare). A converter or a sound server behind
        PortAudio adds its own. For a file: from a key to the ear.
        """
        plan, ports = self.plan, self._ports
        known = self._queued[np.isfinite(self._queued)]
        if known.size:
            queued = float(np.median(known)) / plan.sample_rate
        else:
            queued = sum(ports.latency) if ports else 0.0
        if self._source is None:
            return queued + plan.block_seconds + plan.ramp
        return plan.delay / plan.sample_rate + plan.block_seconds + queued

    def _pause(self, on: bool) -> None:
        self.pipeline.paused = on

    def _open(self) -> Ports:
        ports = Ports(
            source=self._source,
            target=self._target,
            sample_rate=self.plan.sample_rate,
            n_channels=self.plan.n_channels,
            block=self.plan.block,
            latency=self._device_latency,
        )
        if self._source is not None:
            # Capturing takes a while to begin; without silence in store, laid down when it has
            # begun, the output would starve meanwhile.
            for _ in range(1 + int(0.1 / self.plan.block_seconds)):
                ports.read()
            seconds = ports.latency[1]
            if self._device_latency == "low":
                seconds = min(seconds, max(2 * self.plan.block_seconds, 0.035))
            store = round(seconds * self.plan.sample_rate) // self.plan.block
            for _ in range(max(1, store)):
                if ports.room >= self.plan.block:
                    ports.write(np.zeros((self.plan.n_channels, self.plan.block), np.float32))
        return ports

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self.pipeline.ended:
                try:
                    self._step()
                except AudioError as error:
                    if self._stop.is_set() or not self._reopen(error):
                        raise
            if not self._stop.is_set():
                self._drain()
            if self._feeder and self._feeder.error:
                raise self._feeder.error
        except IsoldeError as error:
            if not self._stop.is_set():
                self._error = error
        finally:
            self._done.set()

    def _step(self) -> None:
        """One block, from one wait for the device to the next."""
        ports, pipeline, plan = self._ports, self.pipeline, self.plan
        assert ports is not None
        if self._source is not None:
            for _ in range(1 + self._queue_has_grown()):
                block, lost = ports.read()
                pipeline.counts.overruns += lost
                pipeline.push(np.nan_to_num(block, copy=False))
        heard = pipeline.pull(plan.block, patience=self._patience_now(ports))
        self._steps += 1
        if self._steps % _QUEUE_EVERY == 0:
            self._queued[self._steps // _QUEUE_EVERY % self._queued.size] = sum(ports.queued)
        gap = ports.write(heard)
        self._beat = time.monotonic()
        if not self.first_sound:
            self.first_sound = self._beat - self._began
        elif gap:
            pipeline.counts.underruns += 1
        if not self.first_stems and pipeline.mixer.on_stems:
            self.first_stems = self._beat - self._began

    def _patience_now(self, ports: Ports) -> float:
        """Seconds for which the output can do without us: stems may be waited for so long.

        Sound servers hand over several blocks at once; then there is no time between two visits,
        but there is enough to play. Once the mixture stands in, there is no waiting: the worker
        catches up faster than the store would.
        """
        plan = self.plan
        least = 0.6 * plan.block_seconds if plan.depth == 0 and self.follows else 0.0
        if not self.pipeline.on_stems:
            return least
        store = ports.queued[1] / plan.sample_rate - _SAFE_SECONDS
        return max(least, min(store, 4 * plan.block_seconds))

    def _queue_has_grown(self) -> bool:
        """Whether the devices hold much more than they did, for long: then leave a block out."""
        seen, block = self._steps // _QUEUE_EVERY, self.plan.block
        if self._steps % _QUEUE_EVERY or seen < self._queued.size or self._steps == 0:
            return False
        if not np.isfinite(self._usual):
            self._usual = float(np.median(self._queued))
        lately = self._queued[np.arange(seen - 5, seen + 1) % self._queued.size]
        grown = max(2 * block, int(_GROWN_SECONDS * self.plan.sample_rate))
        if lately.min() < self._usual + grown or seen - self._slipped < 6:
            self._usual = min(self._usual, float(lately.max()))
            return False
        self._slipped = seen
        self.pipeline.skip(block)
        return True

    def _drain(self) -> None:
        """Let the output play what it has: as much silence as its buffer holds."""
        ports, plan = self._ports, self.plan
        assert ports is not None
        silence = np.zeros((plan.n_channels, plan.block), np.float32)
        for _ in range(int(ports.latency[1] / plan.block_seconds) + 1):
            ports.write(silence)

    def _reopen(self, error: AudioError) -> bool:
        """Wait for a device that has gone; False when it does not come back."""
        self._note(f"{error}; waiting {self._patience:.0f} s for it")
        self._watched = False
        if self._ports is not None and not self._ports.close():
            self.stuck = True
            return False
        self._ports = None
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline and not self._stop.wait(_REOPEN_SECONDS):
            devices.refresh()
            try:
                if self._source is not None:
                    self._source = devices.find(self._source.name, "input")
                self._target = devices.find(self._target.name, "output")
                self._ports = self._open()
            except IsoldeError:
                continue
            self.pipeline.counts.reopened += 1
            self._note("the device is back")
            self._beat = time.monotonic()
            self._watched = True
            return True
        return False

    def _watch(self) -> None:
        """Notice devices that take no sound, and times when the whole process stood still."""
        blocked = False
        while not self._done.is_set():
            before = time.monotonic()
            self._done.wait(0.1)
            now = time.monotonic()
            if now - before > _STALL_SECONDS:
                self.pipeline.counts.suspended += 1
                self._note(f"this program stood still for {now - before:.1f} s")
                self._beat = now
            stalled = self._watched and now - self._beat > _STALL_SECONDS
            if stalled and not blocked:
                self._note(
                    f"the sound devices have not moved for {_STALL_SECONDS:.0f} s: "
                    "blocked or suspended? Ctrl-C ends"
                )
            if blocked and not stalled:
                self._note("the sound devices go on")
            blocked = stalled

    def _note(self, text: str) -> None:
        self.notes.append(text)
        if self._on_note:
            self._on_note(text)

    def _close_quietly(self) -> None:
        if self._feeder:
            self._feeder.close()
        if self._recorder:
            recorder, self._recorder = self._recorder, None
            recorder.abandon()
        self._engine.close(0.5)
        self._done.set()
