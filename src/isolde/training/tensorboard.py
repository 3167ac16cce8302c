"""Write TensorBoard's logs of a run, if it is installed: curves, sounds and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Float32
from isolde.datasets.mixing.library import Entry
from isolde.training.tasks.base import Task
from isolde.training.tasks.validation import sounds_of

SECONDS = 8
"""Of the song that is shown."""
RANGE_DB = 80.0


class Board:
    """Writes into `{run}/tensorboard`; without TensorBoard it does nothing."""

    def __init__(self, folder: Path, *, step: int, writes: bool = True) -> None:
        """Continue after a step; what was written of later steps is dropped.

        Args:
            folder: Folder of the run.
            step: Number of steps that count.
            writes: Whether anything is written; one process of a team writes.
        """
        self._writer: Any = None
        if not writes:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def scalars(self, step: int, **values: float) -> None:
        """Write points of curves, by name."""
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def song(self, step: int, task: Task, network: nn.Module, entry: Entry) -> None:
        """Write a validation song's sound, spectrograms and mask, if the task has masks.

        Args:
            step: Number of steps that the network has had.
            task: Task of the network.
            network: Network in evaluation mode, on the CPU.
            entry: Song with voice and backing, whose loudest stretch of the voice is shown.
        """
        if not self._writer or not task.stems:
            return
        vocals, mixture = sounds_of(entry)
        n = SECONDS * GRID_22.sample_rate
        energy = np.cumsum(np.pad(np.sum(vocals**2, axis=0), (1, 0)))
        ends = np.arange(min(n, vocals.shape[1]), vocals.shape[1] + 1, GRID_22.hop)
        start = int(ends[np.argmax(energy[ends] - energy[ends - ends[0]])] - ends[0])
        vocals, mixture = vocals[:, start : start + n], mixture[:, start : start + n]
        spectra = analyse(mixture, task.grid)
        mask = task.masks(network, spectra)
        estimate = synthesise(spectra * mask, task.grid, mixture.shape[1])
        sounds = {"mixture": mixture, "vocals": vocals, "estimate": estimate}
        for name, sound in sounds.items():
            mono = np.clip(sound.mean(axis=0), -1, 1)
            self._writer.add_audio(f"sound/{name}", mono[None], step, GRID_22.sample_rate)
            decibels = 20 * np.log10(np.abs(analyse(mono[None], GRID_22)[0]) + 1e-9)
            self._picture(f"spectrogram/{name}", step, decibels / RANGE_DB + 1)
        self._picture("spectrogram/mask", step, mask.mean(axis=0))
        self._writer.flush()

    def _picture(self, name: str, step: int, values: Float32) -> None:
        """(n, n_bins) in [0, 1], time to the right and frequency upwards."""
        picture = np.clip(values, 0, 1).T[::-1]
        self._writer.add_image(name, picture, step, dataformats="HW")

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()
