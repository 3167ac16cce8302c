"""Train runs, measure them at intervals, and report progress; it holds no loss."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan

import torch

from isolde.core.errors import InputError, ModelError
from isolde.training.course import Course, Options
from isolde.training.loop import Run
from isolde.training.tensorboard import Board

SMOOTH = 0.95
"""Share that the loss and the speed that are shown keep at each step."""


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Attributes:
        name: Name of the run's recipe; empty for a run alone.
        step: Steps taken.
        done: Share of the way to where it stops, 0 to 1.
        hours: Hours of music heard.
        loss: Smoothed loss.
        speed: Smoothed speed in seconds of music per second.
        left: Estimated seconds to the end.
    """

    name: str
    step: int
    done: float
    hours: float
    loss: float
    speed: float
    left: float


def drive_all(
    courses: Sequence[Course],
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
    stopped: Callable[[], bool],
) -> None:
    """Train runs: on a GPU several side by side, each in a thread and a stream; else in order.

    Args:
        courses: Runs to train.
        options: Settings that are not the recipes'.
        say: Function that is given lines for the user.
        progress: Function called after every step.
        stopped: Function that tells whether the user asked to stop.

    Raises:
        InputError: Some of several runs failed, which does not end the others; the message has the
            reason of the first.
        ModelError: As `drive`, of a single run.
    """
    if len(courses) == 1:
        drive(courses[0], options, say, progress, stopped)
        return
    failures: list[tuple[Course, Exception]] = []

    def one(course: Course) -> None:
        try:
            drive(course, options, say, progress, stopped)
        except Exception as error:
            say(course.line(f"failed: {error}"))
            failures.append((course, error))

    def in_stream(course: Course) -> None:
        # the many small kernels of recurrent networks go before others' large ones
        first = -1 if course.run.recipe.task.goes_first else 0
        stream = torch.cuda.Stream(course.run.device, first)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            one(course)

    if courses and courses[0].run.device.type == "cuda":
        torch.cuda.synchronize()
        threads = [threading.Thread(target=in_stream, args=(course,)) for course in courses]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)  # so that signals are handled
    else:
        for course in courses:
            one(course)
    if failures:
        course, error = failures[0]
        raise InputError(course.line(f"failed ({error}): go on with --resume")) from error


def drive(
    course: Course,
    options: Options,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
    stopped: Callable[[], bool],
) -> None:
    """Train one run to its end or until it is stopped, and measure it at intervals.

    Args:
        course: Run to train.
        options: Settings that are not the recipe's.
        say: Function that is given lines for the user.
        progress: Function called after every step.
        stopped: Function that tells whether the user asked to stop.

    Raises:
        ModelError: No step that was taken had a loss that is a number.
    """
    run, songs = course.run, course.songs
    recipe = run.recipe
    board = Board(run.folder, step=run.step, writes=run.team.leads)
    first, shown, seconds, last = run.step, nan, 0.0, time.perf_counter()

    def left() -> float:
        """Steps to the end; of a recipe that ends after seconds, an estimate."""
        share = max(run.done, 1e-9) if run.step else 1.0
        ends = run.step / share if run.step else float("inf")
        return min(ends, options.steps or float("inf")) - run.step

    def on_step(step: int, loss: float) -> None:
        nonlocal shown, last, seconds
        now = time.perf_counter()
        keep = min(SMOOTH, 1 - 1 / (step - first))
        if isfinite(loss):
            shown = loss if isnan(shown) else keep * shown + (1 - keep) * loss
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

    def measure() -> None:
        median, mean = run.measure(songs.validation)
        facts = f"step {run.step}, {run.hours:.2f} h heard"
        say(course.line(f"{facts}: {recipe.task.score}: median {median:.3f}, mean {mean:.3f}"))
        board.scalars(run.step, median=median, mean=mean)
        if board.writes:
            board.song(run.step, recipe.task, run.averaged_network(), songs.validation[0])

    def agreed(answer: bool) -> bool:
        """Whether any process of the team says so."""
        return run.team.mean(float(answer), device=run.device) != (0.0,)

    due = run.step % options.validate_every == 0 and not run.log.measured
    if songs.validation and run.step and agreed(due):  # it was killed during the measurement
        measure()
    while not at_end(run, options) and not agreed(stopped()):
        goal = (run.step // options.validate_every + 1) * options.validate_every
        if options.steps:
            goal = min(goal, options.steps)
        last = time.perf_counter()
        run.train(until=goal, save_every=options.save_every, on_step=on_step, stop=stopped)
        if run.step < goal and not run.ended:
            break
        if songs.validation:
            measure()
    board.close()
    if run.step > first and isnan(shown):
        raise ModelError(
            course.line(
                f"no step up to {run.step} had a loss that is a number, and nothing was learnt: "
                "try a lower learning_rate"
            )
        )
    loss = f", loss {shown:.4f}" if run.step > first else ""
    skipped = f", {run.skipped} steps without finite gradients left out" if run.skipped else ""
    say(course.line(f"step {run.step}, {run.done:.0%} of the recipe{loss}{skipped}"))


def at_end(run: Run, options: Options) -> bool:
    """Tell whether a run has reached its end or the step to stop at."""
    return run.ended or (options.steps is not None and run.step >= options.steps)
