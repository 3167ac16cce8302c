"""How a U-Net learns to answer for the newest frame."""

from dataclasses import replace

import pytest

from isolde.datasets.mixing.library import Entry

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.networks.unet import UNetShape  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from isolde.training.sources import examples_of  # noqa: E402
from isolde.training.tasks.unet import unets_of  # noqa: E402
from isolde.training.tasks.unet_stream import UNetStreamTask  # noqa: E402

TASK = UNetStreamTask(UNetShape((4, 8, 8), n_bins=128, masks=1), window=32, context=6)


def test_it_learns_from_the_last_frames_of_examples(entries: list[Entry]):
    recipe = Recipe(TASK, segments=2, frames=8, learning_rate=0.003, optimiser="adamw", steps=40)
    torch.manual_seed(0)
    network = TASK.build()
    batch = TASK.batch(examples_of(recipe, entries), range(2), frames=8, step=0)
    assert batch.spectra.shape[3] == TASK.context + 8
    optimiser = torch.optim.AdamW(network.parameters(), 0.003)
    losses = []
    for step in range(30):
        optimiser.zero_grad()
        loss = TASK.loss(network, batch, step=step)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.1
    # what comes before the frames that count is heard, and what they hold is not its business
    other = replace(batch, spectra=batch.spectra.clone())
    other.spectra[:, :, :, 0] *= 3
    with torch.no_grad():
        assert float(TASK.loss(network, other, step=0)) != pytest.approx(losses[-1], abs=1e-6)


def test_a_teacher_hears_whole_examples_and_is_asked_about_what_counts(entries: list[Entry]):
    task = replace(read_recipe("vocals-live").task, context=60)
    network = task.build()
    network.load_state_dict(unets_of("vocals").state_dict())
    batch = task.batch(examples_of(Recipe(task, frames=4), entries), range(1), frames=4, step=0)
    with torch.no_grad():
        alone = float(task.loss(network, batch, step=0))
        taught = float(replace(task, teacher="vocals", taught=1.0).loss(network, batch, step=0))
    assert taught < alone  # its own weights' answer is nearer than the stems


@pytest.mark.parametrize("name", ["vocals", "open"])
def test_the_live_models_begin_with_the_weights_of_those_for_songs(name: str):
    live = "vocals-live" if name == "vocals" else "open-live"
    task = read_recipe(live).task
    assert isinstance(task, UNetStreamTask)
    task.build().load_state_dict(unets_of(name).state_dict())  # the same names and shapes
    assert task.grid.latency / task.grid.sample_rate < 0.047
