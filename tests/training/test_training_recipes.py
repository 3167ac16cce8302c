"""Recipes: what the article says, read strictly; and the examples of songs as they are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isolde.core.errors import InputError
from isolde.core.signal.features import Features
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.datasets.mixing.library import Entry

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.networks.article import WindowShape, windows_of  # noqa: E402
from isolde.training.mixing.settings import MixSettings  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.recipes import difference, names, read_recipe  # noqa: E402
from isolde.training.sources import held_out  # noqa: E402
from isolde.training.tasks.excerpts import Stretches  # noqa: E402
from isolde.training.tasks.unet import UNetTask  # noqa: E402
from isolde.training.tasks.windows import WindowTask  # noqa: E402

TINY = WindowShape(channels=(2, 2, 2, 2), hidden=4, outputs=513)


def test_every_shipped_recipe_can_be_read():
    assert {"article-vad", "article-regression", "article-mask", "vad", "mask"} <= set(names())
    for name in names():
        assert read_recipe(name).steps > 0


def test_frames_that_cannot_be_halved_are_refused_wherever_a_recipe_is_made():
    """Not only where it is read."""
    with pytest.raises(InputError, match=r"^frames is 100: give a multiple of 64"):
        Recipe(UNetTask(), frames=100)
    with pytest.raises(InputError, match=r"^frames is 0: give at least 1"):
        Recipe(UNetTask(), frames=0)


@pytest.mark.parametrize(
    ("name", "parameters", "target", "error"),
    [
        ("article-vad", 123_985, "activity", "bce"),
        ("article-regression", 323_233, "regression", "mse"),
        ("article-mask", 323_233, "binary", "mse"),
    ],
)
def test_the_articles_recipes_are_the_articles(name: str, parameters: int, target: str, error: str):
    recipe = read_recipe(name)
    task = recipe.task
    assert isinstance(task, WindowTask)
    assert task.build().n_parameters == parameters
    assert (task.target, task.error, task.look_ahead) == (target, error, 12)
    assert (task.dropout, task.weight_power) == ((0.25, 0.25, 0.5), 0)
    assert (recipe.optimiser, recipe.momentum, recipe.hold_out) == ("sgd", 0.9, 0.2)
    assert (recipe.draw, recipe.frames, task.interior_steps) == ("songs", 1, 0)
    # Keras's rate: lr / (1 + decay * step), and nothing else
    for step in (0, 1000, 500_000):
        assert recipe.rate(step) == pytest.approx(0.001 / (1 + 1e-6 * step), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("setps = 3", ["mine.toml", "'setps'", "did you mean 'steps'"]),
        ("[task]\nlook_ahed = 3", ["task", "did you mean 'look_ahead'"]),
        ("[task.features]\nmell = true", ["task, features", "did you mean 'mel'"]),
        ("[mix]\nsame_sonk = 0.1", ["mix", "did you mean 'same_song'"]),
        ("[optimizer]\nname = 'sgd'", ["did you mean 'optimiser'"]),
        ("steps = 'many'", ["'steps'", "'many'", "whole number"]),
        ("steps = 1.5", ["'steps'", "1.5", "whole number"]),
        ("steps = true", ["'steps'", "True", "whole number"]),
        ("learning_rate = '1'", ["'learning_rate'", "a number"]),
        ("optimiser = 'sdg'", ["did you mean 'sgd'"]),
        ("draw = 'all'", ["draw 'all'", "take one of mixes, songs"]),
        ("kind = 'windw'", ["did you mean 'window'"]),
        ("kind = 'bands'", ["kind 'bands' is unknown", "window, dual-path, unet, unet-stream"]),
        ("draw = 'songs'\n[task]\nsynthesis = 'short'", ["long synthesis only"]),
        ("task = 3", ["'task' is 3", "table"]),
        ("[task]\nshape = 3", ["'shape' is 3", "table"]),
        ("[task]\ndropout = [0.1]", ["'dropout'", "1 values", "give 3"]),
        ("[task]\ndropout = 0.1", ["'dropout'", "list"]),
        ("[task.shape]\nhidden = 3", ["missing", "channels"]),
        ("[task]\ntarget = 'loud'", ["target 'loud'"]),
        ("[task]\ntarget = 'regression'", ["'bce' does not fit magnitudes"]),
        ("[task]\nerror = 'hinge'", ["error 'hinge'"]),
        ("[task]\nlook_ahead = 25", ["look_ahead 25"]),
        ("[task]\nlook_ahead = -1", ["look_ahead -1"]),
        (
            "[task.shape]\nchannels = [1, 1, 1, 1]\nhidden = 4\noutputs = 99\nn_bins = 99",
            ["n_bins is 99", "give 513"],
        ),
        (
            "kind = 'unet-stream'\nframes = 1\n[task]\ncontext = 0\n[task.shape]\nmasks = 1",
            ["frames is 1 and context 0"],
        ),
        ("steps = 0", ["steps is 0", "at least 1"]),
        ("decay = 1.5", ["decay is 1.5"]),
        ("learning_rate = -1.0", ["learning_rate is -1.0"]),
        ("steps = ", ["is not TOML"]),
        ("clip = nan", ["'clip' is nan", "a number"]),
        ("kind = 'unet'\nframes = 100", ["frames is 100", "a multiple of 64"]),
        (
            "kind = 'unet-stream'\nframes = 8\n[task]\ncontext = 96\nteacher = 'open'\n"
            "[task.shape]\nmasks = 1",
            ["frames is 8 and context 96", "a multiple of 64 together"],
        ),
        ("learning_rate = inf", ["'learning_rate' is inf"]),
        ("hours = nan", ["'hours' is nan"]),
        ("[mix]\nlevel_db = [nan, 1.0]", ["'level_db' is nan"]),
        ("[mix]\nbalance_db = [5.0, -5.0]", ["balance_db (5.0, -5.0)"]),
        ("[mix]\ntune_semitones = 1e9", ["tune_semitones is 1000000000.0", "0 to 12"]),
        ("[task]\ninterior_steps = -1", ["interior_steps is -1"]),
        ("[task]\nweight_power = -5.0", ["weight_power is -5.0"]),
        ("[task.shape]\nchannels = [0, 1, 1, 1]\nhidden = 4\noutputs = 513", ["channels (0,"]),
        ("[task.shape]\nchannels = [1, 1, 1, 1]\nhidden = 0\noutputs = 513", ["hidden 0"]),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(tmp_path: Path, text: str, words: list[str]):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    message = str(caught.value)
    assert "\n" not in message and "mine.toml" in message
    for word in words:
        assert word in message


def test_an_unknown_name_has_a_suggestion():
    with pytest.raises(InputError, match="did you mean 'article-vad'"):
        read_recipe("article-vda")
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe("nowhere.toml")


def test_a_recipe_survives_json():
    task = WindowTask(features=Features(mel=True), dropout=(0.1, 0.2, 0.3))
    recipe = Recipe(task=task, mix=MixSettings(tune=0.1))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_difference_is_named():
    one = Recipe()
    assert difference(one, Recipe()) == ""
    other = replace(one, task=WindowTask(look_ahead=3))
    assert difference(one, other) == "task.look_ahead 12, now 3"


def test_numbers_without_meaning_are_refused():
    for name in ("clip", "learning_rate", "weight_decay", "seconds"):
        with pytest.raises(InputError, match=name):
            Recipe(**{name: float("nan")})
    with pytest.raises(InputError, match="n_frames 5"):
        WindowShape((1, 1, 1, 1), 1, 513, n_frames=5)


def song(n_frames: int, seed: int, artist: str = "") -> Entry:
    """Noise as a voice and noise as a backing, and random labels."""
    rng = np.random.default_rng(seed)
    n = (n_frames - 1) * GRID_22.hop
    voice, backing = rng.integers(-9000, 9000, (2, 2, n), np.int16)
    sounds = rng.random(n_frames) < 0.5
    name = artist or str(seed)
    return Entry(
        track=f"{name} {seed}",
        artist=name,
        top_hz=22050,
        vocals=voice,
        accompaniment=backing,
        activity=sounds,
    )


def test_every_stretch_comes_once_an_epoch_with_its_context():
    """Each of the songs' windows exactly once, equal to that cut from the whole song's spectra."""
    songs = [song(40, 1), song(33, 2)]
    stretches = Stretches(songs, frames=4, seed=3)
    assert len(stretches) == 10 + 8
    whole = []
    for s in songs:
        spectra = analyse(s.vocals.mean(axis=0, dtype=np.float32)[None] / 32767, GRID_22)[0]
        padded = np.pad(spectra, ((3, 3), (0, 0)))
        whole += [padded[i * 4 : i * 4 + 10] for i in range(len(s.activity) // 4)]
    found, activity = stretches.labelled(range(len(stretches)), 10)
    found = found[:, 0, 0].numpy()
    order = []
    for vocals, sounds in zip(found, activity, strict=True):
        assert vocals.shape == (10, 513) and sounds.shape == (10,)
        # inner frames only: a frame beyond the song's end still hears its last half window
        errors = [float(np.abs(vocals[4:6] - w[4:6]).max()) for w in whole]
        order.append(int(np.argmin(errors)))
        assert min(errors) < 1e-5
    assert sorted(order) == list(range(len(stretches)))
    assert order != list(range(len(stretches)))
    n = len(stretches)
    later = stretches.labelled(range(n, n + 3), 10)[0][:, 0, 0].numpy()
    assert not np.array_equal(later, found[:3])
    again = Stretches(songs, frames=4, seed=3)
    np.testing.assert_array_equal(again.labelled([20], 10)[0], stretches.labelled([20], 10)[0])


def test_labels_stand_where_their_frames_are():
    (entry,) = songs = [song(41, 5)]
    stretches = Stretches(songs, frames=1, seed=1)
    seen = stretches.labelled(range(41), 25)[1][:, 12].tolist()
    assert sum(seen) == entry.activity.sum()
    assert stretches._order[:41].tolist() != list(range(41))
    assert [bool(entry.activity[p]) for p in stretches._order] == seen


def test_a_fifth_is_held_out_by_artist():
    entries = [song(40, i, artist=f"artist {i % 10}") for i in range(30)]
    out = held_out(entries, 0.2)
    assert len(out) == 2
    assert held_out(entries[::-1], 0.2) == out
    with pytest.raises(InputError, match="one artist"):
        held_out([song(40, 1, artist="a"), song(40, 2, artist="a")], 0.2)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_step_of_naive_windows_and_of_the_shared_form_gives_the_same_weights(optimiser: str):
    """In double precision, so that only the form could make them differ."""
    task = WindowTask(shape=TINY, target="binary", error="mse", weight_power=0.0)
    batch = task.batch(Stretches([song(60, 1)], frames=6, seed=1), [0, 1], frames=6, step=0)
    weights = []
    for shared in (False, True):
        torch.manual_seed(1)
        network = task.build().double()
        features, target = batch.features.double(), batch.target.double()
        doubled = replace(batch, features=features, target=target, weight=batch.weight.double())
        kind = torch.optim.SGD if optimiser == "sgd" else torch.optim.AdamW
        steps = kind(network.parameters(), 1e-3)
        if shared:
            loss = task.loss(network, doubled, step=0)
        else:
            raw = torch.stack([network(windows_of(f)) for f in features])
            loss = task.error_of(raw, doubled)
        loss.backward()
        steps.step()
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    # AdamW's first step divides a gradient by its own size: rounding of tiny ones shows
    assert torch.abs(weights[0] - weights[1]).max() < (1e-12 if optimiser == "sgd" else 1e-6)


def test_a_regression_is_read_as_the_mask_that_makes_its_magnitudes():
    """A network that always answers the voice's features gives the mask |V| / |X|."""
    task = WindowTask(target="regression", error="mse", shape=TINY)
    rng = np.random.default_rng(1)
    mixture = (rng.normal(size=(1, 5, 513)) + 1j * rng.normal(size=(1, 5, 513))) / 100
    voice = np.abs(mixture) * 0.3

    class Knows(torch.nn.Module):
        shape = TINY

    known = torch.from_numpy(task.features.compressed(voice.astype(np.float32)))
    object.__setattr__(task, "_raw", lambda *_: known)
    mask = task.masks(Knows(), mixture.astype(np.complex64))
    np.testing.assert_allclose(mask, 0.3, atol=2e-4)
    with pytest.raises(InputError, match="no mask"):
        task.graph(task.build())


def test_an_activity_networks_graph_answers_with_its_first_output_alone():
    """The outputs that only taught the trunk are cut off; what is left is unchanged."""
    from isolde.models.graph import Graph

    task = WindowTask(shape=replace(TINY, outputs=514), target="activity")
    torch.manual_seed(1)
    network = task.build().eval()
    rng = np.random.default_rng(1)
    spectra = (rng.normal(size=(2, 30, 513)) / 100).astype(np.complex64)
    graph = Graph(task.graph(network))
    frames = task.features(np.pad(spectra, ((0, 0), (12, 12), (0, 0))))
    answers, _ = graph(frames, graph.state(1))
    np.testing.assert_allclose(answers[0, 24:, 0], task.activity(network, spectra), atol=1e-5)
