"""Dual-path band networks: what they hear, what they are asked to learn, and that they learn it."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import analyse

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.networks.dual_path import DualPathNetwork, DualPathShape  # noqa: E402
from isolde.training import precision  # noqa: E402
from isolde.training.loop import Run  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from isolde.training.sources import examples_of  # noqa: E402
from isolde.training.tasks.base import SpectraBatch  # noqa: E402
from isolde.training.tasks.dual_path import SETTLING, DualPathTask  # noqa: E402
from isolde.training.tasks.spectral import energy_of  # noqa: E402
from isolde.training.tasks.validation import sounds_of  # noqa: E402

SMALL = DualPathShape("fine", features=8, across=4, hidden=6, delays=(1, 1))
TASK = DualPathTask(SMALL, n_fft=1024)


def network_of(shape: DualPathShape) -> DualPathNetwork:
    torch.manual_seed(0)
    return DualPathNetwork(shape).eval()


def test_the_network_hears_what_a_separator_hears():
    audio = np.random.default_rng(1).normal(0, 0.1, (2, 4000)).astype(np.float32)
    spectra = analyse(audio, TASK.grid)
    heard = TASK.features_of(torch.from_numpy(spectra)[None])[0].numpy()
    np.testing.assert_allclose(heard, TASK.features(spectra)[0], atol=1e-5)


def test_the_energy_of_a_sounds_spectra_is_that_of_its_bins():
    audio = np.random.default_rng(1).normal(0, 0.1, (2, 40000)).astype(np.float32)
    for task in (TASK, DualPathTask(replace(SMALL, cut="middle"))):
        spectra = torch.from_numpy(analyse(audio, task.grid)[:, 4:-4])[None, None]
        ratio = energy_of(spectra, task.grid) / spectra.abs().square().sum()
        assert float(ratio) == pytest.approx(1, abs=0.08)  # the ends count half in one of them
    short = DualPathTask(SMALL, n_fft=1024, synthesis="short")
    assert torch.equal(energy_of(spectra, short.grid)[0, 0], spectra.abs().square().sum())


def test_the_network_of_the_recipe_is_small_and_58_ms_late():
    task = read_recipe("dual-path").task
    assert isinstance(task, DualPathTask)
    assert sum(p.numel() for p in task.build().parameters()) == 831_921
    delay = task.grid.latency + task.look_ahead * task.grid.hop
    assert 1000 * delay / task.grid.sample_rate == pytest.approx(58.05, abs=0.01)


@pytest.mark.parametrize("synthesis", ["long", "short"])
def test_validation_has_the_synthesis_of_the_task(entries, synthesis: str):
    task, seen = replace(TASK, synthesis=synthesis), []

    def halves(self, network, spectra):
        seen.append(spectra)
        return np.full(spectra.shape, 0.5, np.float32)

    twins = [replace(e, accompaniment=e.vocals) for e in entries]
    with mock.patch.object(DualPathTask, "masks", halves):
        median, _ = task.validate(network_of(SMALL), twins, step=0)
    assert median > 90  # half of two equal parts is one, through analysis and synthesis
    np.testing.assert_array_equal(seen[0], analyse(sounds_of(twins[0])[1], task.grid))


def test_the_loss_is_least_for_the_best_mask_and_tells_presence(entries):
    """Perfect masks reach the floor, the mixture as it is does not, and silence is no voice."""
    task = DualPathTask(SMALL, n_fft=1024, cross_entropy=0.0, presence=0.0)
    batch = task.batch(examples_of(Recipe(task), entries), range(3), frames=20, step=0)
    spectra = batch.spectra
    ideal = (spectra.sum(1).conj() * spectra[:, 0]).real / spectra.sum(1).abs().square().clamp_min(
        1e-12
    )

    class Said:
        def __init__(self, mask):
            self.raw = torch.logit(mask.clamp(1e-6, 1 - 1e-6)).transpose(1, 2)

        def __call__(self, frames):
            raw = self.raw[:, : frames.shape[1] - task.look_ahead]
            return raw, raw[..., 0, 0]

        def read(self, raw):
            return torch.sigmoid(raw)[:, :, None]

    best, all_of_it = (
        float(task.loss(Said(m), batch, step=0)) for m in (ideal, torch.ones_like(ideal))
    )
    assert best < -0.3 and best < all_of_it - 0.3
    silent = SpectraBatch(spectra * torch.tensor([0.0, 1.0])[:, None, None, None])
    assert task.present(silent.spectra[:, 0], silent.spectra.sum(1)).max() == 0
    assert task.present(spectra[:, 0], spectra.sum(1)).mean() > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("masks", [1, 4])
def test_a_batch_is_learnt_and_scored(entries, masks: int):
    task = DualPathTask(replace(SMALL, masks=masks), n_fft=1024)
    examples = examples_of(Recipe(task), entries)
    network = network_of(task.shape).train()
    task.prepare(network, examples)
    assert network.std.min() > 0 and network.mean.abs().max() > 0
    batch = task.batch(examples, range(2), frames=16, step=0)
    assert batch.spectra.shape == (2, 2 if masks == 1 else 4, 2, SETTLING + 16 + 2, 513)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = task.loss(network, batch, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    assert all(np.isfinite(task.validate(network.eval(), entries[:1], step=10)))


def test_without_presence_every_weight_that_learns_has_a_gradient(entries):
    """Several processes would wait for those of the others."""
    task = replace(TASK, presence=0.0)
    network = task.build()
    batch = task.batch(examples_of(Recipe(task), entries), range(1), frames=8, step=0)
    task.loss(network, batch, step=0).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == ["presence.weight", "presence.bias"]
    assert not network.presence.weight.requires_grad
    assert TASK.build().presence.weight.requires_grad


def test_a_run_in_sixteen_bits_resumes_to_the_same_bits(entries, tmp_path):
    if precision._seconds(torch.bfloat16) == float("inf"):
        pytest.skip("this processor has no recurrent networks in bfloat16")
    task = replace(TASK, shape=replace(SMALL, features=4, across=2, delays=(1,)))
    recipe = Recipe(task=task, segments=1, frames=4, steps=2, warm_up=1, seed=5)
    examples = examples_of(recipe, entries)
    Run(tmp_path / "whole", recipe, examples, precision="bfloat16").train()
    Run(tmp_path / "parts", recipe, examples, precision="bfloat16").train(until=1)
    Run(tmp_path / "parts", recipe, examples).train()
    from safetensors.torch import load_file

    a, b = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    for name in a.keys() - {"seconds"}:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize(
    "make",
    [
        lambda: DualPathShape(cut="coarse"),
        lambda: DualPathShape(delays=()),
        lambda: DualPathShape(masks=3),
        lambda: DualPathTask(SMALL),
        lambda: replace(TASK, presence=-1.0),
        lambda: replace(TASK, synthesis="brief"),
        lambda: Recipe(TASK, frames=1),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(InputError):
        make()
