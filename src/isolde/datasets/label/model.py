"""A model of the catalogue as a teacher; it trains nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from isolde.audio import AudioReader, write
from isolde.core.errors import ModelError
from isolde.core.stems import VOCALS
from isolde.models.catalogue import find
from isolde.separation.load import separate, stems_of


class Teacher(Protocol):
    """A separator that labels songs: `ExternalSeparator`, or a model."""

    @property
    def name(self) -> str:
        """Name in manifests."""
        ...

    @property
    def command(self) -> tuple[str, ...]:
        """Settings that its labels depend on: another command makes them anew."""
        ...

    def run(self, song: Path, folder: Path, /) -> None:
        """Separate a file into files below an empty folder, named by their stems."""
        ...

    def close(self) -> None:
        """End the processes that it has started."""
        ...


@dataclass(frozen=True)
class ModelTeacher:
    """A model that labels songs.

    Attributes:
        name: What messages and manifests call it.
        model: Name or path by which it is found.
        command: The model and the checksum of its weights.
        licence: Of its weights.
        threads: Number of threads that run it; 0 for one per core, up to 4.
    """

    name: str
    model: str
    command: tuple[str, ...]
    licence: str = ""
    threads: int = 0

    @classmethod
    def of(cls, model: str, *, name: str = "", threads: int = 0) -> "ModelTeacher":
        """Take a model by its name or path.

        Args:
            model: Name or path of a model.
            name: What messages and manifests call it; empty: the model's name.
            threads: Number of threads that run it; 0 for one per core, up to 4.

        Raises:
            ModelError: There is no such model, or it gives no vocals.
        """
        if VOCALS not in stems_of(model):
            raise ModelError(f"model '{model}' gives no vocals: take one that does")
        card = find(model).card
        command = ("isolde", card.name, card.sha256)
        return cls(name or card.name, model, command, card.licence, threads)

    def run(self, song: Path, folder: Path, /) -> None:
        """Separate a file into files below a folder.

        Raises:
            AudioError: The file cannot be read, or a stem not be written.
        """
        with AudioReader(song) as reader:
            sample_rate = reader.info.sample_rate
        stems = separate(song, model=self.model, threads=self.threads)
        for stem, audio in stems.items():
            write(folder / f"{stem}.wav", audio, sample_rate, subtype="FLOAT")

    def close(self) -> None:
        """Do nothing: a model is loaded for each song."""
