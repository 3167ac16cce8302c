"""Hold the stems of a song in memory with their sample rate, and write them to files."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from isolde.audio import AudioWriter, subtype_for
from isolde.audio.formats import AUDIO_SUFFIXES, container_named
from isolde.audio.levels import ClipPolicy
from isolde.core.errors import InputError, IsoldeWarning
from isolde.core.stage import Float32, channels_of, checked_form
from isolde.core.stems import check_stems


class Stems(Mapping[str, Float32]):
    """A mapping from names of stems to samples, the residual last.

    Attributes:
        sample_rate: Sample rate in Hz.
        notes: Warnings about the source, one line each: cut short, NaN, several rates.

    Examples:
        >>> import numpy as np
        >>> stems = Stems({"vocals": np.zeros((2, 44100), np.float32)}, sample_rate=44100)
        >>> stems
        <Stems vocals: 1.000 s, 44100 Hz>
        >>> stems["vocals"].shape
        (2, 44100)
    """

    def __init__(
        self,
        samples: Mapping[str, Float32],
        *,
        sample_rate: int,
        notes: tuple[str, ...] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Hold the samples.

        Args:
            samples: (n_channels, n_samples) or (n_samples,) float32 by name.
            sample_rate: Sample rate in Hz.
            notes: Warnings about the source, one line each.
            tags: Title, artist... of the source.

        Raises:
            InputError: A name cannot be that of a file, samples are no such array, or the sample
                rate is out of range.
        """
        self._samples = dict(samples)
        check_stems([*self._samples])
        for values in self._samples.values():
            channels_of(values)
        self.sample_rate, _ = checked_form(sample_rate, 1, lowest=1)
        self.notes, self._tags = notes, dict(tags or {})

    @property
    def tags(self) -> Mapping[str, str]:
        """Title, artist... of the source."""
        return MappingProxyType(self._tags)

    def __eq__(self, other: object) -> bool:
        """Compare by identity: a comparison of arrays has no single answer."""
        return self is other

    __hash__ = object.__hash__

    def __getitem__(self, stem: str) -> Float32:
        """Samples of a stem, of the shape of the mixture."""
        return self._samples[stem]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the stems."""
        return iter(self._samples)

    def __len__(self) -> int:
        """Count the stems."""
        return len(self._samples)

    def __repr__(self) -> str:
        """Name the stems, their length and rate."""
        n = max((samples.shape[-1] for samples in self._samples.values()), default=0)
        seconds = n / self.sample_rate
        return f"<Stems {', '.join(self)}: {seconds:.3f} s, {self.sample_rate} Hz>"

    def write(
        self,
        folder: str | Path,
        *,
        container: str = "wav",
        bit_depth: str | None = "32f",
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Write the stems as {folder}/{stem}{suffix of the container}.

        Args:
            folder: Path of the folder; it is made if it is missing.
            container: Format, one of `isolde.audio.CONTAINERS`.
            bit_depth: "16", "24", "32" or "32f"; None for the usual one of the format. Formats
                other than wav use that for "32f" as well.
            clip: Policy for samples beyond full scale (see `AudioWriter`).
            overwrite: Whether existing files may be replaced.

        Returns:
            Path of each stem.

        Raises:
            AudioError: A file exists or cannot be written.
            InputError: The format is unknown or cannot hold such audio, or the folder has the name
                of an audio file.

        Warns:
            IsoldeWarning: Samples beyond full scale were limited.
        """
        if not isinstance(folder, str | Path):
            raise InputError(f"the folder is {folder!r}: give its path")
        if Path(folder).suffix.lower() in AUDIO_SUFFIXES and not os.path.isdir(folder):
            raise InputError(
                f"{folder}: has the name of a file: give the folder of the stems, and the "
                "format as container='wav'"
            )
        suffix = container_named(container).suffix
        integral = bit_depth == "32f" and container.lower() != "wav"
        subtype = subtype_for(container, bit_depth=None if integral else bit_depth)
        paths = {stem: Path(folder) / f"{stem}{suffix}" for stem in self}
        with ExitStack() as open_files:
            writers = []
            for stem, path in paths.items():
                samples = channels_of(self[stem])
                writer = AudioWriter(
                    path,
                    sample_rate=self.sample_rate,
                    n_channels=samples.shape[0],
                    subtype=subtype,
                    tags=self.tags,
                    clip=clip,
                    container=container,
                    overwrite=overwrite,
                )
                writers.append(open_files.enter_context(writer))
                writer.write(samples)
                writer.complete()
        for writer in writers:
            for note in writer.notes():
                warnings.warn(note, IsoldeWarning, stacklevel=2)
        return paths
