"""The song that the package ships: read only; `tools/demo_song` made it."""

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from isolde.core.errors import AudioError
from isolde.core.stage import Float32

STEMS = ("vocals", "drums", "bass", "other")


def demo_file(stem: str) -> AbstractContextManager[Path]:
    """Return the Ogg Vorbis file of a stem of the demo song, for the time of a with statement.

    Args:
        stem: One of `STEMS`.
    """
    return as_file(files("isolde") / "audio" / "demo_song" / f"{stem}.ogg")


def read_demo() -> tuple[dict[str, Float32], int]:
    """Read the demo song that the package ships, as stems; the mixture is their sum.

    Returns:
        vocals, drums, bass and other, each (2, n_samples) float32, and the sample rate in Hz.

    Raises:
        AudioError: The installation lacks the song.
    """
    import soundfile

    stems = {}
    try:
        for name in STEMS:
            with demo_file(name) as path:
                audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
            stems[name] = np.ascontiguousarray(audio.T)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"the demo song cannot be read, reinstall isolde: {error}") from error
    return stems, int(sample_rate)
