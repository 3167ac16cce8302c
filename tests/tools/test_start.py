"""What a training of U-Nets begins with: the shipped networks, as small as a recipe's."""

import sys
from pathlib import Path

import pytest

import demo_song as songs
from isolde.audio import write

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training.checkpoint import Checkpoint  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from isolde.training.tasks.unet import unets_of  # noqa: E402
from spleeter import start  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = "kind = 'unet'\nframes = 64\n[task.shape]\nfeatures = [8, 8, 8, 8, 8, 8]\nmasks = {}\n"


def ask(folder: Path, monkeypatch, recipe: str) -> Path:
    """Arguments of the command, for a recipe and one short song; `open` is the model."""
    for stem, audio in songs.make_song(1, seconds=3.0, sample_rate=22050).items():
        write(folder / "songs" / "song" / f"{stem}.wav", audio, 22050)
    path = folder / "mine.toml"
    path.write_text(recipe)
    monkeypatch.setattr(start, "EXCERPTS", 1)
    monkeypatch.setattr(start, "FRAMES", 64)
    options = ["--recipe", path, "--data", folder / "songs", "--start", folder / "start"]
    monkeypatch.setattr(sys, "argv", ["start.py", "open", *map(str, options)])
    return path


@pytest.mark.parametrize("masks", [0, 4])
def test_a_start_fits_the_networks_of_its_recipe(masks: int, tmp_path: Path, monkeypatch):
    recipe = ask(tmp_path, monkeypatch, RECIPE.format(masks))
    if not masks:  # `open` has one network
        with pytest.raises(SystemExit, match="one network, the recipe two"):
            start.main()
        sys.argv[1] = "spleeter"
    start.main()
    network = read_recipe(recipe).task.build()
    network.load_state_dict(Checkpoint.load(tmp_path / "start").averaged)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_a_network_of_the_models_shape_begins_with_its_weights(tmp_path: Path, monkeypatch):
    """Residual blocks, which only the recipe's network has, change nothing at first."""
    held = unets_of("open").state_dict()
    features = [len(held[f"net.down.{i}.conv.bias"]) for i in range(6)]
    shape = f"features = {features}\nmasks = 1\nresidual = true"
    recipe = ask(tmp_path, monkeypatch, f"kind = 'unet'\nframes = 64\n[task.shape]\n{shape}")
    start.main()
    begun = Checkpoint.load(tmp_path / "start").averaged
    assert all(torch.equal(begun[name], value) for name, value in held.items())
    network = read_recipe(recipe).task.build()
    network.load_state_dict(begun)
    magnitudes = 0.02 * torch.rand(1, 2, 64, 1024)
    with torch.no_grad():
        torch.testing.assert_close(network(magnitudes), unets_of("open")(magnitudes))
