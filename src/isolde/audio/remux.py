"""Films with another sound; packets of picture and subtitles are copied, never decoded.

The new sound has the time of the old one, to the sample. It replaces the track that was separated,
or is added to the tracks that there are.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from isolde.audio.decoding.facts import choose_stream
from isolde.audio.encoding import mp4
from isolde.audio.encoding.base import Sound
from isolde.audio.encoding.streams import whole_or_nothing
from isolde.audio.formats import AudioInfo, container_named
from isolde.audio.levels import ClipPolicy
from isolde.audio.limits import check_quality
from isolde.audio.multitrack import TrackFile
from isolde.audio.tags import SongTags
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32

FilmMode = Literal["replace", "add"]

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_SUBTYPES = {"mp4": "AAC", "mov": "AAC", "matroska": "PCM_16", "webm": "OPUS"}
"""How the sound is stored: in matroska, whose times are milliseconds, as flac, which needs no
priming samples."""
_CODED = {"AAC": "m4a", "OPUS": "opus"}
"""Lossy ways of storing it, and the formats that tell their sample rates."""
_HIGHEST_RATE = 48000
"""Sample rate in Hz of lossy sound, at most."""
_MAX_DELAY = 16
"""Frames that H.264 and HEVC may hold back, at most."""
_COPIED = ("video", "audio", "subtitle")


def film_suffix(path: Path) -> str:
    """Return the suffix of films that can be written.

    Raises:
        InputError: Films of that kind are not written.
    """
    suffix = path.suffix.lower()
    if suffix not in _MUXERS:
        raise InputError(
            f"{path}: the sound of a film is replaced in {', '.join(_MUXERS)}: convert it to one, "
            "or leave --remux out"
        )
    return suffix


class FilmWriter(TrackFile):
    """Takes blocks of the new sounds and writes the film with them; a context manager.

    Leaving the `with` block normally completes the film; leaving it by any exception removes it.
    """

    def __init__(
        self,
        film: Path,
        path: Path,
        *,
        info: AudioInfo,
        titles: Sequence[str],
        mode: FilmMode = "replace",
        bitrate: int | None = None,
        quality: float | None = None,
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
    ) -> None:
        """Open the old and the new film.

        Args:
            film: Film whose packets are copied.
            path: Path of the new film.
            info: What the reader says of the film's sound; blocks are of its rate and channels.
            titles: Names of the new sounds, by which they are written.
            mode: "replace" for the track that was separated, "add" for further tracks.
            bitrate: Bit rate of lossy sound in bits per second.
            quality: Quality of lossy sound, from 0 (smallest) to 10 (best), instead of a bit rate;
                None for 8.
            clip: Policy for samples beyond full scale (see `AudioWriter`).
            overwrite: Whether an existing file may be replaced.

        Raises:
            AudioError: The new film exists, or cannot be made.
            InputError: Films of that kind are not written, or not with such sound; or the bit rate
                or quality is out of range, or both are given.
        """
        muxer = _MUXERS[film_suffix(path)]
        av: Any = importlib.import_module("av")
        rate, subtype = info.sample_rate, _SUBTYPES[muxer]
        if subtype == "OPUS" and info.n_channels in (5, 7):
            raise InputError(f"{film}: webm with {info.n_channels} channels of sound: take mkv")
        if info.n_channels > 8:
            raise InputError(f"{film}: {info.n_channels} channels of sound, at most 8: write wav")
        if subtype == "PCM_16" and info.bit_depth not in (None, "16"):
            subtype = "PCM_24"
        if subtype in _CODED:
            kind = container_named(_CODED[subtype])
            check_quality(kind, subtype, bitrate=bitrate, quality=quality)
            rate = min(kind.rate_for(rate), _HIGHEST_RATE)
        sound = Sound(
            sample_rate=rate,
            n_channels=info.n_channels,
            subtype=subtype,
            tags=SongTags(),
            bitrate=bitrate,
            quality=8.0 if quality is None else quality,
        )
        self.skipped: list[str] = []
        self._film, self._errors = film, av.FFmpegError
        self._rate, self._written = info.sample_rate, 0
        self._source: Any = av.open(f"file:{film}", metadata_errors="replace")
        try:
            options = mp4.muxer_options(rate) if muxer in ("mp4", "mov") else {}
            super().__init__(path, muxer=muxer, options=options, clip=clip, overwrite=overwrite)
        except BaseException:
            self._source.close()
            raise
        try:
            old = choose_stream(self._source, None)  # which the reader took
            start = 0.0 if old.start_time is None else float(old.start_time * old.time_base)
            self._start = start - info.late_samples / info.sample_rate

            def add_sounds() -> None:
                for title in titles:
                    stream = self.add(title, sound, rate=info.sample_rate, start=self._start)
                    if language := old.language:
                        stream.metadata["language"] = language
                    if mode == "replace":
                        stream.disposition = av.stream.Disposition.default

            self._copies = self._copy_streams(old if mode == "replace" else None, add_sounds)
            self.begin()
            self._packets = self._demux()
            self._next = next(self._packets, None)
        except BaseException:
            self.abort()
            raise

    def write(self, blocks: Mapping[str, Float32]) -> None:
        """Write the next samples (n_channels, n) of every new sound, and the picture up to there.

        Raises:
            AudioError: The disk is full, the picture cannot be read, or samples cannot be held;
                nothing is left behind when the `with` block is left.
            InputError: A sound is missing, a block does not fit, or the film is closed.
        """
        super().write(blocks)
        self._written += next(iter(blocks.values())).shape[1]
        self._copy_until(self._start + self._written / self._rate)

    def complete(self) -> None:
        """Copy the rest of the picture, and write the rest of the sounds.

        Raises:
            AudioError: The picture cannot be read, or the film cannot be completed; nothing is left
                behind then.
        """
        if self._state == "open":
            with whole_or_nothing(self._name, self.abort):  # Ctrl-C: the rest may be long
                self._copy_until(float("inf"))
        super().complete()
        self._source.close()

    def abort(self) -> None:
        """Remove everything that was written."""
        super().abort()
        self._source.close()

    def notes(self) -> list[str]:
        """Return lines about what was limited and what was left out."""
        left_out = [f"{self._film}: left out: {what}" for what in self.skipped]
        return [*super().notes(), *left_out]

    def _copy_streams(self, replaced: Any, add_sounds: Callable[[], None]) -> dict[int, Any]:
        """Add a stream for each that is copied; by its index.

        The new sounds take the place of the stream that they replace: many players take the first.
        """
        copies: dict[int, Any] = {}
        target = self.container
        for stream in self._source.streams:
            if replaced is not None and stream.index == replaced.index:
                add_sounds()
                continue
            try:
                if stream.type not in _COPIED:
                    raise ValueError(stream.type)
                copy = target.add_stream_from_template(stream)
            except ValueError:
                self.skipped.append(f"a {stream.type} stream that the file cannot hold")
                continue
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            copies[stream.index] = copy
        if replaced is None:
            add_sounds()
        target.metadata.update(self._source.metadata)
        if chapters := self._source.chapters():
            target.set_chapters(chapters)
        return copies

    def _demux(self) -> Iterator[Any]:
        """Yield the packets that are copied, in the film's order.

        Matroska stores no times of decoding. FFmpeg finds them, but not for the first packets of a
        picture with B-frames: those get times before the first one that is shown.
        """
        streams = [stream for stream in self._source.streams if stream.index in self._copies]
        undated: dict[int, tuple[int, int]] = {}  # by stream: the first time shown, and how many
        try:
            for packet in self._source.demux(streams) if streams else ():
                if packet.dts is None and packet.pts is not None:
                    first, n = undated.get(packet.stream.index, (packet.pts, 0))
                    packet.dts = first - (_MAX_DELAY - n) * (packet.duration or 1)
                    undated[packet.stream.index] = first, n + 1
                if packet.dts is not None and packet.size:
                    yield packet
        except self._errors as error:
            raise AudioError(
                f"{self._film}: its picture cannot be read any further ({error}): get another "
                "copy, or leave --remux out"
            ) from error

    def _copy_until(self, seconds: float) -> None:
        """Copy packets up to a time."""
        while self._next is not None:
            packet = self._next
            if float(packet.dts * packet.time_base) > seconds:
                return
            packet.stream = self._copies[packet.stream.index]
            self.copy(packet)
            self._next = next(self._packets, None)
