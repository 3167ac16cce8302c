"""Files of every kind that people have, made by the program ffmpeg, and what it reads in them."""

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 44100
SECONDS = 1.5  # beyond the first page of an ogg file, see `short.ogg`


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: Name of the file.
        options: Options of ffmpeg between the input and the name.
        tolerance: Largest difference from the samples of ffmpeg, in full scales.
        depth: Bit depth that is told, or None.
        source: Name of the input.
        pipe: Whether it is written through a pipe, and cannot state its length.
    """

    name: str
    options: str
    tolerance: float = 0.0
    depth: str | None = None
    source: str = "stereo"
    pipe: bool = False


LOSSY = 2e-5  # other versions of FFmpeg add in another order
PICTURE = "-map 0:v -map 1:a -c:v mpeg4 "
THREE = "channelmap=map=0|1|2:channel_layout=3.0"
KINDS = (
    # Uncompressed
    Kind("s16.wav", "-c:a pcm_s16le"),
    Kind("s24.wav", "-c:a pcm_s24le"),
    Kind("u8.wav", "-c:a pcm_u8"),
    Kind("f32.wav", "-c:a pcm_f32le"),
    Kind("f64.wav", "-c:a pcm_f64le"),
    Kind("ulaw.wav", "-c:a pcm_mulaw"),
    Kind("adpcm.wav", "-c:a adpcm_ms"),
    Kind("surround.wav", "-c:a pcm_s16le", source="surround"),
    Kind("s16.w64", "-c:a pcm_s16le"),
    Kind("f32.w64", "-c:a pcm_f32le", depth="32f"),
    Kind("s24.aiff", "-c:a pcm_s24be"),
    Kind("sowt.aifc", "-f aiff -c:a pcm_s16le"),
    Kind("s24.caf", "-c:a pcm_s24le"),
    Kind("s16.au", "-c:a pcm_s16be"),
    Kind("s16.voc", "-c:a pcm_s16le", depth="16"),
    Kind("s24.mov", "-c:a pcm_s24le", depth="24"),
    # Lossless
    Kind("s16.flac", "-c:a flac -sample_fmt s16"),
    Kind("s24.flac", "-c:a flac -sample_fmt s32"),
    Kind("piped.flac", "-f flac -c:a flac -sample_fmt s16", depth="16", pipe=True),
    Kind("flac.oga", "-c:a flac -sample_fmt s16", depth="16"),
    Kind("flac.mka", "-c:a flac -sample_fmt s32", depth="24"),
    Kind("alac16.m4a", "-c:a alac -sample_fmt s16p", depth="16"),
    Kind("alac24.m4a", "-c:a alac -sample_fmt s32p", depth="24"),
    Kind("alac.caf", "-c:a alac -sample_fmt s16p", depth="16"),
    Kind("flac.caf", "-c:a flac -sample_fmt s16", depth="16"),
    Kind("s16.wv", "-c:a wavpack -sample_fmt s16p", depth="16"),
    Kind("s24.wv", "-c:a wavpack -sample_fmt s32p", depth="24"),
    Kind("f32.wv", "-c:a wavpack -sample_fmt fltp", depth="32f"),
    Kind("s16.tta", "-c:a tta -sample_fmt s16", depth="16"),
    Kind("s24.tta", "-c:a tta -sample_fmt s32", depth="24"),
    Kind("s24.thd", "-c:a truehd -sample_fmt s32 -strict -2", depth="24"),
    # Lossy
    Kind("cbr.mp3", "-c:a libmp3lame -b:a 128k", LOSSY),
    Kind("vbr.mp3", "-c:a libmp3lame -q:a 4", LOSSY),
    Kind("bare.mp3", "-c:a libmp3lame -q:a 4 -write_xing 0", LOSSY),
    Kind("mono22050.mp3", "-c:a libmp3lame -ar 22050 -ac 1", LOSSY),
    Kind("mono11025.mp3", "-c:a libmp3lame -ar 11025 -ac 1", LOSSY),
    Kind("layer2.mp2", "-c:a mp2 -b:a 192k", LOSSY),
    Kind("adts.aac", "-c:a aac", LOSSY),
    Kind("aac.m4a", "-c:a aac", LOSSY),
    Kind("surround.m4a", "-c:a aac", LOSSY, source="surround"),
    Kind("book.m4b", "-f ipod -c:a aac", LOSSY),
    Kind("aac.3gp", "-c:a aac", LOSSY),
    Kind("vorbis.ogg", "-c:a libvorbis", LOSSY),
    Kind("vorbis3.ogg", f"-af {THREE} -c:a libvorbis", LOSSY, source="three"),
    Kind("vorbis51.ogg", "-c:a libvorbis", LOSSY, source="surround"),
    Kind("opus.opus", "-c:a libopus", LOSSY),
    Kind("opus51.opus", "-c:a libopus -mapping_family 1", LOSSY, source="surround"),
    Kind("opus255.opus", "-c:a libopus -mapping_family 255", LOSSY, source="surround"),
    Kind("opus.mka", "-c:a libopus", LOSSY),
    Kind("speex.spx", "-c:a libspeex -ar 16000 -ac 1", LOSSY),
    Kind("wma.wma", "-c:a wmav2", LOSSY),
    Kind("dolby.ac3", "-c:a ac3", LOSSY),
    Kind("dolby51.ac3", "-c:a ac3", LOSSY, source="surround"),
    Kind("dolby.eac3", "-c:a eac3", LOSSY),
    Kind("dts.dts", "-c:a dca -strict -2", LOSSY),
    Kind("g722.g722", "-f g722 -c:a g722 -ar 16000 -ac 1", 0.0),
    # Video
    Kind("video.mp4", PICTURE + "-c:a aac", LOSSY, source="picture"),
    Kind("video.mkv", PICTURE + "-c:a libvorbis", LOSSY, source="picture"),
    Kind("video.webm", "-map 0:v -map 1:a -c:v libvpx -c:a libopus", LOSSY, source="picture"),
    Kind("video.avi", PICTURE + "-c:a libmp3lame", LOSSY, source="picture"),
    Kind("adpcm.avi", PICTURE + "-c:a adpcm_ms", source="picture"),
    Kind("video.ts", "-map 0:v -map 1:a -c:v mpeg2video -c:a mp2", LOSSY, source="picture"),
    Kind("video.flv", "-map 0:v -map 1:a -c:v flv -c:a libmp3lame", LOSSY, source="picture"),
)


def sounds(n_channels: int) -> np.ndarray:
    """Sines that beat, one pitch per channel, and a little noise; (n_samples, n_channels)."""
    t = np.arange(round(RATE * SECONDS)) / RATE
    noise = np.random.default_rng(n_channels).normal(0, 0.01, (len(t), n_channels))
    rows = [
        0.3 * np.sin(2 * np.pi * (220 + 130 * c) * t * (1 + 0.1 * t)) for c in range(n_channels)
    ]
    return np.stack(rows, axis=1) + noise


def make_kinds(folder: Path) -> dict[str, Path]:
    """Write every kind into a folder.

    Args:
        folder: Folder that exists.

    Returns:
        The paths, by the names of the kinds.
    """
    for name, n_channels in (("stereo", 2), ("three", 3), ("surround", 6)):
        sf.write(folder / f"{name}.source.wav", sounds(n_channels), RATE, subtype="PCM_24")
    run = ["ffmpeg", "-v", "error", "-nostdin", "-y"]
    for source in ("stereo", "three", "surround", "picture"):
        command = [*run]
        if source == "picture":
            size = f"testsrc=size=64x64:rate=25:duration={SECONDS}"
            command += ["-f", "lavfi", "-i", size, "-i", str(folder / "stereo.source.wav")]
        else:
            command += ["-i", str(folder / f"{source}.source.wav")]
        for kind in KINDS:
            if kind.source == source and not kind.pipe:
                command += [*kind.options.split(), str(folder / kind.name)]
        subprocess.run(command, check=True)
    for kind in KINDS:
        if kind.pipe:
            command = [*run, "-i", str(folder / "stereo.source.wav"), *kind.options.split(), "-"]
            done = subprocess.run(command, check=True, capture_output=True)
            (folder / kind.name).write_bytes(done.stdout)
    return {kind.name: folder / kind.name for kind in KINDS}


def ffmpeg_decode(path: Path, n_channels: int) -> np.ndarray:
    """What the program ffmpeg reads in a file: float32 (n_channels, n)."""
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-i", str(path), "-f", "f32le", "-"]
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, "<f4").reshape(-1, n_channels).T


def write_dsf(path: Path, seconds: float = 0.2) -> None:
    """Write one-bit sound (DSD64, stereo) as Sony's DSF, which ffmpeg reads and does not write."""
    n = int(2822400 * seconds) // 32768 * 32768
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(n) / 2822400)
    bits, error = np.empty(n, np.uint8), 0.0
    for i, value in enumerate(wave):  # a sigma-delta modulator of first order
        bit = value + error >= 0
        error += value - (1.0 if bit else -1.0)
        bits[i] = bit
    blocks = np.packbits(bits, bitorder="little").reshape(-1, 4096)
    data = np.repeat(blocks, 2, axis=0).tobytes()
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 2, 2, 2822400, 1, n, 4096, 0)
    body = form + struct.pack("<4sQ", b"data", 12 + len(data)) + data
    path.write_bytes(struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body)
