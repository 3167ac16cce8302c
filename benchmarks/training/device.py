"""Several runs on one GPU that is there for minutes.

    python device.py LANES.toml [NAME ...] --out OUT --seconds N

LANES.toml has a table for each run, by its name:

    [small]
    recipe = "vocals"              # name or path
    start = "small.safetensors"    # weights to begin with; left out: random ones
    data = ["packed"]              # folders of songs, as for `isolde train --data`
    segments = 16                  # and whatever else of the recipe this device wants otherwise
    learning_rate = 0.001

The schedules of all runs end after N seconds; started again, the runs go on. OUT/NAME is a run as
`isolde train` leaves it, and beside it, every half minute, OUT/NAME.safetensors has its averaged
weights in float16 and OUT/NAME.json its recipe, which is what is worth bringing home.
"""

import argparse
import json
import threading
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import torch

from isolde.core.errors import IsoldeError
from isolde.training.checkpoint import Checkpoint
from isolde.training.course import Course, Courses, Options
from isolde.training.distributed import Team
from isolde.training.drive import Progress, drive_all
from isolde.training.loop import STATE
from isolde.training.recipe import Recipe
from isolde.training.recipes import read_recipe
from isolde.training.train import arithmetic

PLACES = ("recipe", "start", "data")
EVERY_SECONDS = 30.0


def courses_of(lanes: dict, out: Path, options: Options, begun: float, seconds: float) -> list:
    """Prepare all runs; songs that several learn from are in memory once."""
    shared: dict[tuple[str, ...], Courses] = {}
    courses: list[Course] = []
    device = torch.device(options.device)
    for name, lane in lanes.items():
        rest = {key: value for key, value in lane.items() if key not in PLACES}
        values = read_recipe(lane["recipe"]).to_dict() | {"hours": 0.0, "seconds": seconds} | rest
        try:
            recipe = Recipe.from_dict(values, where=f"lane '{name}'")
        except IsoldeError as error:
            raise SystemExit(str(error)) from None
        data = tuple(lane["data"])
        if data not in shared:
            folders = [Path(folder) for folder in data]
            shared[data] = Courses(folders, options, team=Team(), device=device, say=say)
        start = Path(lane["start"]) if "start" in lane else None
        try:
            courses.append(shared[data].course(name, out / name, recipe, start))
        except IsoldeError as error:  # the others are trained all the same
            say(f"{name}: left out: {error}")
    left = seconds - (time.perf_counter() - begun)
    for course in courses:
        ends = course.run.seconds + max(1.0, left)
        course.run.recipe = replace(course.run.recipe, seconds=ends)
    say(f"{len(courses)} runs, {left:.0f} s left for each")
    return courses


def take_home(course: Course, out: Path) -> None:
    """Write a run's averaged weights in float16, and its recipe as far as it came."""
    path = course.run.folder / STATE
    if not path.is_file():
        return
    found = Checkpoint.load(path)
    short = {k: v.half() for k, v in found.average.items()}
    rest = {k: v for k, v in found.network.items() if k not in short}
    Checkpoint(rest, short, step=found.step, seconds=found.seconds).save(
        out / f"{course.name}.safetensors"
    )
    text = json.dumps(course.run.recipe.to_dict(), indent=1)
    (out / f"{course.name}.json").write_text(text + "\n", encoding="utf-8")


def say(line: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def train(lanes: dict, arguments: argparse.Namespace, options: Options, begun: float) -> None:
    """Prepare the runs, train them, and keep what is worth bringing home."""
    courses = courses_of(lanes, arguments.out, options, begun, arguments.seconds)
    shown = dict.fromkeys(lanes, time.perf_counter())

    def progress(at: Progress) -> None:
        if time.perf_counter() - shown[at.name] > EVERY_SECONDS / 2:
            shown[at.name] = time.perf_counter()
            speed = f"{at.speed:.0f} s of music a second"
            say(f"{at.name}: step {at.step}, {at.hours:.1f} h, loss {at.loss:.4f}, {speed}")

    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(EVERY_SECONDS):
            for course in courses:
                take_home(course, arguments.out)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        drive_all(courses, options, say, progress, ended.is_set)
    finally:
        ended.set()
        keeper.join()
        for course in courses:
            take_home(course, arguments.out)


def main() -> None:
    """Prepare, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lanes", type=Path)
    parser.add_argument("names", nargs="*", help="runs to train; none: all")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    arguments = parser.parse_args()
    begun = time.perf_counter()
    lanes = tomllib.loads(arguments.lanes.read_text(encoding="utf-8"))
    lanes = {name: lanes[name] for name in arguments.names or lanes}
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    options = Options(
        cache=arguments.cache,
        device=arguments.device,
        precision="auto" if arguments.device == "cuda" else "float32",
        validate_every=10**9,
        save_every=150 if arguments.device == "cuda" else 2,
        threads=2,
    )
    with arithmetic(options.threads):
        train(lanes, arguments, options, begun)


if __name__ == "__main__":
    main()
