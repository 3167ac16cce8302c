"""Which songs are learnt from and which measured on, and what a team of processes agrees on."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isolde.audio import write
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32
from isolde.datasets.mixing.library import Entry
from isolde.datasets.voicing import labelled

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.networks.unet import UNetShape  # noqa: E402
from isolde.training import course  # noqa: E402
from isolde.training.course import Courses, Options  # noqa: E402
from isolde.training.distributed import Team  # noqa: E402
from isolde.training.export import publish  # noqa: E402
from isolde.training.log import Log  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from isolde.training.sources import Songs, held_out, open_songs  # noqa: E402
from isolde.training.tasks.excerpts import Stretches  # noqa: E402
from isolde.training.tasks.unet import UNetTask  # noqa: E402
from isolde.training.tasks.unet_stream import UNetStreamTask  # noqa: E402
from isolde.training.tasks.validation import accuracy  # noqa: E402
from isolde.training.tensorboard import Board  # noqa: E402

RATE = 22050


def tone(hertz: float) -> Float32:
    sound = 0.2 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    return np.tile(sound.astype(np.float32), (2, 1))


def put(folder: Path) -> None:
    for name, hertz in (("vocals", 300), ("drums", 100)):
        write(folder / f"{name}.wav", tone(hertz), RATE)


def test_songs_of_a_test_folder_are_not_learnt_from(tmp_path: Path):
    """The help measures on musdb18hq/test what has learnt from musdb18hq."""
    for split in ("train", "test"):
        put(tmp_path / "in" / split / f"{split} - song")
    songs = open_songs([tmp_path / "in"], Recipe(), cache=tmp_path / "cache")
    assert [entry.track for entry in songs.train] == ["train - song"]
    assert songs.problems == ["1 songs of 'test', which are to measure on"]
    alone = open_songs([tmp_path / "in" / "test"], Recipe(), cache=tmp_path / "cache")
    assert [entry.track for entry in alone.train] == ["test - song"]


def test_packed_songs_with_their_parts_can_be_held_out_and_heard(tmp_path: Path):
    sound = np.stack([tone(hertz) for hertz in (300, 100, 50, 700)])
    sound[0] *= 0.005  # a voice 46 dB under its band is not heard
    folder = tmp_path / "packed" / "quartet"
    folder.mkdir(parents=True)
    for artist in ("a", "b"):
        np.save(folder / f"{artist} - s.npy", np.round(sound * 32767).astype(np.int16))
    recipe = Recipe(hold_out=0.5)
    songs = open_songs([tmp_path / "packed"], recipe, cache=tmp_path / "cache")
    (held,) = songs.validation
    assert held.accompaniment is not None
    np.testing.assert_allclose(held.accompaniment / 32767, sound[1:].sum(0), atol=3 / 32767)
    assert len(songs.train) == 1 and songs.train[0].artist != held.artist
    (heard,) = labelled(songs.train)
    assert songs.train[0].activity.any() and not heard.activity.any()


def test_an_artist_in_two_spellings_is_held_out_whole(tmp_path: Path):
    nothing = np.zeros((2, 0), np.int16)
    entry = Entry("", "", 11025.0, nothing, nothing, np.ones(10, np.bool_))
    names = ("Zo\u00e9", " zoe\u0301", "Nina", "Ada")
    out = held_out([replace(entry, track=name, artist=name) for name in names], 0.6)
    assert len(out) == 2 and out < {"zo\u00e9", "nina", "ada"}


class Divided(Team):
    """A team of which half has timed bfloat16 as the faster."""

    def mean(self, *values: float, device: object = "cpu") -> tuple[float, ...]:
        return tuple(0.5 for _ in values)


@pytest.mark.parametrize(("team", "wanted"), [(Team(), "bfloat16"), (Divided(), "float32")])
def test_a_team_computes_in_one_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, team: Team, wanted: str
):
    """Losses are scaled by precision: gradients of two would not have a mean."""
    chosen = []

    def run(*_: object, precision: str, **__: object) -> None:
        chosen.append(precision)
        raise InputError("seen")

    monkeypatch.setattr(course, "Run", run)
    monkeypatch.setattr(course, "examples_of", lambda *_: None)
    monkeypatch.setattr(course, "_open", lambda *_: Songs([], [], []))
    monkeypatch.setattr(course, "precision_for", lambda *_: "bfloat16")
    options = Options(cache=tmp_path)
    courses = Courses([], options, team=team, device=torch.device("cpu"), say=str)
    with pytest.raises(InputError, match="seen"):
        courses.course("", tmp_path, replace(read_recipe("article-mask"), seed=1), None)
    assert chosen == [wanted]


@pytest.mark.parametrize("task", [UNetTask, UNetStreamTask])
def test_tensorboard_shows_a_mask_on_the_tasks_own_grid(
    tmp_path: Path, entries: list[Entry], task: type[UNetTask]
):
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made = task(UNetShape(features=(2, 2, 2, 2, 2, 2), masks=1))
    board = Board(tmp_path, step=0)
    board.song(1, made, made.build().eval(), entries[0])
    board.close()
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert found.Images("spectrogram/mask")[0].height == made.grid.n_bins != 513


def test_a_log_is_cut_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = Log(tmp_path, step=0)
    for step in (1, 2, 3):
        log.step(step, 0.1, 0.5, 1.0)
    before = (tmp_path / "log.csv").read_text("utf-8")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(OSError, match="disk is full"):
            Log(tmp_path, step=2)
    assert (tmp_path / "log.csv").read_text("utf-8") == before
    Log(tmp_path, step=2)
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]


def test_a_networks_file_has_no_best(tmp_path: Path):
    (tmp_path / "x.safetensors").touch()
    with pytest.raises(InputError, match="leave out --best"):
        publish(tmp_path / "x.safetensors", tmp_path, name="x", summary="", licence="", best=True)


def test_packed_songs_can_be_measured_on_and_drawn_where_nobody_sings(tmp_path: Path):
    """An empty list of activity stands for frames in which nobody sings."""
    for folder, artists in (("learn", "ab"), ("measure", "c")):
        (tmp_path / folder / "pair").mkdir(parents=True)
        for artist in artists:
            sound = np.round(np.stack([tone(300), tone(100)]) * 32767).astype(np.int16)
            np.save(tmp_path / folder / "pair" / f"{artist} - s.npy", sound)
            (tmp_path / folder / "pair" / f"{artist} - s.activity").touch()
    songs = open_songs(
        [tmp_path / "learn"], Recipe(), cache=tmp_path, validation=tmp_path / "measure"
    )
    assert [entry.artist for entry in songs.validation] == ["c"]
    assert len(Stretches(songs.train, frames=1, seed=1)) == 2 * GRID_22.n_frames(RATE)

    def half(spectra: np.ndarray) -> np.ndarray:
        return (np.arange(spectra.shape[1]) % 2).astype(np.float32)

    assert accuracy(half, songs.validation)[0] == pytest.approx(0.5, abs=0.01)
