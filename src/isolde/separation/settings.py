"""Settings of the separation and of its files; it separates and writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import numpy as np

from isolde.audio.formats import container_named
from isolde.audio.levels import ClipPolicy
from isolde.audio.remux import FilmMode, film_suffix
from isolde.audio.stemfile import SUFFIXES as STEM_SUFFIXES
from isolde.core.errors import InputError
from isolde.core.parallel import n_cores
from isolde.core.signal.masks import readout
from isolde.core.signal.spectrum import SYNTHESES
from isolde.core.stage import check_threads
from isolde.core.stems import PARTS, STEM_BY_NAME, VOCALS
from isolde.models.catalogue import DEFAULT
from isolde.separation.names import USUAL


@dataclass(frozen=True)
class SeparationSettings:
    """Settings of the separation of a file, a stream or a live session.

    Attributes:
        model: Name or path of a model, or "rules" for `isolde.rules`.
        mask: Reading of the mask: "soft" as it is, "binary" as 0 or 1.
        threshold: Value from which the binary mask is 1, between 0 and 1.
        strength: Exponent of the soft mask: 1 is neutral, 2 removes more, 0.5 leaves more.
        gate: Whether the vocals are turned down where nobody sings (see `activity.gate`).
        synthesis: "long", "short" for half the latency of the windows, or None for the model's own.
        live: Whether a network of windows takes short ones, with a latency of 0.6 s instead of 12 s
            at some cost of quality; a network that runs frame by frame does not change.
        threads: Number of threads that run the network; 0 for the best number: one for a network
            that runs frame by frame, else one per core, up to 4.

    Raises:
        InputError: A setting is out of range, or has no effect beside another one.
    """

    model: str = DEFAULT
    mask: str = "soft"
    threshold: float = 0.5
    strength: float = 1.0
    gate: bool = False
    synthesis: str | None = None
    threads: int = 1
    live: bool = False

    def __post_init__(self) -> None:
        """Refuse settings out of range or without effect."""
        for name in ("threshold", "strength"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise InputError(f"{name} is {value!r}: give a number")
        for name in ("gate", "live"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise InputError(f"{name} is {getattr(self, name)!r}: give True or False")
        check_threads(self.threads)
        readout(
            np.zeros(1, np.float32), self.mask, threshold=self.threshold, strength=self.strength
        )
        if self.mask == "soft" and self.threshold != SeparationSettings.threshold:
            raise InputError(f"threshold {self.threshold:g} needs a binary mask: ask for that")
        if self.mask == "binary" and self.strength != SeparationSettings.strength:
            raise InputError(f"strength {self.strength:g} needs a soft mask, not a binary one")
        if self.synthesis is not None and self.synthesis not in SYNTHESES:
            raise InputError(
                f"synthesis '{self.synthesis}' is unknown: take {' or '.join(SYNTHESES)}"
            )

    @property
    def n_threads(self) -> int:
        """Number of threads that a separation may use."""
        return self.threads or min(4, n_cores())


@dataclass(frozen=True)
class FileSettings:
    """Settings of the files of separated songs.

    Attributes:
        output: Folder of the stems; None for the current one.
        remote: URL of a remote folder for the stems, instead of `output`.
        stems: Names of the stems to write; None for all that the model gives.
        separation: Settings of the separation itself.
        phrases: Whether the vocals are cut into phrases, a file each, in a folder of the stem's
            name; other stems are then only written if they are in `stems`, as whole files.
        activity: Name or path of the model that finds the phrases; None for the separating one, if
            it has masks of the vocals (`separation.presence`).
        container: Format of the files: one of `isolde.audio.CONTAINERS`; or "stem.mp4" or
            "stem.m4a" for one file with the mix and four stems.
        bit_depth: "16", "24", "32", "32f"; None for that of the song, if it has one.
        bitrate: Bit rate of lossy formats in bits per second; None for that of `quality`.
        quality: Quality of lossy formats, from 0 (smallest) to 10 (best); None for 8.
        loudness: Loudness in LUFS to which the song is brought, by one gain for all stems; None for
            no gain.
        remux: "replace" for films with a stem instead of their sound, "add" for a film with the
            stems as further tracks; None for audio files.
        clip: Policy for samples beyond full scale (see `AudioWriter`).
        start: Time of the first sample in seconds.
        end: Time after the last sample in seconds; None for the end of the song.
        layout: Layout of the files below `output`, one of `names.LAYOUTS`.
        name: Template of the files' paths below `output`, instead of the layout's; None for that.
        preview: Whether only the 30 seconds with the most singing are separated.
        strict: Whether a damaged or cut song is an error; else its readable part is separated.
        overwrite: Whether existing files may be replaced.
    """

    output: Path | None = None
    remote: str | None = None
    stems: tuple[str, ...] | None = None
    separation: SeparationSettings = field(default_factory=SeparationSettings)
    phrases: bool = False
    activity: str | None = None
    container: str = "wav"
    bit_depth: str | None = None
    bitrate: int | None = None
    quality: float | None = None
    loudness: float | None = None
    remux: FilmMode | None = None
    clip: ClipPolicy = "warn"
    start: float = 0.0
    end: float | None = None
    layout: str = USUAL
    name: str | None = None
    preview: bool = False
    strict: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that exclude each other.

        Raises:
            InputError: A setting is out of range, or another one excludes it.
        """
        if self.remote is not None and self.output is not None:
            raise InputError(f"stems go to {self.output} or to a remote folder: give one of them")
        if self.loudness is not None and not -60 <= self.loudness <= 0:
            raise InputError(f"a loudness of {self.loudness:g} LUFS: give -60 to 0, like -14")
        if self.phrases and (self.remux or self.is_stem_file):
            raise InputError("phrases are files of their own: leave out the film or the stem file")
        if self.remux and (self.start or self.end is not None or self.preview):
            raise InputError("a film keeps its length: leave out the start, the end, the preview")
        if self.preview and (self.start or self.end is not None):
            raise InputError("a preview chooses its part itself: leave out --start and --end")
        if self.remux not in (None, "replace", "add"):
            raise InputError(f"remux '{self.remux}' is unknown: take replace or add")
        if self.remux and (self.container != FileSettings.container or self.bit_depth is not None):
            raise InputError(
                "a film keeps its own kind of file, its sound as AAC: leave out the format and the "
                "bit depth"
            )

    @property
    def is_stem_file(self) -> bool:
        """Whether all stems go into one stem file for DJs."""
        return f".{self.container}" in STEM_SUFFIXES

    @property
    def in_one_file(self) -> bool:
        """Whether all stems of a song go into one file."""
        return self.is_stem_file or self.remux == "add"

    def extension(self, song: Path) -> str:
        """Give the ending of the files of a song, without the dot.

        Raises:
            InputError: The format is unknown, or films of that kind cannot be written.
        """
        if self.remux:
            return film_suffix(song).lstrip(".")
        if self.is_stem_file:
            return self.container
        return container_named(self.container).suffix.lstrip(".")

    def chosen(self, given: Sequence[str]) -> tuple[str, ...]:
        """Choose the stems to write among those of the model; case is ignored.

        Args:
            given: Names of the stems that the model gives.

        Raises:
            InputError: The model lacks one of them, or phrases are asked for without vocals.
        """
        asked = self.stems or ((VOCALS,) if self.phrases else None)
        known = {stem.casefold(): stem for stem in given}
        unknown = [stem for stem in asked or () if stem.casefold() not in known]
        if unknown:
            meant = STEM_BY_NAME.get(unknown[0].casefold())
            hint = f"take one of {', '.join(given)}; for several, ask for each"
            if meant in given:
                hint = f"did you mean '{meant}'?"
            elif meant in PARTS:
                hint = f"take one of {', '.join(given)}, or the model 'stems'"
            raise InputError(
                f"model '{self.separation.model}' gives no stem '{unknown[0]}': {hint}"
            )
        asked = asked and tuple(known[stem.casefold()] for stem in asked)
        stems = tuple(dict.fromkeys(asked)) if asked else tuple(given)
        if self.phrases and VOCALS not in stems:
            raise InputError(f"phrases are cut of the {VOCALS}: ask for that stem too")
        return stems
