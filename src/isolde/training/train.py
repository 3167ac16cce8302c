"""What `isolde train` does, step by step, told to whoever watches; it holds no loop and no loss."""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch

from isolde.core.atomic import write_text
from isolde.core.errors import InputError, IsoldeError
from isolde.datasets.mixing.library import Entry
from isolde.training.distributed import Team, team
from isolde.training.loop import BEST, RECIPE, STATE, Run
from isolde.training.mixing.timeline import Timeline
from isolde.training.precision import precision_for
from isolde.training.recipe import Recipe
from isolde.training.recipes import difference, read_recipe
from isolde.training.sources import Songs, examples_of, open_songs
from isolde.training.tensorboard import Board

DIGEST = "songs.txt"
SONGS = "songs.json"
SMOOTH = 0.95
"""Share that the loss and the speed that are shown keep at each step."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        name: of the run's recipe; empty for a run alone.
        step: steps taken.
        done: share of the way to where it stops, 0 to 1.
        hours: of music heard.
        loss: smoothed.
        speed: seconds of music a second, smoothed.
        left: seconds.
    """

    name: str
    step: int
    done: float
    hours: float
    loss: float
    speed: float
    left: float


@dataclass(frozen=True)
class Options:
    """How to train, beyond the recipe.

    Attributes:
        cache: folder for decoded audio.
        validation: folder or manifest of songs to measure on; None: those held out.
        validate_every: steps from one measurement to the next.
        save_every: steps from one checkpoint to the next.
        steps: step to stop before; None: the recipe's end.
        threads: of PyTorch.
        device: "cpu" or "cuda".
        precision: of new runs: "float32", "bfloat16" or "auto", whichever is faster there.
    """

    cache: Path
    validation: Path | None = None
    validate_every: int = 400
    save_every: int = 50
    steps: int | None = None
    threads: int = 1
    device: str = "cpu"
    precision: str = "float32"


def train_songs(
    recipe: str | Path | Sequence[str | Path] | None,
    data: Sequence[Path],
    *,
    out: Path,
    options: Options,
    resume: bool = False,
    start: Path | None = None,
    say: Callable[[str], None] = print,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train networks, or go on training them.

    Several runs share the songs in a GPU's memory and are trained side by side there, on a CPU one
    after the other. Ctrl-C, or SIGTERM, ends the step, saves, and raises KeyboardInterrupt; a
    second one does not wait. Started by torchrun, the processes share each step's examples.

    Args:
        recipe: a name or a path; None: the run's own. Of several each is run in a folder of its
            own in `out`, named by the recipe.
        data: folders of songs, or one manifest; none for those that a run which goes on had.
        out: folder of the run.
        options: what is not the recipe's.
        resume: go on with the run in `out`, if there is one.
        start: a run's folder, or its checkpoint, whose weights a new run begins with; of several
            recipes a folder of runs, named as they are, may be given.
        say: takes a line now and then.
        progress: told after every step.

    Raises:
        InputError: when the songs, the recipe or the folder cannot be used.
        KeyboardInterrupt: when it was stopped.
    """
    runs = _runs(recipe, out)
    chosen = [_recipe(wanted, folder, resume) for wanted, _, folder in runs]
    if resume and not data:
        data, validation = _recall(out)
        options = replace(options, validation=options.validation or validation)
    for path in [*data, *([options.validation] if options.validation else [])]:
        if not path.exists():
            raise InputError(f"{path}: no such folder or manifest: give where the songs are")
    if not data:
        raise InputError("no songs: say with --data which folders or manifest to learn from")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device '{options.device}': PyTorch sees no such device: take cpu")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    with team(options.device) as us:
        device = f"cuda:{us.local}" if options.device == "cuda" else options.device
        tell = say if us.leads else _nothing
        begun = [out / SONGS, *(folder / RECIPE for _, _, folder in runs)]
        begun = [path for path in begun if us.leads and not path.exists()]
        if us.leads:  # before the songs are decoded, which may take long and be stopped
            _remember(out, data, options.validation)
            for (_, _, folder), one in zip(runs, chosen, strict=True):
                write_text(folder / RECIPE, json.dumps(one.to_dict(), indent=1) + "\n")
        courses = []
        try:
            shared = _Shared(data, options, us, torch.device(device), tell)
            for (_, name, folder), one in zip(runs, chosen, strict=True):
                begins = _checkpoint(start, name) if start else None
                courses.append(shared.course(name, folder, one, begins))
        except IsoldeError:  # no run has begun: nothing of it stays
            for path in begun:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
            raise
        with interruptions() as stopped:
            if device.startswith("cuda") and len(courses) > 1:
                _side_by_side(courses, options, tell, progress, stopped)
            else:
                for course in courses:
                    _drive(course, options, tell, progress, stopped)
            if stopped() and any(not _at_end(course.run, options) for course in courses):
                tell("stopped and saved: --resume goes on")
                raise KeyboardInterrupt


def _remember(out: Path, data: Sequence[Path], validation: Path | None) -> None:
    """Note where a run's songs are, for when it goes on."""
    told = {
        "data": [str(path.absolute()) for path in data],
        "validation": None if validation is None else str(validation.absolute()),
    }
    write_text(out / SONGS, json.dumps(told, indent=1) + "\n")


def _recall(out: Path) -> tuple[list[Path], Path | None]:
    """Find where the songs of a run are that goes on: data and validation; none if it is new."""
    if not (out / SONGS).is_file():
        return [], None
    told = json.loads((out / SONGS).read_text("utf-8"))
    validation = told["validation"]
    return [Path(path) for path in told["data"]], None if validation is None else Path(validation)


def _runs(
    recipe: str | Path | Sequence[str | Path] | None, out: Path
) -> list[tuple[str | Path | None, str, Path]]:
    """Recipe, name and folder of each run.

    Raises:
        InputError: when two would share a folder.
    """
    if recipe is None or isinstance(recipe, str | Path):
        return [(recipe, "", out)]
    if len(recipe) <= 1:
        return [(recipe[0] if recipe else None, "", out)]
    names = [Path(r).stem for r in recipe]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"recipe '{name}' is given twice: each needs a name of its own")
    return [(r, name, out / name) for r, name in zip(recipe, names, strict=True)]


@dataclass(frozen=True)
class _Course:
    """A run on its way.

    Attributes:
        name: of its recipe; empty for a run alone.
        run: the run.
        songs: that it learns from and is measured on.
    """

    name: str
    run: Run
    songs: Songs

    def said(self, line: str) -> str:
        """A line that begins with the run's name, if there are others."""
        return f"{self.name}: {line}" if self.name else line


class _Shared:
    """What the runs of a process have in common: songs, opened and laid in memory once."""

    def __init__(
        self,
        data: Sequence[Path],
        options: Options,
        us: Team,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        self._data, self._options, self._us = data, options, us
        self._device, self._say = device, say
        self._precision = ""
        self._songs: dict[object, Songs] = {}
        self._timelines: dict[object, Timeline] = {}

    def course(self, name: str, folder: Path, recipe: Recipe, start: Path | None) -> _Course:
        """A run of a recipe, ready to train."""
        key = (recipe.task.parts, recipe.labels, recipe.hold_out)
        if key not in self._songs:
            songs = self._songs[key] = _open(self._data, recipe, self._options, self._us)
            for problem in songs.problems:
                self._say(f"left out: {problem}")
            self._say(
                f"{len(songs.train)} songs to learn from, {len(songs.validation)} to measure on"
            )
        songs = self._songs[key]
        source: list[Entry] | Timeline = songs.train
        if recipe.draw == "mixes":
            if key not in self._timelines:
                stems = recipe.task.parts
                self._timelines[key] = Timeline(songs.train, stems=stems, device=self._device)
                self._say(f"{self._timelines[key].hours:.2f} h of music in memory")
            source = self._timelines[key]
        if not self._precision:
            self._precision = precision_for(self._device, self._options.precision)
        run = Run(
            folder,
            recipe,
            examples_of(recipe, source),
            device=str(self._device),
            precision=self._precision,
            team=self._us,
            start=start,
        )
        course = _Course(name, run, songs)
        if self._us.leads:
            _compare(folder, songs, self._say)
        if run.step:
            self._say(course.said(f"going on after step {run.step}, {run.hours:.2f} h heard"))
        elif run.begun:
            self._say(course.said(run.begun))
        return course


def _checkpoint(start: Path, name: str) -> Path:
    """The weights to begin with: a file, or the best, or else the last, of a run's folder."""
    folders = [start / name, start] if name else [start]
    places = [start, *(folder / file for folder in folders for file in (BEST, STATE))]
    found = [p for p in places if p.is_file()]
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
        if not begun and resume:
            raise InputError(f"{out}: holds no run to go on with: leave out --resume to begin one")
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


def _side_by_side(
    courses: Sequence[_Course],
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
    stopped: Callable[[], bool],
) -> None:
    """Train several runs on one GPU, each in a thread and a stream; one that fails ends none else.

    Raises:
        InputError: when some failed, with the reason of the first.
    """
    failures: list[tuple[_Course, Exception]] = []

    def one(course: _Course) -> None:
        try:
            stream = torch.cuda.Stream(course.run.device)  # type: ignore[no-untyped-call]
            with torch.cuda.stream(stream):
                _drive(course, options, say, progress, stopped)
        except Exception as error:
            say(course.said(f"failed: {error}"))
            failures.append((course, error))

    torch.cuda.synchronize()
    threads = [threading.Thread(target=one, args=(course,)) for course in courses]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.5)  # so that signals are heard
    if failures:
        course, error = failures[0]
        raise InputError(course.said(f"failed ({error}): go on with --resume")) from error


def _drive(
    course: _Course,
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
    stopped: Callable[[], bool],
) -> None:
    """Train from measurement to measurement."""
    run, songs = course.run, course.songs
    recipe = run.recipe
    board = Board(run.folder, step=run.step, writes=run.team.leads)
    first, shown, seconds, last = run.step, 0.0, 0.0, time.perf_counter()

    def left() -> float:
        """Steps to the end, of a recipe that ends after seconds by how many a step has taken."""
        share = max(run.done, 1e-9) if run.step else 1.0
        ends = run.step / share if run.step else float("inf")
        return min(ends, options.steps or float("inf")) - run.step

    def on_step(step: int, loss: float) -> None:
        nonlocal shown, last, seconds
        now = time.perf_counter()
        keep = min(SMOOTH, 1 - 1 / (step - first))
        shown = keep * shown + (1 - keep) * loss
        seconds = keep * seconds + (1 - keep) * (now - last)
        last = now
        board.scalars(step, loss=loss, rate=recipe.rate(step - 1, run.seconds))
        if progress and run.team.leads:
            remaining = max(0.0, left())
            share = step / max(1.0, step + remaining)
            speed = recipe.step_seconds / max(seconds, 1e-9)
            progress(
                Progress(course.name, step, share, run.hours, shown, speed, remaining * seconds)
            )

    while not _at_end(run, options) and not stopped():
        goal = (run.step // options.validate_every + 1) * options.validate_every
        if options.steps:
            goal = min(goal, options.steps)
        last = time.perf_counter()
        run.train(until=goal, save_every=options.save_every, on_step=on_step, stop=stopped)
        if run.step < goal and not run.ended:
            break
        if songs.validation:
            median, mean = run.measure(songs.validation)
            facts = f"step {run.step}, {run.hours:.2f} h heard"
            say(course.said(f"{facts}: {recipe.task.score}: median {median:.3f}, mean {mean:.3f}"))
            board.scalars(run.step, median=median, mean=mean)
            if board.writes:
                board.song(run.step, recipe.task, run.averaged(), songs.validation[0])
    board.close()
    skipped = f", {run.skipped} steps without finite gradients left out" if run.skipped else ""
    say(course.said(f"step {run.step}, {run.done:.0%} of the recipe, loss {shown:.4f}{skipped}"))


def _at_end(run: Run, options: Options) -> bool:
    """Whether a run is where it is to stop."""
    return run.ended or (options.steps is not None and run.step >= options.steps)


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
