"""Songs separated by a model of one's own: what a run knows of it, and what a broken one gives."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import windows
from helpers.maskers import Shelf
from helpers.songs import music
from helpers.sounds import noise
from isolde.core.errors import InputError, ModelError
from isolde.models.additions import add_model
from isolde.models.card_files import card_for, read_card
from isolde.models.catalogue import Model
from isolde.models.masker import make_masker
from isolde.models.sources import FOLDER
from isolde.models.window.recognition import Hints
from isolde.separation import (
    FileSettings,
    SeparationSettings,
    State,
    check_songs,
    separate_songs,
    songs_in,
)
from isolde.separation.batch import running
from isolde.separation.batch.fitness import Fitness
from isolde.separation.stages.estimator import MaskEstimator
from isolde.separation.stages.separator import Separator


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph of a model 'own' in the user's folder: a half of the mixture."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "models"))
    return taught(tmp_path, 0.5)


def taught(folder: Path, gain: float) -> Path:
    """The model, after it has learnt."""
    for old in (folder / "models").glob("own.*"):
        old.unlink()
    path = windows.waves(folder / "net.onnx", delay=0, gain=gain)
    return add_model(path, name="own", hints=Hints(stems=("vocals",))).path


def test_songs_are_not_done_by_a_model_that_has_learnt_since(own: Path, tmp_path: Path):
    songs = songs_in(music(tmp_path / "music", 2))
    settings = FileSettings(output=tmp_path / "out", separation=SeparationSettings("own"))
    assert None not in separate_songs(songs, settings, resume=True)
    assert {found.state for found in check_songs(songs, settings)} == {State.DONE}
    assert taught(tmp_path, 0.25) == own
    assert {found.state for found in check_songs(songs, settings)} == {State.CHANGED}
    errors: list[str | None] = []
    again = separate_songs(
        songs, settings, resume=True, report=lambda song, done, error: errors.append(error)
    )
    assert again == [None, None] and all("exists already" in str(error) for error in errors)


def test_songs_are_not_done_by_a_model_whose_card_has_changed(own: Path, tmp_path: Path):
    songs = songs_in(music(tmp_path / "music", 1))
    settings = FileSettings(output=tmp_path / "out", separation=SeparationSettings("own"))
    assert None not in separate_songs(songs, settings, resume=True)
    fit, card = Fitness.here("own"), read_card(own.with_suffix(".json"))
    for metrics in ({}, {"measured": 1.0}):
        own.with_suffix(".json").write_text(replace(card, metrics=metrics).to_json())
        assert [found.state for found in check_songs(songs, settings)] == [State.DONE]
    assert card.window is not None
    other = replace(card, window=replace(card.window, overlap=0.0))
    own.with_suffix(".json").write_text(other.to_json())
    assert [found.state for found in check_songs(songs, settings)] == [State.CHANGED]
    with pytest.raises(ModelError, match="other weights"):
        fit()


def test_a_model_is_the_same_by_its_path_from_another_folder(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So a worker on another machine finds it, and a later run what this one has done."""
    songs = songs_in(music(tmp_path / "music", 1))
    there = FileSettings(output=tmp_path / "out", separation=SeparationSettings("own.onnx"))
    monkeypatch.chdir(own.parent)
    used: list[str] = []
    run = running.parallel.run

    def spy(job: Any, items: Any, **options: Any) -> Sequence[Any]:
        used.append(job.keywords["settings"].separation.model)
        return run(job, items, **options)

    monkeypatch.setattr(running.parallel, "run", spy)
    assert None not in separate_songs(songs, there, resume=True)
    assert used == [str(own)]
    monkeypatch.chdir(tmp_path)
    here = FileSettings(output=tmp_path / "out", separation=SeparationSettings("models/own.onnx"))
    assert [found.state for found in check_songs(songs, here)] == [State.DONE]


def test_a_machine_reads_weights_again_that_have_changed(own: Path, tmp_path: Path):
    before = Fitness.here("own")
    before()
    assert taught(tmp_path, 0.25) == own
    with pytest.raises(ModelError, match="other weights"):
        before()
    Fitness.here("own")()


@pytest.mark.parametrize(("timeout", "may_replace"), [(None, False), (60.0, True)])
def test_a_song_that_a_process_begins_again_may_find_a_stem_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float | None, may_replace: bool
):
    """With a time to keep, one job has a process too, which may die between two stems."""
    settings: list[FileSettings] = []

    def run(job: Any, items: Any, **options: Any) -> Sequence[Any]:
        settings.append(job.keywords["settings"])
        return []

    monkeypatch.setattr(running.parallel, "run", run)
    songs = songs_in(music(tmp_path / "music", 1))
    with pytest.raises(KeyError):  # nothing was done
        separate_songs(songs, FileSettings(output=tmp_path / "out"), timeout=timeout)
    assert [found.overwrite for found in settings] == [may_replace]


class Negative(Shelf):
    """A masker whose masks go below 0."""

    def _masks(self, n: int) -> np.ndarray:
        return super()._masks(n) - np.float32(0.1)


def test_masks_below_zero_are_raised_to_no_power():
    stems = {}
    for strength in (1.0, 0.5):
        settings = SeparationSettings(strength=strength)
        separator = Separator.with_masks(
            Negative(), sample_rate=22050, n_channels=2, settings=settings
        )
        if strength == 1:
            stems = separator.whole(noise(2, 8000))
            continue
        with pytest.raises(ModelError, match="go below 0"):
            separator.whole(noise(2, 8000))
    assert all(np.isfinite(stem).all() for stem in stems.values())


def test_jobs_and_a_scheduler_are_not_asked_for_together(tmp_path: Path):
    songs = songs_in(music(tmp_path / "music", 1))
    with pytest.raises(InputError, match="with --scheduler its workers count"):
        separate_songs(songs, FileSettings(output=tmp_path / "out"), jobs=2, scheduler="tcp://x:1")


@pytest.mark.parametrize("n_bins", [256, 744, 745])  # up to 2.8 and 8.0 kHz
def test_a_network_that_hears_no_treble_has_its_last_bin_decide_for_it(tmp_path: Path, n_bins: int):
    path = windows.spleeter(
        tmp_path / "net.onnx", {"vocals": 1.0, "accompaniment": 1.0}, n_bins=n_bins
    )
    model = Model(card_for(path, Hints(n_fft=4096)), path)
    estimator = MaskEstimator(make_masker(model, n_channels=2), sample_rate=44100, n_channels=2)
    separator = Separator(estimator, sample_rate=44100, n_channels=2)
    mixture = noise(2, 20_000)
    stems = separator.whole(mixture)
    np.testing.assert_allclose(stems["vocals"], mixture / 2, atol=1e-5)
