"""What `isolde train` does, step by step, told to whoever watches; it holds no loop and no loss."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from isolde.core.atomic import write_text
from isolde.core.errors import InputError
from isolde.training.distributed import Team, team
from isolde.training.loop import BEST, RECIPE, STATE, Run
from isolde.training.recipe import Recipe
from isolde.training.recipes import difference, read_recipe
from isolde.training.sources import Songs, examples_of, open_songs
from isolde.training.tensorboard import Board

DIGEST = "songs.txt"
SMOOTH = 0.95
"""Share that the loss and the speed that are shown keep at each step."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: steps taken.
        end: steps at which it stops.
        loss: smoothed.
        per_second: examples (answers) a second, smoothed.
        left: seconds.
    """

    step: int
    end: int
    loss: float
    per_second: float
    left: float


@dataclass(frozen=True)
class Options:
    """How to train, beyond the recipe: none of it changes the weights.

    Attributes:
        cache: folder for decoded audio.
        validation: folder or manifest of songs to measure on; None: those held out.
        validate_every: steps from one measurement to the next.
        save_every: steps from one checkpoint to the next.
        steps: step to stop before; None: the recipe's end.
        threads: of PyTorch.
        workers: processes that make examples ahead of the steps; 0: none.
        device: "cpu" or "cuda".
    """

    cache: Path
    validation: Path | None = None
    validate_every: int = 400
    save_every: int = 50
    steps: int | None = None
    threads: int = 1
    workers: int = 0
    device: str = "cpu"


def train_songs(
    recipe: str | Path | None,
    data: Sequence[Path],
    *,
    out: Path,
    options: Options,
    resume: bool = False,
    start: Path | None = None,
    say: Callable[[str], None] = print,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train a network, or go on training it.

    Ctrl-C, or SIGTERM, ends the step, saves, and raises KeyboardInterrupt; a second one does not
    wait. Started by torchrun, the processes share each step's examples.

    Args:
        recipe: a name or a path; None: the run's own.
        data: folders of songs, or one manifest.
        out: folder of the run.
        options: what does not change the weights.
        resume: go on with the run in `out`, if there is one.
        start: a run's folder, or its checkpoint, whose weights a new run begins with.
        say: takes a line now and then.
        progress: told after every step.

    Raises:
        InputError: when the songs, the recipe or the folder cannot be used.
        KeyboardInterrupt: when it was stopped.
    """
    chosen = _recipe(recipe, out, resume)
    for path in [*data, *([options.validation] if options.validation else [])]:
        if not path.exists():
            raise InputError(f"{path}: no such folder or manifest: give where the songs are")
    if not data:
        raise InputError("no songs: say with --data which folders or manifest to learn from")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device '{options.device}': PyTorch sees no such device: take cpu")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    with team(options.device) as us:
        tell = say if us.leads else _nothing
        songs = _open(data, chosen, options, us)
        for problem in songs.problems:
            tell(f"left out: {problem}")
        tell(f"{len(songs.train)} songs to learn from, {len(songs.validation)} to measure on")
        examples = examples_of(chosen, songs.train)
        device = f"cuda:{us.local}" if options.device == "cuda" else options.device
        run = Run(out, chosen, examples, device=device, team=us, start=start and _checkpoint(start))
        if us.leads:
            _compare(out, songs, tell)
        if run.step:
            tell(f"going on after step {run.step}")
        elif run.begun:
            tell(run.begun)
        _drive(run, songs, options, tell, progress)


def _checkpoint(start: Path) -> Path:
    """The weights to begin with: a file, or the best, or else the last, of a run's folder."""
    found = [p for p in (start, start / BEST, start / STATE) if p.is_file()]
    if not found:
        raise InputError(f"{start}: no checkpoint here: give a run's folder, or its {BEST}")
    return found[0]


def _nothing(_: str) -> None:
    """What all but the lead say."""


def _recipe(name: str | Path | None, out: Path, resume: bool) -> Recipe:
    """The recipe asked for, which a run that goes on must have begun with, or the run's own."""
    begun = (out / RECIPE).is_file()
    if begun and not resume and (out / STATE).is_file():
        raise InputError(f"{out}: holds a run: go on with --resume, or take another folder")
    if name is None:
        if not begun:
            raise InputError("no recipe: give a name, `vocals` for example, or a .toml file")
        return read_recipe(out / RECIPE)
    recipe = read_recipe(name)
    if begun and resume and (changed := difference(read_recipe(out / RECIPE), recipe)):
        raise InputError(
            f"{out}: was begun with another recipe ({changed}): leave the recipe out to go on"
        )
    return recipe


def _open(data: Sequence[Path], recipe: Recipe, options: Options, us: Team) -> Songs:
    """The songs; the lead decodes them first, so that no two processes decode the same."""
    for leading in (True, False):
        if us.leads is leading:
            songs = open_songs(data, recipe, cache=options.cache, validation=options.validation)
        us.wait()
    return songs


def _compare(out: Path, songs: Songs, say: Callable[[str], None]) -> None:
    """Say so when a run goes on with other songs than it began with."""
    path = out / DIGEST
    if path.is_file() and path.read_text(encoding="utf-8").strip() != songs.digest:
        say("note: these are not the songs that this run began with")
    write_text(path, songs.digest + "\n")


def _drive(
    run: Run,
    songs: Songs,
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
) -> None:
    """Train from measurement to measurement."""
    recipe = run.recipe
    end = min(recipe.steps, recipe.steps if options.steps is None else options.steps)
    board = Board(run.folder, step=run.step, writes=run.team.leads)
    answers = recipe.segments * recipe.frames
    first, shown, seconds, last = run.step, 0.0, 0.0, time.perf_counter()

    def on_step(step: int, loss: float) -> None:
        nonlocal shown, last, seconds
        now = time.perf_counter()
        keep = min(SMOOTH, 1 - 1 / (step - first))
        shown = keep * shown + (1 - keep) * loss
        seconds = keep * seconds + (1 - keep) * (now - last)
        last = now
        board.scalars(step, loss=loss, rate=recipe.rate(step - 1))
        if progress and run.team.leads:
            left = (end - step) * seconds
            progress(Progress(step, end, shown, answers / seconds, left))

    with interruptions() as stopped:
        while run.step < end:
            goal = min(end, (run.step // options.validate_every + 1) * options.validate_every)
            last = time.perf_counter()
            run.train(
                until=goal,
                save_every=options.save_every,
                workers=options.workers,
                on_step=on_step,
                stop=stopped,
            )
            if run.step < goal:
                break
            if songs.validation:
                median, mean = run.measure(songs.validation)
                say(f"step {run.step} {recipe.task.score}: median {median:.3f}, mean {mean:.3f}")
                board.scalars(run.step, median=median, mean=mean)
                if board.writes:
                    board.song(run.step, recipe.task, run.averaged(), songs.validation[0])
        board.close()
        if run.step < end:
            say(f"stopped and saved after step {run.step}: --resume goes on")
            raise KeyboardInterrupt
    say(f"step {run.step} of {recipe.steps} done, loss {shown:.4f}")


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl-C or SIGTERM is only noted; a second one does what it always did.

    Yields:
        whether there was one.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    kinds = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = [signal.signal(kind, note) for kind in kinds]
    try:
        yield asked.is_set
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
