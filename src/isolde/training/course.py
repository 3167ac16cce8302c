"""Prepare runs and the songs that they share; it trains nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from isolde.core.atomic import write_text
from isolde.datasets.mixing.library import Entry
from isolde.training.distributed import Team
from isolde.training.loop import Run
from isolde.training.mixing.timeline import Timeline
from isolde.training.precision import precision_for
from isolde.training.recipe import Recipe
from isolde.training.sources import Songs, examples_of, open_songs

DIGEST = "songs.txt"


@dataclass(frozen=True)
class Options:
    """Settings of a training that are not the recipe's.

    Attributes:
        cache: Folder for decoded audio.
        validation: Folder or manifest of songs to measure on; None: those held out.
        validate_every: Steps from one measurement to the next.
        save_every: Steps from one checkpoint to the next.
        steps: Step to stop before; None: the recipe's end.
        threads: Number of threads of PyTorch.
        device: "cpu" or "cuda".
        precision: Precision of new runs: "float32", "bfloat16" or "auto", whichever is faster.
    """

    cache: Path
    validation: Path | None = None
    validate_every: int = 400
    save_every: int = 50
    steps: int | None = None
    threads: int = 1
    device: str = "cpu"
    precision: str = "float32"


@dataclass(frozen=True)
class Course:
    """A prepared run and its songs.

    Attributes:
        name: Name of its recipe; empty for a run alone.
        run: The run.
        songs: Songs that it learns from and is measured on.
    """

    name: str
    run: Run
    songs: Songs

    def line(self, text: str) -> str:
        """Put the run's name before a line, if there are several runs."""
        return f"{self.name}: {text}" if self.name else text


@dataclass
class Courses:
    """Prepares the runs of a process; songs are opened and copied to the device once.

    Attributes:
        data: Folders of songs, or one manifest.
        options: Settings that are not the recipes'.
        team: Processes that train together.
        device: Device on which songs are kept and mixed.
        say: Function that is given lines for the user.
    """

    data: Sequence[Path]
    options: Options
    team: Team
    device: torch.device
    say: Callable[[str], None]
    _precision: str = field(default="", init=False)
    _songs: dict[object, Songs] = field(default_factory=dict, init=False)
    _timelines: dict[object, Timeline] = field(default_factory=dict, init=False)

    def course(self, name: str, folder: Path, recipe: Recipe, start: Path | None) -> Course:
        """Prepare a run of a recipe.

        Args:
            name: Name of the run; empty for one alone.
            folder: Folder of the run.
            recipe: Its recipe.
            start: Checkpoint that a new run begins with; None for random weights.

        Raises:
            InputError: The songs, the folder or the checkpoint cannot be used.
        """
        key = (recipe.task.parts, recipe.labels, recipe.hold_out)
        if key not in self._songs:
            songs = self._songs[key] = _open(self.data, recipe, self.options, self.team)
            for problem in songs.problems:
                self.say(f"left out: {problem}")
            self.say(
                f"{len(songs.train)} songs to learn from, {len(songs.validation)} to measure on"
            )
        songs = self._songs[key]
        source: list[Entry] | Timeline = songs.train
        if recipe.draw == "mixes":
            if key not in self._timelines:
                stems = recipe.task.parts
                self._timelines[key] = Timeline(songs.train, stems=stems, device=self.device)
                self.say(f"{self._timelines[key].hours:.2f} h of music in memory")
            source = self._timelines[key]
        if not self._precision:
            chosen = precision_for(self.device, self.options.precision)
            # processes may have timed differently, but their gradients are averaged
            (share,) = self.team.mean(float(chosen == "bfloat16"), device=self.device)
            self._precision = chosen if share in (0.0, 1.0) else "float32"
        run = Run(
            folder,
            recipe,
            examples_of(recipe, source),
            device=str(self.device),
            precision=self._precision,
            team=self.team,
            start=start,
        )
        course = Course(name, run, songs)
        if self.team.leads:
            _compare(course, self.say)
        self._tell(course)
        return course

    def _tell(self, course: Course) -> None:
        """Tell the user where a run stands and where it ends."""
        run, steps, last = course.run, self.options.steps, course.run.recipe.last_step
        if steps and last and steps > last:
            self.say(course.line(f"--steps {steps} is more than the recipe has: it ends at {last}"))
        if run.step:
            goal = min([n for n in (steps, last) if n], default=None)
            to = f", to step {goal}" if goal else ""
            self.say(course.line(f"resuming after step {run.step}, {run.hours:.2f} h heard{to}"))
        elif run.begun:
            self.say(course.line(run.begun))


def _open(data: Sequence[Path], recipe: Recipe, options: Options, team: Team) -> Songs:
    """Open the songs; the first process decodes them before the others do."""
    for leading in (True, False):
        if team.leads is leading:
            songs = open_songs(data, recipe, cache=options.cache, validation=options.validation)
        team.wait()
    return songs


def _compare(course: Course, say: Callable[[str], None]) -> None:
    """Tell the user when a resumed run has other songs than before."""
    path, digest = course.run.folder / DIGEST, course.songs.digest
    if path.is_file() and path.read_text(encoding="utf-8").strip() != digest:
        say(course.line("note: these are not the songs that this run began with"))
    write_text(path, digest + "\n")
