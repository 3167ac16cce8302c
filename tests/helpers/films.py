"""Films and covers for tests, and what other programs would find in a film."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def picture(kind: str = "PNG", size: int = 64) -> bytes:
    """A cover of random pixels."""
    pixels = np.random.default_rng(1).integers(0, 255, (size, 48, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def make_film(
    path: Path,
    *,
    codec: str,
    sound: np.ndarray,
    rate: int,
    late: float = 0.0,
    sound_codec: str = "aac",
) -> None:
    """A film of 2 s with a click in its sound, and subtitles."""
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        track = film.add_stream("libopus" if path.suffix == ".webm" else sound_codec, rate=rate)
        track.codec_context.layout = "stereo"
        track.metadata["language"] = "deu"
        film.metadata["title"] = "Film"
        rng = np.random.default_rng(0)
        for i in range(50):
            image = av.VideoFrame.from_ndarray(rng.integers(0, 255, (64, 64, 3), np.uint8))
            image.pts, image.time_base = i, Fraction(1, 25)
            film.mux(video.encode(image))
        film.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.T.reshape(1, -1)), format="flt", layout="stereo"
        )
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(late * rate)
        film.mux(track.encode(frame))
        film.mux(track.encode(None))


def packets(path: Path, kind: str) -> list[tuple[bytes, float]]:
    """Packets of the first stream of a kind, each with its time."""
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams if s.type == kind)
        return [(bytes(p), float(p.pts * p.time_base)) for p in film.demux(stream) if p.size]


def sound_of(path: Path, stream: int = 0) -> tuple[np.ndarray, float]:
    """Samples of an audio stream, and the time of the first."""
    with av.open(str(path)) as film:
        track = film.streams.audio[stream]
        frames = list(film.decode(track))
    resampler = av.AudioResampler(format="fltp", layout="stereo")
    audio = [f.to_ndarray() for frame in frames for f in resampler.resample(frame)]
    return np.concatenate(audio, axis=1), float(frames[0].pts * frames[0].time_base)
