"""Decodes compressed files and video by FFmpeg, in another process; never writes.

Lengths are not known before the end: containers state them in milliseconds at best, and many
formats do not at all.
"""

from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio.decoding.base import NO_SAMPLES, NOT_AUDIO, Decoder, Loss
from isolde.audio.decoding.worker import Worker, WorkerDiedError, give_back, open_in_worker
from isolde.audio.formats import AudioInfo
from isolde.core.errors import AudioError
from isolde.core.stage import Float32


class FFmpegDecoder(Decoder):
    """An audio stream of anything that FFmpeg decodes.

    It never seeks, which is not exact to the sample in most containers.
    """

    def __init__(self, path: Path, name: str, *, stream: int | None = None) -> None:
        """Open the file and decode its first samples.

        Args:
            path: Regular file.
            name: Name of it in messages.
            stream: Number of its audio stream, from 0; None for the one that ffmpeg would take.

        Raises:
            AudioError: FFmpeg does not recognise it, there is no sound in it, or it crashes FFmpeg.
        """
        super().__init__()
        self._name = name
        self._worker: Worker | None = None
        try:
            self._worker, answer = open_in_worker(path, stream)
        except WorkerDiedError as error:
            raise AudioError(self._crash()) from error
        if (kind := answer.get("error")) is not None:
            self.close()
            if kind == "LookupError":
                raise AudioError(_without_stream(name, int(answer["detail"]), stream))
            if kind in ("ImportError", "ModuleNotFoundError"):
                raise AudioError(f"{name}: needs the package 'av' ({answer['detail']}): install it")
            raise AudioError(f"{name}: {NO_SAMPLES if kind == 'EOFError' else NOT_AUDIO}")
        self._update_remarks(answer)
        self.info = AudioInfo(
            path=name,
            sample_rate=answer["sample_rate"],
            n_channels=answer["n_channels"],
            n_samples=None,
            container=answer["container"],
            subtype=answer["subtype"],
            tags=answer["tags"],
            about_seconds=answer["about_seconds"],
            bit_depth=answer["bit_depth"],
            late_samples=answer["late_samples"],
        )

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end.

        Raises:
            AudioError: The file crashes the decoder here.
        """
        if self._worker is None:  # it crashed before
            raise AudioError(self._crash())
        try:
            answer, data = self._worker.ask(do="read", n=n_samples)
        except WorkerDiedError as error:
            self._worker = None
            raise AudioError(self._crash()) from error
        if "error" in answer:
            raise AudioError(
                f"{self._name}: cannot be decoded after {self.position / self.info.sample_rate:.3f}"
                f" s ({answer['error']}): get another copy"
            )
        self._update_remarks(answer)
        block = np.frombuffer(data, np.float32).reshape(answer["shape"])
        self.position += block.shape[1]
        return block

    def close(self) -> None:
        """Close the file, and release the process."""
        if self._worker is None:
            return
        worker, self._worker = self._worker, None
        if worker.is_busy:  # another thread is still reading, and would take the answer
            worker.end()
            return
        try:
            answer, _ = worker.ask(do="close")
        except WorkerDiedError:
            return
        if answer.get("spoilt", False):
            worker.end()
        else:
            give_back(worker)

    def _update_remarks(self, answer: dict[str, Any]) -> None:
        """Store the losses and notes of an answer."""
        self.losses[:] = [Loss(**loss) for loss in answer["losses"]]
        self.notes[:] = answer["notes"]

    def _crash(self) -> str:
        """Return the message for a file that ended the process."""
        return (
            f"{self._name}: crashes FFmpeg, which decodes it: it is damaged or of a rare kind: "
            "get another copy, or convert it with another program"
        )


def _without_stream(name: str, n_streams: int, stream: int | None) -> str:
    """Return the message for a missing audio stream."""
    if not n_streams:
        return f"{name}: has no sound in it: name a file with an audio stream"
    if stream is None:
        return f"{name}: its sound is of a kind that FFmpeg cannot decode: convert it elsewhere"
    return f"{name}: has {n_streams} audio streams, numbered from 0: no {stream}"
