"""Ways to run a live session: the one that ships, and others to compare it with."""

import threading
from typing import Any

import numpy as np

from isolde.core.stage import Float32
from isolde.live import Device, Live, Plan
from isolde.live.io.devices import portaudio
from isolde.live.io.open import open_ports
from isolde.live.stream.pipeline import Pipeline
from isolde.live.worker.engine import Engine

WAYS = [(place, io) for place in ("process", "thread") for io in ("blocking", "callback")]


class Session:
    """The way that ships: `isolde.live.Live`, whole."""

    def __init__(
        self, plan: Plan, source: Device, target: Device, device_latency: float | str
    ) -> None:
        """Start it."""
        self._live = Live(plan, source=source, target=target, device_latency=device_latency)
        self.pipeline = self._live.pipeline
        self._live.start()

    @property
    def latency_ms(self) -> float:
        """From a sound that goes in to its stems, devices included."""
        return 1000 * self._live.latency

    def close(self) -> None:
        """End it."""
        self._live.close()


class Variant:
    """The other ways, only to compare: the network in a thread, the device by a callback."""

    def __init__(
        self,
        plan: Plan,
        source: Device,
        target: Device,
        device_latency: float | str,
        *,
        place: str,
        io: str,
    ) -> None:
        """Start it: `place` and `io` of `WAYS`."""
        self._plan, self._stop, self._queued = plan, threading.Event(), 0.0
        self._engine = Engine(plan, place=place)
        self.pipeline = Pipeline(plan, self._engine, follow=True)
        while not self.pipeline.ready:
            self.pipeline.collect(0.2)
        self._stream = self._thread = None
        if io == "blocking":
            self._thread = threading.Thread(
                target=self._block, args=(source, target, device_latency), daemon=True
            )
            self._thread.start()
        else:
            self._stream = portaudio().Stream(
                device=(source.index, target.index),
                samplerate=plan.sample_rate,
                blocksize=plan.block,
                channels=plan.n_channels,
                dtype="float32",
                latency=device_latency,
                callback=self._callback,
            )
            self._stream.start()

    @property
    def latency_ms(self) -> float:
        """From a sound that goes in to its stems, devices included."""
        plan = self._plan
        return 1000 * (plan.delay + plan.block + self._queued) / plan.sample_rate

    def close(self) -> None:
        """End it."""
        self._stop.set()
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
        if self._thread is not None:
            self._thread.join(10)
        self._engine.close()

    def _block(self, source: Device, target: Device, device_latency: float | str) -> None:
        plan, pipeline = self._plan, self.pipeline
        ports = open_ports(plan, source=source, target=target, latency=device_latency)
        while not self._stop.is_set():
            captured, lost = ports.read()
            pipeline.counts.overruns += lost
            pipeline.push(captured)
            store = ports.queued[1] / plan.sample_rate - 0.003
            patience = max(0.0, min(store, 4 * plan.block_seconds)) * pipeline.on_stems
            heard = pipeline.pull(plan.block, patience=patience)
            self._queued = sum(ports.queued)
            pipeline.counts.underruns += ports.write(heard)
        ports.close()

    def _callback(self, indata: Float32, outdata: Float32, n: int, when: Any, flags: Any) -> None:
        plan, pipeline = self._plan, self.pipeline
        pipeline.counts.overruns += bool(flags.input_overflow)
        pipeline.counts.underruns += bool(flags.output_underflow)
        seconds = when.outputBufferDacTime - when.inputBufferAdcTime
        self._queued = seconds * plan.sample_rate - plan.block
        pipeline.push(np.ascontiguousarray(indata.T))
        outdata[:] = pipeline.pull(plan.block).T
