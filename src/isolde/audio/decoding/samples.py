"""Converts FFmpeg's frames to float32 of the channels and rate of the first; keeps no time."""

import importlib
from typing import Any, NamedTuple

import numpy as np

from isolde.core.stage import Float32

_SCALES = {
    "u8": ("u1", 2.0**-7),
    "s16": ("i2", 2.0**-15),
    "s32": ("i4", 2.0**-31),
    "s64": ("i8", 2.0**-63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}


class Form(NamedTuple):
    """The form of a frame: its channels, the name of their layout, and its rate in Hz."""

    n_channels: int
    layout: str
    rate: int


class SampleConverter:
    """Frames in, blocks out, all in the form of the first frame; ffmpeg converts likewise.

    Attributes:
        form: Form of the first frame, None before it.
        sample_format: Format of the first frame: "s16", "flt"..., planar or not.
        changed: First other form that came.
        spoilt: PyAV's memory is not to be trusted any more: end this process after use.
    """

    def __init__(self) -> None:
        """Start without a form."""
        self._av: Any = importlib.import_module("av")
        self._plane: Any = importlib.import_module("av.audio.plane").AudioPlane
        self.form: Form | None = None
        self.sample_format = ""
        self.changed: Form | None = None
        self.spoilt = False
        self._layouts: list[Any] = []
        self._resampler: Any = None
        self._resampled: Form | None = None  # what the resampler takes

    def convert(self, frame: Any) -> list[Float32]:
        """Turn a frame into blocks, float32 (n_channels, n).

        Raises:
            av.FFmpegError: The form is one that cannot be converted.
            ValueError: Likewise.
            KeyError: Likewise.
        """
        layout = frame.layout
        if " channels (" in layout.name:
            # A custom layout owns memory, which PyAV (18.1) frees once for the frame and once more
            # for this object: so it must never go away.
            self._layouts.append(layout)
            self.spoilt = True
        form = Form(layout.nb_channels, layout.name, frame.sample_rate)
        if self.form is None:
            self.form = form
            self.sample_format = frame.format.name.removesuffix("p")
        blocks = self.flush() if form != self._resampled else []
        if form == self.form:
            return [*blocks, self._samples(frame)]
        if self._resampler is None:
            self.changed = self.changed or form
            self._resampler = self._av.AudioResampler(
                format="fltp", layout=self.form.layout, rate=self.form.rate
            )
            self._resampled = form
        return [*blocks, *map(self._samples, self._resampler.resample(frame))]

    def flush(self) -> list[Float32]:
        """Return what the resampler still holds, and drop it."""
        if self._resampler is None:
            return []
        resampler, self._resampler, self._resampled = self._resampler, None, None
        return [self._samples(frame) for frame in resampler.resample(None)]

    def _samples(self, frame: Any) -> Float32:
        """Copy the samples of a frame: float32 (n_channels, n)."""
        kind, scale = _SCALES[frame.format.name.removesuffix("p")]
        n, n_channels = frame.samples, frame.layout.nb_channels
        # Not `frame.planes`: it looks for a null pointer behind the planes, and behind more than
        # eight there is none.
        if frame.format.is_planar:
            planes = [self._plane(frame, i) for i in range(n_channels)]
            raw = np.stack([np.frombuffer(plane, kind, count=n) for plane in planes])
        else:
            raw = np.frombuffer(self._plane(frame, 0), kind, count=n * n_channels)
            raw = raw.reshape(n, n_channels).T
        samples = np.array(raw, dtype=np.float32, order="C")
        if kind == "u1":
            samples -= np.float32(128)
        if scale != 1:
            samples *= np.float32(scale)
        return samples
