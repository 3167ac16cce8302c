"""Runs that are killed, stopped and shared: the weights do not show it."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import demo_song as songs
from isolde.audio import write
from isolde.core.errors import InputError, ModelError

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training.checkpoint import Checkpoint  # noqa: E402
from isolde.training.course import Course, Options  # noqa: E402
from isolde.training.distributed import Team  # noqa: E402
from isolde.training.drive import Progress, drive  # noqa: E402
from isolde.training.export import read_run  # noqa: E402
from isolde.training.loop import BEST, STATE, Run  # noqa: E402
from isolde.training.loop import RECIPE as RECIPE_FILE  # noqa: E402
from isolde.training.recipes import read_recipe  # noqa: E402
from isolde.training.sources import examples_of, open_songs  # noqa: E402
from isolde.training.train import train_songs  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = """
segments = 2
frames = 4
steps = 100000
warm_up = 2
decay = 0.0
[task]
dropout = {dropout}
interior_steps = 3
[task.shape]
channels = [2, 2, 2, 2]
hidden = 4
outputs = 513
"""
SOURCE = str(Path(__file__).resolve().parents[2] / "src")
PATIENCE = 300.0  # seconds after which a child is taken to hang; no test asks for speed


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two synthetic songs, decoded once for all runs."""
    root = tmp_path_factory.mktemp("songs")
    for seed in (1, 2):
        for stem, audio in songs.make_song(seed, seconds=3.0, sample_rate=22050).items():
            write(root / "data" / f"Artist {seed} - Song" / f"{stem}.wav", audio, 22050)
    return root


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(dropout=[0.2, 0.2, 0.2]))
    return path


def command(recipe: Path, folder: Path, out: Path, *more: str) -> list[str]:
    where = ["--data", folder / "data", "--cache", folder / "cache", "--out", out]
    return ["-m", "isolde", "train", *map(str, [recipe, *where]), *more]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}


def rows(out: Path) -> list[dict[str, str]]:
    """The log's complete rows of steps."""
    path = out / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [r for r in csv.DictReader(file) if r.get("loss")]


def train(
    recipe: Path | None,
    folder: Path,
    out: Path,
    *,
    steps: int,
    resume: bool = False,
    start: Path | None = None,
    **more,
):
    options = Options(cache=folder / "cache", steps=steps, **more)
    where = {"out": out, "start": start}
    train_songs(recipe, [folder / "data"], **where, options=options, resume=resume, say=str)


def same(a: Path, b: Path) -> None:
    """Bit for bit: weights, averages, optimiser, step."""
    one, other = Checkpoint.load(a / STATE), Checkpoint.load(b / STATE)
    assert one.step == other.step
    for mine, yours in (
        (one.network, other.network),
        (one.average, other.average),
        *((one.optimiser[i], other.optimiser[i]) for i in one.optimiser),
    ):
        assert mine.keys() == yours.keys()
        for name in mine:
            assert torch.equal(mine[name], yours[name]), name


def test_a_run_goes_on_without_being_told_its_songs_again(
    folder: Path, recipe: Path, tmp_path: Path
):
    train(recipe, folder, tmp_path / "run", steps=2)
    options, lines = Options(cache=folder / "cache", steps=4), list[str]()
    train_songs(None, [], out=tmp_path / "run", options=options, resume=True, say=lines.append)
    assert [int(r["step"]) for r in rows(tmp_path / "run")] == [1, 2, 3, 4]
    assert "resuming after step 2, 0.00 h heard, to step 4" in lines
    with pytest.raises(InputError, match="empty: holds no run to go on with"):
        train_songs(None, [], out=tmp_path / "empty", options=options, resume=True, say=str)
    assert not (tmp_path / "empty").exists()


@pytest.mark.usefixtures("all_statistics")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_goes_on_to_the_same_bits(
    folder: Path, recipe: Path, tmp_path: Path, kind: signal.Signals
):
    """A child that trains without end is killed, or stopped by Ctrl-C, when it has taken steps."""
    out = tmp_path / "ended"
    arguments = command(recipe, folder, out, "--save-every", "3")
    child = subprocess.Popen(
        [sys.executable, *arguments], env=environment(), stderr=subprocess.PIPE, text=True
    )
    waited = time.monotonic() + PATIENCE
    while len(rows(out)) < 5 and child.poll() is None and time.monotonic() < waited:
        time.sleep(0.05)
    child.send_signal(kind)
    _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == (-kind if kind == signal.SIGKILL else 130), said
    reached = Checkpoint.load(out / STATE).step
    assert 3 <= reached < 100_000
    if kind == signal.SIGINT:
        assert "stopped and saved" in said
        assert reached == len(rows(out))
    train(None, folder, out, steps=reached + 4, resume=True)
    train(recipe, folder, tmp_path / "whole", steps=reached + 4)
    same(out, tmp_path / "whole")
    assert [int(r["step"]) for r in rows(out)] == list(range(1, reached + 5))
    losses = [[r["loss"] for r in rows(o)] for o in (out, tmp_path / "whole")]
    assert losses[0] == losses[1]


@pytest.mark.usefixtures("all_statistics")
def test_two_processes_learn_as_one_with_the_same_global_batch(folder: Path, tmp_path: Path):
    """DistributedDataParallel over gloo, as torchrun starts it, from another run's weights.

    The two differ by the order of float32 sums alone: a gradient is off by some 1e-7 of itself,
    which AdamW's division by its size makes 1e-4 of a step at the worst; losses stay within 1e-4.
    Dropout is off: each process draws its own.
    """
    recipe = folder / "still.toml"
    recipe.write_text(RECIPE.format(dropout=[0.0, 0.0, 0.0]))
    first = tmp_path / "first"
    train(recipe, folder, first, steps=1)
    train(recipe, folder, tmp_path / "one", steps=6, start=first)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    more = ["--steps", "6", "--start", str(first)]
    module, *rest = command(recipe, folder, tmp_path / "two", *more)
    child = subprocess.run(
        [sys.executable, *launcher, module, "--", *rest],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert child.returncode == 0, child.stderr
    one, two = ([float(r["loss"]) for r in rows(tmp_path / o)] for o in ("one", "two"))
    assert len(one) == 6
    assert two == pytest.approx(one, rel=1e-4)
    a, b = (Checkpoint.load(tmp_path / o / STATE).network for o in ("one", "two"))
    for name in a:
        assert torch.allclose(a[name], b[name], rtol=1e-3, atol=1e-4), name


def test_a_batch_that_cannot_be_dealt_is_refused():
    from isolde.training.distributed import Team

    assert [list(Team(rank, 2).part(6)) for rank in (0, 1)] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(InputError, match="5 segments cannot be dealt to 2"):
        Team(0, 2).part(5)


def test_the_best_is_kept_beside_the_last(folder: Path, recipe: Path, tmp_path: Path):
    """The best checkpoint has the highest median of the log, and its step."""
    out = tmp_path / "run"
    train(recipe, folder, out, steps=6, validation=folder / "data", validate_every=2)
    with (out / "log.csv").open(newline="") as file:
        medians = {int(r["step"]): float(r["median"]) for r in csv.DictReader(file) if r["median"]}
    assert sorted(medians) == [2, 4, 6]
    best = Checkpoint.load(out / BEST)
    assert best.best == pytest.approx(max(medians.values()), abs=1e-4)
    assert medians[best.step] == max(medians.values())
    assert Checkpoint.load(out / STATE).step == 6
    assert Checkpoint.load(out / STATE).best == best.best


def test_what_was_killed_as_it_was_measured_is_measured_when_it_goes_on(
    folder: Path, recipe: Path, tmp_path: Path
):
    out, how = tmp_path / "run", {"validation": folder / "data", "validate_every": 2}
    train(recipe, folder, out, steps=2, **how)
    lines = (out / "log.csv").read_text("utf-8").splitlines(keepends=True)
    (out / "log.csv").write_text("".join(lines[:-1]), "utf-8")
    for steps in (3, 4):
        train(None, folder, out, steps=steps, resume=True, **how)
    with (out / "log.csv").open(newline="") as file:
        measured = [int(r["step"]) for r in csv.DictReader(file) if r["median"]]
    assert measured == [2, 3, 4]


def test_a_process_stops_when_another_one_is_asked_to(folder: Path, recipe: Path, tmp_path: Path):
    """Else it would wait for that one for ever."""

    class Asked(Team):
        def mean(self, *values: float, device: object = "cpu") -> tuple[float, ...]:
            return tuple(0.5 for _ in values)

    known = read_recipe(recipe)
    songs = open_songs([folder / "data"], known, cache=folder / "cache")
    run = Run(tmp_path / "run", known, examples_of(known, songs.train), team=Asked())
    options = Options(cache=folder / "cache")
    drive(Course("", run, songs), options, print, None, lambda: False)
    assert run.step == 0


def test_a_run_begins_with_the_weights_of_another(folder: Path, recipe: Path, tmp_path: Path):
    """All that fits is taken over; what does not, stays random and is named."""
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    train(recipe, folder, first, steps=2)
    said: list[str] = []
    options = Options(cache=folder / "cache", steps=1)
    still = tmp_path / "still.toml"
    still.write_text(recipe.read_text().replace("warm_up = 2", "learning_rate = 1e-12"))
    train_songs(still, [folder / "data"], out=second, options=options, start=first, say=said.append)
    before, after = Checkpoint.load(first / STATE).averaged, Checkpoint.load(second / STATE).network
    for name, value in before.items():
        if value.is_floating_point():
            torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6)
    assert f"begun with {first / STATE}" in said
    wider = tmp_path / "wider.toml"
    wider.write_text(recipe.read_text().replace("hidden = 4", "hidden = 6"))
    train_songs(wider, [folder / "data"], out=third, options=options, start=first, say=said.append)
    assert any("but for" in line and "hidden.weight" in line for line in said)
    with pytest.raises(InputError, match="no checkpoint here"):
        train_songs(recipe, [folder / "data"], out=tmp_path / "x", options=options, start=folder)


def test_what_learnt_nothing_is_no_success_and_no_model(folder: Path, recipe: Path, tmp_path: Path):
    run = tmp_path / "run"
    train(recipe, folder, run, steps=1)
    (run / "log.csv").write_bytes((run / "log.csv").read_bytes() + b"\xff\xfe\n")
    train(recipe, folder, run, steps=2, resume=True)
    text = (run / RECIPE_FILE).read_text()
    (run / RECIPE_FILE).write_text(text.replace('"hidden": 4', '"hidden": 5'))
    with pytest.raises(InputError, match="is of another network"):
        read_run(run)
    for broken in ("{", "[]"):
        (run / RECIPE_FILE).write_text(broken)
        with pytest.raises(InputError, match=RECIPE_FILE):
            read_run(run)
    (run / RECIPE_FILE).write_text(text)
    found = Checkpoint.load(run / STATE)
    for values in found.average.values():
        values.fill_(float("nan"))
    found.save(run / STATE)
    with pytest.raises(ModelError, match="hold NaN or infinity: train anew"):
        read_run(run)
    with pytest.raises(ModelError, match="no step up to 3 had a loss that is a number"):
        train(recipe, folder, tmp_path / "again", steps=3, start=run)


def test_the_mean_of_two_runs_is_a_run(folder: Path, recipe: Path, tmp_path: Path):
    """benchmarks/training/average.py: for `--start` and `isolde export`; it overwrites nothing."""
    script = Path(SOURCE).parent / "benchmarks" / "training" / "average.py"
    runs = [tmp_path / name for name in ("one", "two")]
    for steps, run in enumerate(runs, 1):
        train(recipe, folder, run, steps=steps)
    arguments = [sys.executable, str(script), str(tmp_path / "mean"), *map(str, runs)]
    more = {"env": environment(), "capture_output": True, "text": True, "timeout": PATIENCE}
    assert subprocess.run(arguments, **more).returncode == 0
    one, two = (Checkpoint.load(run / STATE).averaged for run in runs)
    network, _, step = read_run(tmp_path / "mean")
    assert step == 1
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, (one[name] + two[name]) / 2), name
    again = subprocess.run(arguments, **more)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "is there already" in again.stderr


def test_tensorboard_gets_curves_sounds_and_pictures(folder: Path, recipe: Path, tmp_path: Path):
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    train(recipe, folder, out, steps=3, validation=folder / "data", validate_every=3)
    found = EventAccumulator(str(out / "tensorboard"))
    found.Reload()
    assert [e.step for e in found.Scalars("loss")] == [1, 2, 3]
    losses = [float(r["loss"]) for r in rows(out)]
    assert [e.value for e in found.Scalars("loss")] == pytest.approx(losses, abs=1e-5)
    assert {"sound/mixture", "sound/vocals", "sound/estimate"} == set(found.Tags()["audio"])
    pictures = found.Tags()["images"]
    assert "spectrogram/mask" in pictures and "spectrogram/estimate" in pictures
    image = found.Images("spectrogram/mask")[0]
    assert (image.height, image.step) == (513, 3)


def test_a_run_is_neither_overwritten_nor_mixed_up(folder: Path, recipe: Path, tmp_path: Path):
    out = tmp_path / "run"
    train(recipe, folder, out, steps=1)
    with pytest.raises(InputError, match="--resume"):
        train(recipe, folder, out, steps=2)
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text().replace("warm_up = 2", "warm_up = 3"))
    with pytest.raises(InputError, match=r"another recipe \(warm_up 2, now 3\)"):
        train(other, folder, out, steps=2, resume=True)
    with pytest.raises(InputError, match="holds no run"):
        train(None, folder, tmp_path / "empty", steps=1, resume=True)
    with pytest.raises(InputError, match="no such folder"):
        train(recipe, folder / "nowhere", tmp_path / "nothing", steps=1)
    (out / STATE).write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        train(None, folder, out, steps=2, resume=True)


def test_a_manifest_says_what_is_learnt_from(folder: Path):
    """Its column `split` decides; a folder has nothing to measure on unless the recipe asks."""
    from dataclasses import replace

    from isolde.datasets.manifest import Row, write_manifest
    from isolde.training.recipe import Recipe
    from isolde.training.sources import open_songs

    sides = {"Artist 1 - Song": "validation", "Artist 2 - Song": "train"}
    found = [
        Row(
            track=track,
            artist=track,
            split=side,
            stem=stem,
            path=folder / f"data/{track}/{stem}.wav",
        )
        for track, side in sides.items()
        for stem in ("vocals", "drums", "bass", "other")
    ]
    write_manifest(found, folder / "songs.csv")
    opened = open_songs([folder / "songs.csv"], Recipe(), cache=folder / "cache")
    assert [e.track for e in opened.train] == ["Artist 2 - Song"]
    assert [e.track for e in opened.validation] == ["Artist 1 - Song"]
    assert not opened.problems
    plain = open_songs([folder / "data"], Recipe(), cache=folder / "cache")
    assert (len(plain.train), plain.validation) == (2, [])
    held = open_songs([folder / "data"], replace(Recipe(), hold_out=0.2), cache=folder / "cache")
    assert (len(held.train), len(held.validation)) == (1, 1)
    assert held.digest != plain.digest
    with pytest.raises(InputError, match="one manifest alone"):
        open_songs([folder / "songs.csv", folder / "data"], Recipe(), cache=folder / "cache")


def test_progress_counts_and_ends(folder: Path, recipe: Path, tmp_path: Path):
    seen: list[Progress] = []
    options = Options(cache=folder / "cache", steps=3)
    where = [folder / "data"]
    train_songs(recipe, where, out=tmp_path / "run", options=options, say=str, progress=seen.append)
    assert [p.step for p in seen] == [1, 2, 3]
    assert all(p.speed > 0 and p.hours > 0 for p in seen)
    assert seen[-1].done == 1 > seen[0].done
    assert seen[-1].left == 0 < seen[0].left


def test_a_run_that_fails_does_not_end_the_others(
    folder: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text().replace("warm_up = 2", "seed = 3"))
    step, said = Run._one_step, list[str]()

    def fail(run: Run, batch: object) -> float:
        if run.recipe.seed == 1:
            raise RuntimeError("out of memory")
        return step(run, batch)

    monkeypatch.setattr(Run, "_one_step", fail)
    options = Options(cache=folder / "cache", steps=2)
    with pytest.raises(InputError, match=r"recipe: failed \(out of memory\): go on with --resume"):
        train_songs(
            [recipe, other], [folder / "data"], out=tmp_path, options=options, say=said.append
        )
    assert "recipe: failed: out of memory" in said
    assert Checkpoint.load(tmp_path / "other" / STATE).step == 2


def test_several_recipes_are_runs_of_their_own(folder: Path, recipe: Path, tmp_path: Path):
    """Each in its folder, with the weights it would have alone; --start finds each one's own."""
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text() + "n_bins = 513\n")
    options = Options(cache=folder / "cache", steps=3)
    data = [folder / "data"]
    said: list[str] = []
    train_songs([recipe, other], data, out=tmp_path / "runs", options=options, say=said.append)
    train(recipe, folder, tmp_path / "alone", steps=3)
    same(tmp_path / "runs" / recipe.stem, tmp_path / "alone")
    assert Checkpoint.load(tmp_path / "runs" / "other" / STATE).step == 3
    assert sum("songs to learn from" in line for line in said) == 1
    assert any(line.startswith("other: step 3") for line in said)
    train_songs(
        [recipe, other],
        data,
        out=tmp_path / "next",
        options=options,
        start=tmp_path / "runs",
        say=said.append,
    )
    assert f"other: begun with {tmp_path / 'runs' / 'other' / STATE}" in said
    with pytest.raises(InputError, match="given twice"):
        train_songs([recipe, recipe], data, out=tmp_path / "x", options=options)


def test_a_run_that_goes_on_knows_its_songs_and_recipe(
    folder: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also one that was stopped while its songs were being decoded, before any checkpoint."""
    out, options = tmp_path / "run", Options(cache=folder / "cache", steps=2)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("isolde.training.train.Courses", stopped)
        train_songs(recipe, [folder / "data"], out=out, options=options, say=str)
    assert not (out / STATE).exists()
    train_songs(None, [], out=out, options=options, resume=True, say=str)
    train(recipe, folder, tmp_path / "whole", steps=2)
    same(out, tmp_path / "whole")
    with pytest.raises(InputError, match="--data"):
        train_songs(recipe, [], out=tmp_path / "new", options=options, resume=True, say=str)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        train_songs(recipe, [tmp_path / "empty"], out=tmp_path / "new", options=options, say=str)
    assert not (tmp_path / "new").exists()
