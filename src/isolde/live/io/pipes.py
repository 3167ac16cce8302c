"""From standard input to standard output: a filter that separates as it reads; without a clock.

Nothing is late in a pipe: every sample in is a sample out at the same place, in the same format,
and the filter gives a block as soon as its stems are there (`Separator.latency` behind).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.audio import AudioReader, AudioWriter, subtype_for
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import LOUDEST, Float32, silence_faults
from isolde.live.control.controls import Controls
from isolde.live.plan import Plan
from isolde.live.stream.meters import Counts, Level, Status, Times
from isolde.live.stream.mixer import LiveMixer
from isolde.live.worker.process import load

RAW = {"s16le": ("<i2", 32768.0), "s32le": ("<i4", 2147483648.0), "f32le": ("<f4", 1.0)}
"""Raw PCM formats, interleaved: numpy's type and what full scale is."""


def raw_type(name: str) -> tuple[str, float]:
    """Numpy's type of a raw format, and its full scale.

    Raises:
        InputError: When it is unknown.
    """
    if name not in RAW:
        raise InputError(f"raw format '{name}' is unknown: take one of {', '.join(RAW)}")
    return RAW[name]


def read_raw(
    stream: BinaryIO,
    name: str,
    *,
    n_channels: int,
    block: int,
    skip: int = 0,
    most: int | None = None,
    faulty: Callable[[int], None] = lambda count: None,
) -> Iterator[Float32]:
    """Blocks (n_channels, n) of raw PCM, n at most `block`: `most` samples after `skip` of them.

    What is no sound is 0 in them (`core.stage.silence_faults`), and its count goes to `faulty`.

    Raises:
        AudioError: When the stream ends within a sample.
        InputError: When the format is unknown, or the stream ends before what is skipped does.
    """
    kind, scale = raw_type(name)
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
        faulty(silence_faults(samples))
        taken += samples.shape[1]
        yield samples


def write_raw(stream: BinaryIO, name: str, block: Float32) -> None:
    """Append a block (n_channels, n) as raw PCM; integers are limited to full scale.

    Raises:
        BrokenPipeError: When nobody reads any more.
    """
    kind, scale = raw_type(name)
    if scale == 1:
        samples = block.T.astype(kind)
    else:
        limits = np.iinfo(kind)
        scaled = np.rint(block.T.astype(np.float64) * scale)
        samples = np.clip(scaled, limits.min, limits.max).astype(kind)
    stream.write(samples.tobytes())
    stream.flush()


class Filter:
    """Mixture blocks in, what is to be heard out, aligned and of the same length.

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
            plan: The numbers; its delay does not matter here.
            record: A folder for the stems.
            overwrite: Whether stems that are in it may be replaced.

        Raises:
            AudioError: When a record exists already.
            ModelError: When the model cannot be loaded.
        """
        self.plan = plan
        self.notes: list[str] = []
        self._separator, self._masker = load(plan)
        self.mixer = LiveMixer(plan.stems, plan.n_channels, ramp=int(plan.ramp * plan.sample_rate))
        self.mixer.begin()
        self._level, self._position, self._stopped = Level(plan.sample_rate), 0, False
        with ExitStack() as files:
            self._writers = [
                files.enter_context(
                    AudioWriter(
                        Path(record or "") / f"{stem}.wav",
                        sample_rate=plan.sample_rate,
                        n_channels=plan.n_channels,
                        subtype="FLOAT",
                        overwrite=overwrite,
                    )
                )
                for stem in (plan.stems if record is not None else ())
            ]
            self._files = files.pop_all()
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
        return self._mix(self._separator.flush())

    def run(self, blocks: Iterator[Float32]) -> Iterator[Float32]:
        """Filter a whole stream, until it ends or `stop` is told."""
        for block in blocks:
            yield self.feed(block)
            if self._stopped:
                break
        yield self.flush()

    def close(self, *, complete: bool = True) -> None:
        """Complete the recorded files, or remove them."""
        if complete:
            self._files.close()
        for writer in self._writers:
            writer.abort()

    def status(self) -> Status:
        """Tell how the filter stands; there are no deadlines, so no load and nothing late."""
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
        for writer, part in zip(self._writers, parts, strict=False):
            writer.write(part)
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
    block: int,
    start: float = 0.0,
    end: float | None = None,
) -> Filter:
    """Wav in, wav of the same rate, channels and sample type out; gives the filter that did it.

    Args:
        filter_for: Makes the filter, given the stream's rate in Hz and its channels.
        source: A stream that need not seek.
        target: Likewise.
        block: Block in samples.
        start: Seconds of the input that are left out.
        end: Seconds of the input after which it is read no further; None: to its end.

    Raises:
        AudioError: When the input is no wav, or ends too early.
        InputError: When it ends before the start.
    """
    with AudioReader(source, start=start, end=end, block_samples=block) as reader:
        made = filter_for(reader.info.sample_rate, reader.info.n_channels)
        try:
            with AudioWriter(
                target,
                sample_rate=reader.info.sample_rate,
                n_channels=reader.info.n_channels,
                subtype=subtype_for("wav", like=reader.info),
            ) as writer:
                for heard in made.run(iter(reader)):
                    writer.write(heard)
                    target.flush()
            made.notes += reader.notes()
        except BaseException:
            made.close(complete=False)
            raise
    made.close()
    return made


def pipe_raw(
    made: Filter,
    source: BinaryIO,
    target: BinaryIO,
    name: str,
    *,
    block: int,
    start: float = 0.0,
    end: float | None = None,
) -> None:
    """Raw PCM in, raw PCM of the same format out, from `start` seconds on and up to `end`.

    Raises:
        AudioError: When the input ends within a sample.
        InputError: When the format is unknown, or the input ends before the start.
    """
    plan = made.plan
    skip = round(start * plan.sample_rate)
    most = None if end is None else round(end * plan.sample_rate) - skip
    n_faulty = 0

    def count(new: int) -> None:
        nonlocal n_faulty
        n_faulty += new

    form = {"n_channels": plan.n_channels, "block": block}
    blocks = read_raw(source, name, **form, skip=skip, most=most, faulty=count)
    try:
        for heard in made.run(blocks):
            write_raw(target, name, heard)
        if n_faulty:
            made.notes.append(
                f"the raw stream: {n_faulty} samples are NaN or infinite, or beyond {LOUDEST:g}; "
                "they were replaced by 0"
            )
    except BaseException:
        made.close(complete=False)
        raise
    made.close()
