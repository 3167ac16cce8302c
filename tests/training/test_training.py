"""Training: examples repeat, loss falls, runs resume to the bit, and models load."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from isolde.audio import write
from isolde.core.errors import InputError
from isolde.datasets.mixing.library import Library
from isolde.separation.load import separate

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.networks.article import WindowShape  # noqa: E402
from isolde.training.course import Options  # noqa: E402
from isolde.training.export import publish  # noqa: E402
from isolde.training.loop import Run  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.sources import examples_of, open_songs  # noqa: E402
from isolde.training.tasks.windows import WindowTask  # noqa: E402
from isolde.training.train import arithmetic, train_songs  # noqa: E402

TINY = WindowShape(channels=(2, 2, 2, 2), hidden=4, outputs=513)
SMALL = Recipe(task=WindowTask(shape=TINY), segments=2, frames=8, steps=6, warm_up=2, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two synthetic songs as stems, and a solo voice at 16 kHz."""
    root = tmp_path_factory.mktemp("songs")
    for seed in (1, 2):
        for stem, audio in songs.make_song(seed, seconds=4.0, sample_rate=22050).items():
            write(root / f"Artist {seed} - Song" / f"{stem}.flac", audio, 22050)
    voice = songs.make_song(3, seconds=4.0, sample_rate=16000)["vocals"]
    write(root / "alone_1.wav", voice, 16000)
    return root


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory) -> Library:
    return Library([folder], tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_the_library_holds_what_the_folder_holds(library: Library):
    by_name = {entry.track: entry for entry in library.entries}
    assert set(by_name) == {"Artist 1 - Song", "Artist 2 - Song", "alone_1"}
    song, alone = by_name["Artist 1 - Song"], by_name["alone_1"]
    stems = songs.make_song(1, seconds=4.0, sample_rate=22050)
    assert song.vocals is not None and song.accompaniment is not None
    vocals = song.vocals.astype(np.float32) / 32767
    np.testing.assert_allclose(vocals, stems["vocals"], atol=1e-4)
    backing = stems["drums"] + stems["bass"] + stems["other"]
    np.testing.assert_allclose(song.accompaniment / 32767, np.clip(backing, -1, 1), atol=3e-4)
    assert alone.accompaniment is None and alone.top_hz == 8000
    assert (song.artist, alone.artist) == ("Artist 1", "alone")


def test_activity_is_where_the_song_has_it(library: Library):
    """The clean voice against the generator's own segments, but for 0.1 s at each edge."""
    entry = next(e for e in library.entries if e.track == "Artist 1 - Song")
    centres = np.arange(len(entry.activity)) * 256 / 22050
    near, inside = np.zeros(len(centres), bool), np.zeros(len(centres), bool)
    for start, end in songs.activity(1, seconds=4.0):
        near |= (np.abs(centres - start) < 0.1) | (np.abs(centres - end) < 0.1)
        inside |= (centres > start) & (centres < end)
    agree = entry.activity == inside
    assert agree[~near].mean() > 0.9


def test_an_empty_folder_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no songs found"):
        Library([tmp_path / "empty"], tmp_path / "cache")


def test_a_folder_to_measure_on_without_whole_songs_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "dev").mkdir()
    shutil.copy(folder / "alone_1.wav", tmp_path / "dev")
    with pytest.raises(InputError, match=r"dev: no song to measure on has vocals and an accomp"):
        open_songs([folder], SMALL, cache=tmp_path / "cache", validation=tmp_path / "dev")


@pytest.mark.slow
def test_one_batch_can_be_learnt_by_heart(library: Library):
    """The whole path is right if a network can overfit it: the error falls to a tenth and below."""
    task = WindowTask(error="mse", target="binary")
    batch = task.batch(examples_of(SMALL, library.entries), [0, 1], frames=8, step=0)
    torch.manual_seed(0)
    network = task.build()
    network.mean.copy_(batch.features.mean((0, 1)))
    network.std.copy_(batch.features.std((0, 1)) + 1e-3)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = task.loss(network, batch, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("exact", [True, False])
def test_the_target_is_the_frame_that_the_window_is_about(library: Library, exact: bool):
    """With features of the target's own frame, the batch's slices must line up for either form."""
    from isolde.networks.sliding import plan

    task = WindowTask(look_ahead=5, interior_steps=0 if exact else 1)
    mixer = examples_of(SMALL, library.entries)
    batch = task.batch(mixer, [0], frames=8, step=0)
    steps = plan(exact=exact)
    vocals, accompaniment = mixer.labelled([0], 8 + steps.span)[0][0, :, 0].numpy()
    mixture = vocals + accompaniment
    # answer 0 belongs to the window's frame 24 - look_ahead, the window starts `lead` frames in
    frame = steps.lead + 24 - 5
    shares = (vocals[frame] * mixture[frame].conj()).real / np.maximum(
        np.abs(mixture[frame]) ** 2, 1e-20
    )
    np.testing.assert_allclose(batch.target[0, 0].numpy(), np.clip(shares, 0, 1), atol=1e-4)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    state = load_file(folder / "state.safetensors")
    return {name: value for name, value in state.items() if name != "seconds"}


def test_another_networks_run_is_refused(library: Library, tmp_path: Path):
    mixer = examples_of(SMALL, library.entries)
    Run(tmp_path / "run", replace(SMALL, steps=1), mixer).train()
    other = replace(SMALL, task=WindowTask(shape=replace(TINY, hidden=5)))
    with pytest.raises(InputError, match="another network"):
        Run(tmp_path / "run", other, mixer)


def test_the_rate_rises_stays_and_falls_to_nothing():
    recipe = Recipe(steps=1000, warm_up=100, decay=0.4, learning_rate=1e-3)
    assert recipe.rate(0) == pytest.approx(1e-5)
    assert recipe.rate(300) == pytest.approx(1e-3)
    assert recipe.rate(800) == pytest.approx(0.5e-3)
    assert recipe.rate(1000) == 0


@pytest.mark.parametrize("bound", ["hours", "seconds"])
def test_a_schedule_goes_by_hours_heard_or_by_time(bound: str):
    recipe = Recipe(segments=10, frames=100, warm_up=1, decay=0.5, **{bound: 2.0})
    per_step = 10 * 100 * 256 / 22050
    assert recipe.step_seconds == pytest.approx(per_step)
    there = 7200 / per_step if bound == "hours" else 50
    spent = 0.0 if bound == "hours" else 2.0
    assert recipe.done(round(there), spent) == pytest.approx(1, abs=1e-3)
    assert recipe.rate(round(there), spent) == pytest.approx(0, abs=1e-5)
    quarters = recipe.rate(round(there * 0.75), spent * 0.75)
    assert quarters == pytest.approx(recipe.learning_rate / 2, rel=0.01)
    assert recipe.rate(10, 0.0) == recipe.learning_rate
    with pytest.raises(InputError, match="hours and seconds"):
        Recipe(hours=1, seconds=1)


def test_a_run_ends_when_its_hours_are_heard(library: Library, tmp_path: Path):
    recipe = replace(SMALL, steps=1000, hours=SMALL.step_seconds * 3 / 3600)
    run = Run(tmp_path, recipe, examples_of(recipe, library.entries))
    run.train()
    assert run.step == 3 and run.ended and run.done == 1
    assert run.hours == pytest.approx(recipe.hours)


@pytest.mark.slow
def test_sixteen_bits_learn_what_float32_learns(library: Library, tmp_path: Path):
    """Loss and weights stay near those of float32, and a resumed run keeps its precision."""
    torch.manual_seed(0)
    losses = []
    for precision in ("float32", "bfloat16"):
        run = Run(
            tmp_path / precision, SMALL, examples_of(SMALL, library.entries), precision=precision
        )
        losses.append(run.train())
        assert run.skipped == 0
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    again = Run(tmp_path / "bfloat16", SMALL, examples_of(SMALL, library.entries))
    assert again.precision == "bfloat16"


def test_a_step_without_finite_gradients_is_left_out(library: Library, tmp_path: Path, monkeypatch):
    run = Run(tmp_path, SMALL, examples_of(SMALL, library.entries))
    run.train(until=2)
    before = weights(tmp_path)
    loss = WindowTask.loss
    monkeypatch.setattr(WindowTask, "loss", lambda *a, **k: loss(*a, **k) * float("nan"))
    run.train(until=3)
    monkeypatch.undo()
    assert run.skipped == 1 and run.step == 3
    for name, value in weights(tmp_path).items():
        if name.startswith("network."):
            assert torch.equal(value, before[name]), name


def test_a_precision_is_chosen_by_what_was_timed(monkeypatch):
    from isolde.training import precision

    cpu = torch.device("cpu")
    assert precision.precision_for(cpu, "bfloat16") == "bfloat16"
    for short, wanted in ((0.1, "bfloat16"), (0.98, "float32"), (float("inf"), "float32")):
        times = {torch.float32: 1.0, torch.bfloat16: short}
        monkeypatch.setattr(precision, "_seconds", times.__getitem__)
        assert precision.precision_for(cpu) == wanted
    monkeypatch.undo()
    assert 0 < precision._seconds(torch.float32) < 60
    with pytest.raises(InputError, match="precision 'half' is unknown"):
        precision.precision_for(cpu, "half")


@pytest.mark.slow
def test_from_a_folder_to_a_model_that_separates(folder: Path, tmp_path: Path):
    """`isolde train` and `isolde export`, then the model by its path."""
    recipe = tmp_path / "mine.json"
    task = WindowTask(shape=TINY, look_ahead=4, synthesis="short")
    recipe.write_text(json.dumps(replace(SMALL, steps=2, task=task).to_dict()))
    lines: list[str] = []
    options = Options(cache=tmp_path / "cache", validation=folder, steps=9)
    train_songs(recipe, [folder], out=tmp_path / "run", options=options, say=lines.append)
    assert "--steps 9 is more than the recipe has: it ends at 2" in lines
    assert any(
        line.startswith("step 2, 0.00 h heard: vocals uSDR in dB: median ") for line in lines
    )
    assert lines[-1].startswith("step 2, 100% of the recipe, loss ")
    train_songs(None, [], out=tmp_path / "run", options=options, resume=True, say=lines.append)
    assert lines[-1].startswith(f"{tmp_path / 'run'}: nothing to do: its recipe ended at step 2")
    model = publish(tmp_path / "run", tmp_path / "model", name="mine", summary="", licence="mine")
    again = {"name": "mine", "summary": "", "licence": "mine"}
    with pytest.raises(InputError, match="exists already"):
        publish(tmp_path / "run", tmp_path / "model", **again)
    with pytest.raises(InputError, match="cannot be one"):
        publish(tmp_path / "run", tmp_path / "model", **{**again, "name": "../up"})
    assert (model.card.look_ahead, model.card.past) == (4, 20)
    assert model.card.grid.synthesis == "short"
    audio = sum(songs.make_song(1, seconds=3.0, sample_rate=22050).values())
    stems = separate(audio, sample_rate=22050, model=model.path)
    assert np.abs(stems["vocals"] + stems["accompaniment"] - audio).max() < 1e-6
    assert np.sum(stems["vocals"] ** 2) > 0


def test_a_training_leaves_the_process_computing_as_before():
    before, smallest = torch.get_num_threads(), torch.tensor(1e-40)
    with pytest.raises(InputError), arithmetic(1):
        assert torch.get_num_threads() == 1 and smallest * 1 == 0
        raise InputError("no songs")
    assert torch.get_num_threads() == before and smallest * 1 != 0
