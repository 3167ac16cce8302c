"""Make separators from names of models, and separate songs in memory; it writes no files."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from isolde.activity import GatedMasker
from isolde.audio import AudioReader
from isolde.core.errors import AbortedError, InputError, IsoldeWarning, ModelError
from isolde.core.signal.level import LEVEL_DB, RISE_SECONDS
from isolde.core.signal.spectrum import TOP_RATE
from isolde.core.stage import Float32, blocks_of, channels_of, check_progress, checked_form
from isolde.models import list_models
from isolde.models.card import Card
from isolde.models.catalogue import DEFAULT, Model, find, members_of, parts_of
from isolde.models.masker import Masker, make_masker
from isolde.models.window.stages import WindowEstimator
from isolde.rules import RULES, HarmonicMasker, make_rules_masker
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.ensemble import Ensemble
from isolde.separation.stages.estimator import Estimator, MaskEstimator
from isolde.separation.stages.separator import Separator
from isolde.separation.stems import Stems


def stems_of(model: str | Path) -> tuple[str, ...]:
    """Give the names of the stems of a model, the residual last.

    Args:
        model: Name or path of a model.

    Raises:
        ModelError: There is no such model, or it separates nothing.
    """
    if model == RULES:
        return (*HarmonicMasker.stems, HarmonicMasker.residual)
    card = _found(model).card
    return (*card.stems, card.residual)


def notices_of(model: str | Path) -> list[str]:
    """List the lines that every user of a model is shown, such as limits of its licence.

    Args:
        model: Name or path of a model.

    Raises:
        ModelError: There is no such model.
    """
    if model == RULES:
        return []
    found = _found(model)
    models = [found, *parts_of(found.card)]
    return [f"model '{m.card.name}': {m.card.notice}" for m in models if m.card.notice]


def _found(model: str | Path) -> Model:
    """Find a model that separates."""
    try:
        found = find(model)
    except ModelError:
        cards = list_models()
        if Path(model).exists() or any(card.name == str(model) for card in cards):
            raise
        offered = sorted(card.name for card in cards if card.stems or card.members)
        raise ModelError(
            f"model '{model}' is not known: take one of {', '.join([*offered, RULES])}, or the "
            "path of an .onnx file"
        ) from None
    if not found.card.stems:
        name = found.card.name
        raise ModelError(f"model '{name}' separates nothing: take another, like '{DEFAULT}'")
    return found


def make_separator(settings: SeparationSettings, *, sample_rate: int, n_channels: int) -> Separator:
    """Make a separator from settings.

    Args:
        settings: Model, reading of its masks, gate, synthesis and threads.
        sample_rate: Sample rate of the mixture in Hz.
        n_channels: Number of channels of the mixture.

    Raises:
        ModelError: There is no such model, or it separates nothing.
        InputError: The sample rate is too low, there is no channel, or no vocals to gate.
        MissingExtraError: The model is "rules" and librosa is not installed.
    """
    sample_rate, n_channels = checked_form(sample_rate, n_channels)
    estimator = make_estimator(settings, sample_rate=sample_rate, n_channels=n_channels)
    maker = partial(make_separator, settings)
    return Separator(estimator, sample_rate=sample_rate, n_channels=n_channels, maker=maker)


def make_estimator(
    settings: SeparationSettings,
    *,
    sample_rate: int,
    n_channels: int,
    wrap: Callable[[Masker], Masker] | None = None,
) -> Estimator:
    """Make the stage that estimates the stems of a model, at a sample rate of its own.

    Args:
        settings: Model, reading of its masks, gate, synthesis and threads.
        sample_rate: Sample rate of the mixture in Hz.
        n_channels: Number of channels of the mixture.
        wrap: Function that wraps the masker of the model, if it has masks.

    Raises:
        ModelError: There is no such model, or it separates nothing.
        InputError: There is no channel, no vocals to gate, or settings of masks for a model
            without masks.
        MissingExtraError: The model is "rules" and librosa is not installed.
    """
    found = None if settings.model == RULES else _found(settings.model)
    if found and settings.live:
        found = found.live
    if found and found.card.kind == "ensemble":
        return _make_ensemble(found.card, settings, n_channels=n_channels)
    if found and found.card.window and found.card.window.form != "magnitudes":
        if (settings.mask, settings.strength, settings.gate) != ("soft", 1.0, False):
            raise InputError(
                f"model '{found.card.name}' gives sound and no masks: leave out the binary mask, "
                "the strength and the gate, or take another model"
            )
        session = found.session(threads=settings.n_threads)
        return WindowEstimator(session, found.card, n_channels=n_channels)
    # small steps, frame by frame: a second thread doubles the CPU time (docs/lab/batch.md)
    by_frames = found is not None and found.card.kind == "stream"
    threads = settings.threads or (1 if by_frames else settings.n_threads)
    masker: Masker
    if found is None:
        masker = make_rules_masker(n_channels)
    else:
        masker = make_masker(found, n_channels=n_channels, threads=threads)
    if settings.gate:
        masker = GatedMasker(masker)
    if wrap:
        masker = wrap(masker)
    return MaskEstimator(
        masker,
        sample_rate=sample_rate,
        n_channels=n_channels,
        settings=settings,
        level_db=found.card.level_db if found else LEVEL_DB,
        level_seconds=found.card.level_seconds if found else RISE_SECONDS,
        lowest_hz=found.card.lowest_hz if found else 0.0,
    )


def _make_ensemble(card: Card, settings: SeparationSettings, *, n_channels: int) -> Ensemble:
    """Make the members of an ensemble, all at the same sample rate."""
    members = []
    for model, weight in members_of(card):
        named = replace(settings, model=str(model.path))
        member = make_estimator(named, sample_rate=TOP_RATE, n_channels=n_channels)
        members.append((member, weight))
    return Ensemble(members, stems=card.stems, residual=card.residual, n_channels=n_channels)


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
    live: bool = False,
) -> Separator:
    """Make a separator with one of the catalogue's models.

    Args:
        model: Name or path of a model (see `catalogue.find`), or "rules" for `isolde.rules`.
        sample_rate: Sample rate of the mixture in Hz.
        n_channels: Number of channels of the mixture.
        threads: Number of threads that run the network; 0 for as many as help it.
        mask: Reading of the mask, "soft" or "binary".
        threshold: Value from which the binary mask is 1, between 0 and 1.
        strength: Exponent of the soft mask: 1 is neutral, 2 removes more, 0.5 leaves more.
        gate: Whether the vocals are turned down where nobody sings (see `activity.gate`).
        synthesis: "long", "short" for half the latency of the windows, or None for the model's own.
        live: Whether a network of windows takes short ones, see `SeparationSettings`.

    Raises:
        ModelError: There is no such model, or it separates nothing.
        InputError: A setting is out of range, there is no channel, or no vocals to gate.
        MissingExtraError: The model is "rules" and librosa is not installed.

    See Also:
        make_separator: The same from settings in one object.
    """
    settings = SeparationSettings(
        str(model),
        mask,
        threshold,
        strength,
        gate=gate,
        synthesis=synthesis,
        threads=threads,
        live=live,
    )
    return make_separator(settings, sample_rate=sample_rate, n_channels=n_channels)


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
    progress: Callable[[float], bool | None] | None = None,
) -> Stems:
    """Separate a song in memory.

    Args:
        source: Path of a file, or samples (n_channels, n_samples) or (n_samples,) in [-1, 1].
        sample_rate: Sample rate of the samples in Hz; None for a file, which has its own.
        model: Name or path of a model.
        threads: Number of threads that run the network; 0 for as many as help it.
        mask: Reading of the mask, "soft" or "binary".
        threshold: Value from which the binary mask is 1, between 0 and 1.
        strength: Exponent of the soft mask: 1 is neutral, 2 removes more, 0.5 leaves more.
        gate: Whether the vocals are turned down where nobody sings.
        progress: Function called after each block with the share that is done, in [0, 1], or 0 if
            the length of a file is unknown; the separation ends if it returns False or raises.

    Returns:
        Mapping from stems to float32 arrays of the shape of the mixture, which sum to it, to
        rounding. It has the sample rate and `notes`, and can be written to files.

    Raises:
        AudioError: The file cannot be read.
        InputError: An argument cannot be used.
        ModelError: There is no such model.
        AbortedError: The progress function returned False.

    Warns:
        IsoldeWarning: The file is damaged, cut short or holds NaN, or its channels are in opposite
            phase or nearly empty; each line is also in `notes`.

    Examples:
        >>> import numpy as np
        >>> mixture = np.zeros((2, 44100), np.float32)
        >>> stems = separate(mixture, sample_rate=44100)
        >>> sorted(stems), stems["vocals"].shape
        (['accompaniment', 'vocals'], (2, 44100))
    """
    check_progress(progress)
    settings = SeparationSettings(str(model), mask, threshold, strength, gate, threads=threads)
    if isinstance(source, str | Path):
        if sample_rate is not None:
            raise InputError(f"sample_rate is {sample_rate}: a file has its own: leave it out")
        with AudioReader(source) as reader:
            info = reader.info
            separator = make_separator(
                settings, sample_rate=info.sample_rate, n_channels=info.n_channels
            )
            samples = separator.whole(_told(reader, reader.about_samples, progress))
            notes = (*reader.notes(), *separator.notes())
        for note in notes:
            warnings.warn(note, IsoldeWarning, stacklevel=2)
        return Stems(samples, sample_rate=info.sample_rate, notes=notes, tags=info.tags)
    audio = channels_of(source)
    rate, n_channels = checked_form(sample_rate, audio.shape[0])
    separator = make_separator(settings, sample_rate=rate, n_channels=n_channels)
    samples = separator.whole(_told(blocks_of(audio), audio.shape[1], progress))
    if source.ndim == 1:
        samples = {stem: values[0] for stem, values in samples.items()}
    notes = tuple(separator.notes())
    for note in notes:
        warnings.warn(note, IsoldeWarning, stacklevel=2)
    return Stems(samples, sample_rate=rate, notes=notes)


def _told(
    blocks: Iterable[Float32],
    n_samples: int | None,
    progress: Callable[[float], bool | None] | None,
) -> Iterator[Float32]:
    """Yield the blocks, and report the share that is done: 0 if the length is unknown."""
    n = 0
    for block in blocks:
        yield block
        n += block.shape[1]
        share = min(1.0, n / n_samples) if n_samples else 0.0
        if progress and progress(share) is False:
            raise AbortedError("the separation was ended by its progress function")
