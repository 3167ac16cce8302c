"""What a training of U-Nets begins with: the shipped networks, as small as a recipe's."""

import sys
from pathlib import Path

import pytest

import demo_song as songs
from isolde.audio import write

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training.checkpoint import Checkpoint  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from spleeter import start  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = "kind = 'unet'\n[task.shape]\nfeatures = [8, 8, 8, 8, 8, 8]\nmasks = {}\n"


@pytest.mark.parametrize("masks", [0, 4])
def test_a_start_fits_the_networks_of_its_recipe(masks: int, tmp_path: Path, monkeypatch):
    for stem, audio in songs.make_song(1, seconds=3.0, sample_rate=22050).items():
        write(tmp_path / "songs" / "song" / f"{stem}.wav", audio, 22050)
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.format(masks))
    monkeypatch.setattr(start, "EXCERPTS", 1)
    monkeypatch.setattr(start, "FRAMES", 64)
    options = ["--recipe", recipe, "--data", tmp_path / "songs", "--start", tmp_path / "start"]
    monkeypatch.setattr(sys, "argv", ["start.py", "open", *map(str, options)])
    if not masks:  # `open` has one network
        with pytest.raises(SystemExit, match="one network, the recipe two"):
            start.main()
        sys.argv[1] = "spleeter"
    start.main()
    network = read_recipe(recipe).task.build()
    network.load_state_dict(Checkpoint.load(tmp_path / "start").averaged)
    assert all(value.isfinite().all() for value in network.state_dict().values())
