"""A filter from standard input to standard output that separates as it reads; it has no clock.

Every sample in is a sample out at the same place and in the same format. The filter gives a block
as soon as its stems are there, `Plan.lag` behind.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from isolde.audio import AudioReader, AudioWriter, subtype_for
from isolde.core.closing import Completable
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import LOUDEST, Float32, silence_faults
from isolde.live.control.controls import Controls
from isolde.live.io.recorder import StemFiles
from isolde.live.plan import Plan
from isolde.live.stream.meters import Counts, Level, Status, Times
from isolde.live.stream.mixer import LiveMixer
from isolde.live.worker.process import load

RAW = {"s16le": ("<i2", 32768.0), "s32le": ("<i4", 2147483648.0), "f32le": ("<f4", 1.0)}
"""Raw PCM formats, interleaved: NumPy's type and the full scale."""


def read_raw(
    stream: BinaryIO,
    name: str,
    *,
    n_channels: int,
    block: int,
    skip: int = 0,
    most: int | None = None,
) -> Iterator[Float32]:
    """Give blocks (n_channels, n) of raw PCM, n at most `block`.

    Args:
        stream: Stream of interleaved samples.
        name: Format, a key of `RAW`.
        n_channels: Number of channels.
        block: Samples per channel in a block; the last one may be shorter.
        skip: Samples per channel that are left out first.
        most: Samples per channel that are read after them; None: to the end.

    Raises:
        AudioError: The stream ends within a sample.
        InputError: The stream ends within what is left out.
    """
    kind, scale = RAW[name]
    width = np.dtype(kind).itemsize * n_channels
    left = width * skip
    while left:
        data = stream.read(min(left, width * block))
        if not data:
            raise InputError(
                f"the raw stream ends after {skip - left // width} samples, before the start at "
                f"{skip}: choose an earlier start"
            )
        left -= len(data)
    taken = 0
    while data := stream.read(width * min(block, sys.maxsize if most is None else most - taken)):
        if len(data) % width:
            raise AudioError(
                f"the raw stream ends within a sample of {width} bytes: check --raw and --channels"
            )
        flat = np.frombuffer(data, kind).reshape(-1, n_channels)
        samples = np.ascontiguousarray(flat.T).astype(np.float32)
        if scale != 1:
            samples *= np.float32(1 / scale)
        taken += samples.shape[1]
        yield samples


def write_raw(stream: BinaryIO, name: str, block: Float32) -> None:
    """Append a block (n_channels, n) as raw PCM; integers are limited to full scale.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    kind, scale = RAW[name]
    if scale == 1:
        samples = block.T.astype(kind)
    else:
        limits = np.iinfo(kind)
        scaled = np.rint(block.T.astype(np.float64) * scale)
        samples = np.clip(scaled, limits.min, limits.max).astype(kind)
    stream.write(samples.tobytes())
    stream.flush()


class Filter(Completable):
    """Takes mixture blocks and gives the mixed stems, aligned and of the same length.

    Attributes:
        plan: The numbers.
        mixer: Gains of the stems.
        controls: Commands by name.
        notes: What a user should know of the input, one line each.
    """

    def __init__(
        self, plan: Plan, *, record: str | Path | None = None, overwrite: bool = False
    ) -> None:
        """Load the model.

        Args:
            plan: The numbers, of which the delay does not matter here.
            record: Folder for the stems.
            overwrite: Whether existing stems in it may be replaced.

        Raises:
            AudioError: A record exists already.
            ModelError: The model cannot be loaded.
        """
        self.plan = plan
        self.notes: list[str] = []
        self._separator, self._masker = load(plan)
        self.mixer = LiveMixer(plan.stems, plan.n_channels, ramp=plan.ramp)
        self.mixer.begin()
        self._level, self._position, self._stopped = Level(plan.sample_rate), 0, False
        names = () if record is None else plan.stems
        self._files = StemFiles(record or "", names, plan, overwrite=overwrite)
        self.controls = Controls(
            mixer=self.mixer,
            set_strength=self._set_strength,
            status=self.status,
            stop=self._stop,
        )

    def feed(self, block: Float32) -> Float32:
        """Take (n_channels, n) of mixture; give what is ready, mixed."""
        return self._mix(self._separator.feed(block))

    def flush(self) -> Float32:
        """Give the rest."""
        self.notes += self._separator.notes()
        return self._mix(self._separator.flush())

    def run(self, blocks: Iterator[Float32]) -> Iterator[Float32]:
        """Filter a whole stream, until it ends or `stop` is told; NaN in it becomes 0, in place."""
        n_faulty = 0
        for block in blocks:
            n_faulty += silence_faults(block)
            yield self.feed(block)
            if self._stopped:
                break
        yield self.flush()
        if n_faulty:
            self.notes.append(
                f"the stream: {n_faulty} samples are NaN or infinite, or beyond {LOUDEST:g}; "
                "they were replaced by 0"
            )

    def close(self) -> None:
        """Complete the recorded files."""
        self._files.close()

    def abort(self) -> None:
        """Remove the recorded files."""
        self._files.abort()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the record, also at Ctrl-C and when nobody reads the output any more."""
        cause = getattr(error, "__cause__", None)  # of the error of a wav's writer
        ended = isinstance(error, KeyboardInterrupt | BrokenPipeError)
        ended = ended or isinstance(cause, BrokenPipeError)
        super().__exit__(None if ended else kind, error, trace)

    def status(self) -> Status:
        """Give the present status; there are no deadlines, so no load and nothing late."""
        return Status(
            position=self._position / self.plan.sample_rate,
            state="ended" if self._stopped else "playing",
            on_stems=True,
            gains=self.mixer.gains,
            wet=self.mixer.wet,
            muted=self.mixer.muted,
            strength=self._masker.strength,
            peak_db=self._level.peak_db,
            rms_db=self._level.rms_db,
            activity=self._masker.activity,
            load=Times().percentiles(),
            latency_ms=1000 * self.plan.lag / self.plan.sample_rate,
            counts=Counts(),
        )

    def _stop(self) -> None:
        self._stopped = True

    def _set_strength(self, value: float) -> None:
        if self.plan.settings.mask != "soft":
            raise InputError(f"strength {value:g}: a binary mask has none")
        self._masker.strength = value

    def _mix(self, stems: dict[str, Float32]) -> Float32:
        parts = [stems[s] for s in self.plan.stems]
        n = parts[0].shape[1]
        self._files.write(parts)
        if not n:
            return parts[0]
        mixture: Float32 = np.sum(np.stack(parts), axis=0, dtype=np.float32)
        out = self.mixer.process(np.concatenate(parts), mixture, here=n, present=True)
        self._position += n
        self._level.add(out)
        return out


def pipe_wav(
    filter_for: Callable[[int, int], Filter],
    source: BinaryIO,
    target: BinaryIO,
    *,
    start: float = 0.0,
    end: float | None = None,
) -> Filter:
    """Filter wav to wav of the same rate, channels and sample type; give the filter that did it.

    Args:
        filter_for: Function that makes the filter, given the rate in Hz and the channels.
        source: Stream to read, which need not seek.
        target: Stream to write, which need not seek.
        start: Seconds of the input that are left out.
        end: Seconds of the input after which it is read no further; None: to its end.

    Raises:
        AudioError: The input is no wav, or ends too early.
        InputError: The input ends before the start.
    """
    with AudioReader(source, start=start, end=end) as reader:
        rate, n_channels = reader.info.sample_rate, reader.info.n_channels
        with filter_for(rate, n_channels) as made:
            reader.block_samples = made.plan.block
            with AudioWriter(
                target,
                sample_rate=rate,
                n_channels=n_channels,
                subtype=subtype_for("wav", like=reader.info),
            ) as writer:
                for block in made.run(iter(reader)):
                    writer.write(block)
                    target.flush()
            made.notes += reader.notes()
    return made


def pipe_raw(
    made: Filter,
    source: BinaryIO,
    target: BinaryIO,
    name: str,
    *,
    start: float = 0.0,
    end: float | None = None,
) -> None:
    """Filter raw PCM to raw PCM of the same format, from `start` seconds on and up to `end`.

    Raises:
        AudioError: The input ends within a sample.
        InputError: The input ends before the start.
    """
    plan = made.plan
    skip = round(start * plan.sample_rate)
    most = None if end is None else round(end * plan.sample_rate) - skip
    form = {"n_channels": plan.n_channels, "block": plan.block}
    with made:
        for block in made.run(read_raw(source, name, **form, skip=skip, most=most)):
            write_raw(target, name, block)
