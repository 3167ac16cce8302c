"""A separator and what tells where somebody sings in the same song; it runs no network twice."""

from pathlib import Path

from isolde.activity import (
    ActivityDetector,
    Detector,
    PresenceMasker,
    activity_model,
    tells_by_masks,
)
from isolde.core.stage import Float32
from isolde.models.catalogue import find
from isolde.rules import RULES
from isolde.separation.load import make_estimator, make_separator
from isolde.separation.settings import SeparationSettings
from isolde.separation.stages.estimator import MaskEstimator
from isolde.separation.stages.separator import Separator


class SharedDetector:
    """What a separator's own masks tell; fulfils `activity.Detector`.

    It hears nothing itself: feed and flush it after the separator.
    """

    def __init__(self, masker: PresenceMasker) -> None:
        """Listen to the masker of a separator."""
        self._masker = masker
        masker.is_asked = True
        self.frame_seconds = masker.grid.frame_seconds

    def feed(self, block: Float32, /) -> Float32:
        """Give the probabilities that the separator has found since the last call."""
        return self._masker.take()

    def flush(self) -> Float32:
        """Give the last probabilities, once the separator has given its last samples."""
        return self._masker.take()


def make_listening_separator(
    settings: SeparationSettings,
    *,
    sample_rate: int,
    n_channels: int,
    activity: str | Path | None = None,
) -> tuple[Separator, Detector]:
    """Make a separator, and a detector that is fed with the same blocks after it.

    Args:
        settings: Model, reading of its masks, gate, synthesis and threads.
        sample_rate: Sample rate of the mixture in Hz.
        n_channels: Number of channels of the mixture.
        activity: Name or path of another model that tells where somebody sings; None for the
            separating one by its own masks, where it has any for the vocals.

    Raises:
        ModelError: There is no such model, or it separates nothing.
        InputError: The sample rate is too low, there is no channel, or no vocals to gate.
        MissingExtraError: The model is "rules" and librosa is not installed.
    """
    card = None if settings.model == RULES else find(settings.model).card
    if activity is None and card and tells_by_masks(card) and not card.presence:
        estimator = make_estimator(
            settings,
            sample_rate=sample_rate,
            n_channels=n_channels,
            wrap=None if settings.gate else PresenceMasker,  # a gate is one already
        )
        assert isinstance(estimator, MaskEstimator)
        assert isinstance(estimator.masker, PresenceMasker)
        separator = Separator(estimator, sample_rate=sample_rate, n_channels=n_channels)
        return separator, SharedDetector(estimator.masker)
    detector = ActivityDetector(
        sample_rate=sample_rate,
        n_channels=n_channels,
        model=activity or activity_model(settings.model),
        threads=settings.threads or 1,
    )
    return make_separator(settings, sample_rate=sample_rate, n_channels=n_channels), detector
