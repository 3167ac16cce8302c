"""Make packed songs (`isolde.datasets.mixing.packed`) on a machine without a cache.

    python pack.py stems DATA FOLDER...   FOLDER/SET/KIND/SONG/{stem}.* to DATA/SET/KIND/SONG.npy
    python pack.py voices FOLDER          says beside each song where its voice sounds
    python pack.py music FOLDER DATA      labelled pieces without a voice to DATA/{drums,calm}

What a labeller took for a voice in music that has none goes to `other`. Music is `drums` where they
have 3 % of the energy or more, else `calm`. What is there is not made again.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isolde.audio import read
from isolde.core.atomic import write_bytes
from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.cache import FULL_SCALE, save_array
from isolde.datasets.frames import activity_of
from isolde.datasets.mixing.packed import KINDS

DRUMS = 0.03
"""Share of the energy from which on a piece has drums."""
EVERY = 7
"""Of so many samples one is asked for the energy."""


def stereo(path: Path) -> NDArray[np.float32]:
    """The sound of a file, (2, n) at 22,050 Hz."""
    audio, _ = read(path, sample_rate=GRID_22.sample_rate)
    return np.repeat(audio, 2, 0) if len(audio) == 1 else audio[:2]


def pack(data: Path, folder: Path) -> str:
    """One song's stems as they are, louder ones than full scale together turned down."""
    kind, songs = folder.parent.name, folder.parent.parent.name
    target = data / songs / kind / f"{folder.name}.npy"
    if target.exists():
        return ""
    sounds = [stereo(next(folder.glob(f"{stem}.*"))) for stem in KINDS[kind]]
    n = min(sound.shape[1] for sound in sounds)
    stems = np.stack([sound[:, :n] for sound in sounds])
    peak = max(1.0, float(np.abs(stems).max()), float(np.abs(stems.sum(0)).max()))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_array(target, np.round(stems / peak * FULL_SCALE).astype(np.int16))
    return f"{songs}/{kind}"


def tell_voice(path: Path) -> str:
    """Say beside a song where its voice sounds."""
    told = path.with_suffix(".activity")
    if told.exists() or path.parent.name == "backing":
        return ""
    vocals = np.load(path, mmap_mode="r")[0]
    write_bytes(told, activity_of(vocals / np.float32(FULL_SCALE)).tobytes())
    return path.parent.name


def without_voice(data: Path, path: Path) -> str:
    """A labelled piece without a voice, moved to where its kind is kept."""
    stems = np.load(path).astype(np.int32)
    stems[3] += stems[0]
    stems[0] = 0
    energy = (stems[:, :, ::EVERY].astype(np.float32) ** 2).sum((1, 2))
    kind = "drums" if energy[1] >= DRUMS * energy.sum() > 0 else "calm"
    target = data / kind / "quartet" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".activity").touch()
    save_array(target, np.clip(stems, -FULL_SCALE, FULL_SCALE).astype(np.int16))
    path.unlink()
    return kind


def tried(job: Callable[[Path], str], path: Path) -> str:
    """What a job says, or why it failed, which costs one song."""
    try:
        return job(path)
    except Exception as error:
        print(f"{path}: {error!r}", flush=True)
        return "failed"


def main() -> None:
    """Do one of the three, a process for each core."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("stems", "voices", "music"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("more", type=Path, nargs="*")
    asked = parser.parse_args()
    job: Callable[[Path], str]
    paths: Iterable[Path]
    if asked.what == "stems":
        job = partial(pack, asked.folder)
        paths = (p for root in asked.more for p in root.glob("*/*/*") if p.is_dir())
    elif asked.what == "voices":
        job, paths = tell_voice, asked.folder.glob("*/*.npy")
    else:
        job, paths = partial(without_voice, asked.more[0]), asked.folder.glob("*.npy")
    with ProcessPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        done = [kind for kind in pool.map(partial(tried, job), sorted(paths)) if kind]
    print(", ".join(f"{done.count(kind)} {kind}" for kind in sorted(set(done))) or "nothing to do")


if __name__ == "__main__":
    main()
