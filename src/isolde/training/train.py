"""`isolde train`, step by step; it holds no loop and no loss."""

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch

from isolde.core.atomic import write_bytes, write_text
from isolde.core.errors import InputError, IsoldeError
from isolde.training import distributed
from isolde.training.beginning import (
    SONGS,
    first_weights,
    list_runs,
    nothing_left,
    recall_songs,
    recipe_of,
    remember_songs,
)
from isolde.training.course import Courses, Options
from isolde.training.drive import Progress, at_end, drive_all
from isolde.training.loop import RECIPE
from isolde.training.precision import check_device, check_precision
from isolde.training.tasks.unet import UNetTask


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
    """Train networks, or resume their training.

    Several runs share the songs in a GPU's memory and are trained side by side there, on a CPU one
    after the other. Ctrl-C, or SIGTERM, ends the step, saves, and raises KeyboardInterrupt; a
    second one does not wait. Started by torchrun, the processes share each step's examples.

    Args:
        recipe: Name or path of a recipe; None: the run's own. Of several each is run in a folder
            of its own in `out`, named by the recipe.
        data: Folders of songs, or one manifest; none for those that a resumed run had.
        out: Folder of the run.
        options: Settings that are not the recipe's.
        resume: Whether the run in `out`, if there is one, is resumed; where nothing is left to do,
            that is said, and no song is opened.
        start: A run's folder, or its checkpoint, whose weights a new run begins with; of several
            recipes a folder of runs, named as they are, may be given.
        say: Function that is given lines for the user.
        progress: Function called after every step.

    Raises:
        InputError: The songs, the recipe or the folder cannot be used.
        KeyboardInterrupt: It was stopped.
    """
    runs = list_runs(recipe, out)
    chosen = [recipe_of(wanted, folder, resume=resume) for wanted, _, folder in runs]
    if resume:
        left = []
        for (wanted, name, folder), one in zip(runs, chosen, strict=True):
            if reason := nothing_left(one, folder, steps=options.steps):
                say(reason)
            else:
                left.append(((wanted, name, folder), one))
        if not left:
            return
        runs, chosen = [run for run, _ in left], [one for _, one in left]
        recalled, validation = recall_songs(out)
        data = data or recalled
        options = replace(options, validation=options.validation or validation)
    for path in [*data, *([options.validation] if options.validation else [])]:
        if not path.exists():
            raise InputError(f"{path}: no such folder or manifest: give where the songs are")
    if not data:
        raise InputError("no songs: say with --data which folders or manifest to learn from")
    check_device(options.device)
    check_precision(options.precision)
    with arithmetic(options.threads), distributed.team(options.device) as team:
        starts = [first_weights(start, name) if start else None for _, name, _ in runs]
        for one in chosen:
            team.part(one.segments)
            if isinstance(one.task, UNetTask):
                one.task.check_models()
        device = f"cuda:{team.local}" if options.device == "cuda" else options.device
        tell = say if team.leads else lambda _: None
        new = [path for path in (out, *(f for _, _, f in runs)) if team.leads and not path.exists()]
        noted = [out / SONGS, *(folder / RECIPE for _, _, folder in runs)] if team.leads else []
        before = {path: path.read_bytes() if path.is_file() else None for path in noted}
        if team.leads:  # before the songs are decoded, which may take long and be stopped
            remember_songs(out, data, options.validation)
            for (_, _, folder), one in zip(runs, chosen, strict=True):
                write_text(folder / RECIPE, json.dumps(one.to_dict(), indent=1) + "\n")
        courses = []
        try:
            shared = Courses(data, options, team=team, device=torch.device(device), say=tell)
            for (_, name, folder), one, begins in zip(runs, chosen, starts, strict=True):
                courses.append(shared.course(name, folder, one, begins))
        except IsoldeError:  # no run has begun: nothing of it stays, but for the decoded songs
            for path, data_before in before.items():
                if data_before is None:
                    path.unlink(missing_ok=True)
                else:
                    write_bytes(path, data_before)
            for folder in reversed(new):
                if folder != out:
                    shutil.rmtree(folder, ignore_errors=True)
            for folder in (options.cache, out):
                if out in new and out in (folder, *folder.parents):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            if out in new and out.exists():
                tell(f"{out}: no run has begun; the decoded songs in it stay for another try")
            raise
        with interruptions() as stopped:
            drive_all(courses, options, tell, progress, stopped)
            if stopped() and any(not at_end(course.run, options) for course in courses):
                tell("stopped and saved: --resume goes on")
                raise KeyboardInterrupt


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Set PyTorch to compute fast: flush denormals, multiply matrices in reduced precision.

    Args:
        threads: Number of threads, if there are as many cores.
    """
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    was_flushed = bool(torch.tensor(1e-40) * 1 == 0)  # there is no other way to ask
    torch.set_num_threads(min(threads, os.cpu_count() or 1))
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushed)
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Record the first Ctrl-C or SIGTERM; a second one has its usual effect.

    Yields:
        Function that tells whether there was one.
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
