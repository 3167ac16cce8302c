"""Make a separator with a detector of vocal activity; it runs no network twice."""

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
    """Vocal activity from the masks of a separator; fulfils `activity.Detector`.

    It ignores its input: feed and flush it after the separator.
    """

    def __init__(self, masker: PresenceMasker) -> None:
        """Take the masker of a separator."""
        self._masker = masker
        masker.is_asked = True
        self.frame_seconds = masker.grid.frame_seconds

    def feed(self, block: Float32, /) -> Float32:
        """Return the probabilities since the last call."""
        return self._masker.take()

    def flush(self) -> Float32:
        """Return the last probabilities, after the separator was flushed."""
        return self._masker.take()


def make_listening_separator(
    settings: SeparationSettings,
    *,
    sample_rate: int,
    n_channels: int,
    activity: str | Path | None = None,
) -> tuple[Separator, Detector]:
    """Make a separator, and a detector that must be fed with the same blocks after it.

    Args:
        settings: Model, reading of its masks, gate, synthesis and threads.
        sample_rate: Sample rate of the mixture in Hz.
        n_channels: Number of channels of the mixture.
        activity: Name or path of a model for the detection; None for the separating one, if it has
            masks of the vocals.

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
