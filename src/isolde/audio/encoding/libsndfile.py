"""Vorbis and Opus in ogg by libsndfile, which has their makers' encoders; tags are ours.

FFmpeg has no Vorbis encoder of that quality, and misplaces the channels of 5.0 and 6.1 in Opus
(measured with FFmpeg 8.1).
"""

import contextlib
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from isolde.audio.encoding import comments
from isolde.audio.encoding.base import Sound
from isolde.audio.encoding.streams import Sink
from isolde.core.stage import Float32

_PIECE = 16384
"""Samples per call to libsndfile: big single writes of Vorbis crash some builds."""

_ORDERS = {3: (0, 2, 1), 5: (0, 2, 1, 3, 4), 6: (0, 2, 1, 4, 5, 3)}
_ORDERS |= {7: (0, 2, 1, 5, 6, 4, 3), 8: (0, 2, 1, 6, 7, 4, 5, 3)}
"""Channels of wav in the order of Vorbis and Opus (Vorbis I specification, section 4.3.9): left,
centre, right, the sides, the backs, bass. Of wav's eight, 4 and 5 are the backs, 6 and 7 the sides;
of its seven, 4 is the back and 5 and 6 are the sides."""

_BITRATES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
"""Kbit/s of stereo at 44.1 kHz that Vorbis takes at the qualities 0 to 10, about."""


def compression_level(sound: Sound) -> float:
    """Return libsndfile's measure of size, from 0 (largest) to 1, for what is asked.

    Vorbis takes a quality, 10 (1 - level); Opus 6 to 256 kbit/s per channel, linearly.
    """
    if sound.subtype == "OPUS":
        per_channel = sound.usual_bitrate / sound.n_channels
        return float(np.clip((256_000 - per_channel) / 250_000, 0, 1))
    if sound.bitrate is None:
        return 1 - sound.quality / 10
    relative = sound.n_channels / 2 * sound.sample_rate / 44100
    return 1 - float(np.interp(sound.bitrate / 1000 / relative, _BITRATES, range(11))) / 10


class OggEncoder:
    """Ogg to a stream that need not seek: it is complete in a temporary file first."""

    def __init__(self, stream: BinaryIO, sound: Sound, *, folder: Path | None) -> None:
        """Open libsndfile.

        Args:
            stream: What the file is written to in the end.
            sound: What is to be written.
            folder: Folder of the temporary file; None for the system's.
        """
        self._stream, self._sound = stream, sound
        self._spool = cast(BinaryIO, tempfile.TemporaryFile(dir=folder))
        self._sink = Sink(self._spool)
        self._order = _ORDERS.get(sound.n_channels)
        with self._faults():
            self._file = _WriteOnlyFile(
                self._sink,
                "w",
                samplerate=sound.sample_rate,
                channels=sound.n_channels,
                subtype=sound.subtype,
                format="OGG",
                compression_level=compression_level(sound),
            )

    def write(self, block: Float32) -> None:
        """Encode a block in small pieces."""
        if self._order is not None:
            block = block[list(self._order)]
        frames: NDArray[Any] = block.T
        for at in range(0, len(frames), _PIECE):
            with self._faults():
                self._file.write(np.ascontiguousarray(frames[at : at + _PIECE]))

    def finish(self) -> None:
        """Let libsndfile write its last pages, and copy all with our tags."""
        with self._faults():
            self._file.close()
        self._spool.seek(0)
        comments.copy_with_comments(self._spool, self._stream, self._sound.tags)
        self._spool.close()

    def discard(self) -> None:
        """Close libsndfile; the result is thrown away."""
        with contextlib.suppress(sf.LibsndfileError):
            self._file.close()
        with contextlib.suppress(OSError):  # a full disk, where it writes what it still holds
            self._spool.close()

    def _faults(self) -> AbstractContextManager[None]:
        """Raise the errors of the stream itself; soundfile asserts that all has been written."""
        return self._sink.faults("libsndfile", sf.LibsndfileError, AssertionError)


class _WriteOnlyFile(sf.SoundFile):  # type: ignore[misc]
    """A SoundFile that python-soundfile does not seek in after every write."""

    def seekable(self) -> bool:
        return False
