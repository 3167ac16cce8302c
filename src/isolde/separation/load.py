"""From a model's name to a separator ready to feed, and the shortest way: `separate`.

Here the separator, which knows no model, meets the catalogue, the rules and the gate.
"""

from pathlib import Path

from isolde.activity.detector import load_frame_detector
from isolde.activity.gate import GatedMasker
from isolde.audio import AudioReader
from isolde.core.errors import InputError, ModelError
from isolde.core.stage import Float32, blocks_of, channels_of
from isolde.models.catalogue import DEFAULT, Model, find
from isolde.models.masker import GraphMasker, Masker
from isolde.rules import RULES, HarmonicMasker, make_rules_masker
from isolde.separation.separator import Separator, Stems


def stems_of(model: str | Path) -> tuple[str, ...]:
    """The stems that a model gives, the residual last.

    Raises:
        ModelError: when there is no such model, or it separates nothing.
    """
    if model == RULES:
        return (*HarmonicMasker.stems, HarmonicMasker.residual)
    card = _found(model).card
    return (*card.stems, card.residual)


def _found(model: str | Path) -> Model:
    """A model of the catalogue that separates."""
    found = find(model)
    if not found.card.stems:
        name = found.card.name
        raise ModelError(f"model '{name}' separates nothing: take another, like '{DEFAULT}'")
    return found


def load_separator(
    model: str | Path = DEFAULT,
    *,
    sample_rate: int,
    n_channels: int,
    threads: int = 1,
    mask: str = "soft",
    threshold: float = 0.5,
    strength: float = 1.0,
    gate: bool = False,
    synthesis: str | None = None,
) -> Separator:
    """A separator with one of the catalogue's models.

    Args:
        model: its name, or a path (see `catalogue.find`); "rules" for `isolde.rules`.
        sample_rate: of the mixture in Hz.
        n_channels: of the mixture.
        threads: for the network.
        mask: "soft" or "binary".
        threshold: for "binary".
        strength: for "soft".
        gate: whether the vocals are turned down where nobody sings (see `activity.gate`).
        synthesis: "long", or "short" for half the windows' latency; None: what the model wants.

    Raises:
        ModelError: when there is no such model, or it separates nothing.
        InputError: when a setting is out of range, there is no channel, or no vocals to gate.
        MissingExtraError: when the model is "rules" and librosa is not installed.
    """
    masker: Masker
    if model == RULES:
        masker, wanted = make_rules_masker(n_channels), "long"
    else:
        found = _found(model)
        masker = GraphMasker(found.graph(threads=threads), found.card, n_channels=n_channels)
        wanted = found.card.synthesis
    if gate:
        masker = GatedMasker(masker, load_frame_detector(n_channels=n_channels, threads=threads))
    return Separator(
        masker,
        sample_rate=sample_rate,
        n_channels=n_channels,
        mask=mask,
        threshold=threshold,
        strength=strength,
        synthesis=synthesis or wanted,
    )


def separate(
    source: str | Path | Float32,
    *,
    sample_rate: int | None = None,
    model: str | Path = DEFAULT,
    threads: int = 1,
    mask: str = "soft",
    threshold: float = 0.5,
    strength: float = 1.0,
    gate: bool = False,
) -> Stems:
    """The stems of a song, in memory.

    Args:
        source: a file, or samples (n_channels, n_samples) or (n_samples,) in [-1, 1].
        sample_rate: of the samples in Hz; of a file it is its own.
        model: a model's name or path.
        threads: for the network.
        mask: "soft" or "binary".
        threshold: for "binary".
        strength: for "soft": 1 is neutral, 2 takes more away, 0.5 leaves more.
        gate: whether the vocals are turned down where nobody sings.

    Returns:
        for each stem float32 of the shape of the mixture; they sum to it, to rounding.

    Raises:
        AudioError: when the file cannot be read.
        InputError: when an argument cannot be used.
        ModelError: when there is no such model.
    """
    settings = {"mask": mask, "threshold": threshold, "strength": strength, "gate": gate}
    if isinstance(source, str | Path):
        with AudioReader(source) as reader:
            separator = load_separator(
                model,
                sample_rate=reader.info.sample_rate,
                n_channels=reader.info.n_channels,
                threads=threads,
                **settings,  # type: ignore[arg-type]
            )
            return separator.whole(reader)
    if sample_rate is None:
        raise InputError("samples without a rate cannot be separated: give sample_rate in Hz")
    audio = channels_of(source)
    separator = load_separator(
        model,
        sample_rate=sample_rate,
        n_channels=audio.shape[0],
        threads=threads,
        **settings,  # type: ignore[arg-type]
    )
    stems = separator.whole(blocks_of(audio))
    return stems if source.ndim == 2 else {stem: values[0] for stem, values in stems.items()}
