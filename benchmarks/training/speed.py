"""How fast a training step is and what it holds: `python speed.py [--data DATA... CACHE]`.

Examples (answers) per CPU-second of a whole step, forward, backward and optimiser: the article's
naive windows, the same with channels last, and the shared form; and how far the weights lie apart
after one step of each. With songs also the time that making the examples takes, and the greatest
memory of a training on them, every decoded sample touched (`--networks` with nothing behind it
measures that alone; `--recipe` says of which training).

Set MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 OMP_WAIT_POLICY=PASSIVE before it: the
memory allocator's defaults slow both forms.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from isolde.networks.article import MASK, VAD, WindowNetwork, WindowShape, windows_of
from isolde.networks.sliding import slide

SPAN = 24
Answers = Callable[[WindowNetwork, Tensor], Tensor]


def naive(network: WindowNetwork, features: Tensor) -> Tensor:
    """Each window on its own."""
    return torch.stack([network(windows_of(f)) for f in features])


def shared(network: WindowNetwork, features: Tensor) -> Tensor:
    """Each product once."""
    return slide(network, features)


def step(network: WindowNetwork, answers: Answers, features: Tensor, target: Tensor) -> float:
    """One step of SGD; its CPU-seconds."""
    optimiser = torch.optim.SGD(network.parameters(), 1e-2, momentum=0.9, nesterov=True)
    began = time.process_time()
    loss = torch.mean((torch.sigmoid(answers(network, features)) - target) ** 2)
    loss.backward()
    optimiser.step()
    return time.process_time() - began


def fresh(shape: WindowShape, *, channels_last: bool) -> WindowNetwork:
    """A network without dropout, always the same."""
    torch.manual_seed(1)
    network = WindowNetwork(shape, dropout=(0, 0, 0))
    return network.to(memory_format=torch.channels_last) if channels_last else network


def compare(name: str, shape: WindowShape, *, segments: int, frames: int, repeats: int) -> None:
    """Print a row for each form."""
    torch.manual_seed(2)
    features = torch.rand(segments, frames + SPAN, shape.n_bins) * 6
    target = torch.rand(segments, frames, shape.outputs).round()
    examples = segments * frames
    weights, base = [], 0.0
    forms = (("naive", naive, False), ("naive, channels last", naive, True))
    for form, answers, last in (*forms, ("shared", shared, False)):
        network = fresh(shape, channels_last=last)
        step(network, answers, features, target)  # also warms up
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        # the fastest: on a busy machine others' work only ever adds to a process's CPU time
        speed = examples / min(step(network, answers, features, target) for _ in range(repeats))
        base = max(base, speed) if form != "shared" else base
        times = f", {speed / base:.2f} times the faster naive one" if form == "shared" else ""
        print(f"| {name} | {form} | {speed:.0f} examples per CPU-second{times} |", flush=True)
    apart = (weights[0] - weights[-1]).abs().max() / weights[0].abs().max()
    print(f"{name}: weights after one step differ by {apart:.1e} of the greatest", flush=True)


def memory(data: list[Path], cache: Path, steps: int, name: str) -> None:
    """Train on songs, touch every sample, and print the greatest memory."""
    import tempfile

    from isolde.datasets.mixing.library import Library
    from isolde.training.loop import Run
    from isolde.training.recipes import read_recipe
    from isolde.training.sources import examples_of

    recipe = read_recipe(name)
    entries = Library(data, cache, stems=recipe.task.parts).entries
    examples = examples_of(recipe, entries)
    began = time.process_time()
    recipe.task.batch(examples, range(recipe.segments), frames=recipe.frames, step=3000)
    making = time.process_time() - began
    n = recipe.segments * recipe.frames
    print(f"making examples: {n / making:.0f} per CPU-second", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), recipe, examples)
        run.train(until=1)
        began = time.process_time()
        run.train(until=steps)
        training = (time.process_time() - began) / (steps - 1)
    print(f"{name}: {n / training:.0f} examples per CPU-second, made and learnt")
    seconds, parts = 0.0, 0
    for entry in entries:
        seconds += len(entry.activity) * 256 / 22050
        for part in (entry.vocals, entry.accompaniment):
            parts += 0 if part is None else int(part[:, ::64].any()) + 1
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{seconds / 3600:.2f} hours, {parts // 2} stems: at most {most:.2f} GB", flush=True)


def main() -> None:
    """Compare, and measure the memory if songs are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="*", help="folders of songs, the last the cache")
    parser.add_argument("--networks", nargs="*", default=["mask", "VAD"])
    parser.add_argument("--segments", type=int, default=2)
    parser.add_argument("--frames", type=int, default=128, help="answers of a segment")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of the training whose memory counts")
    parser.add_argument("--recipe", default="mask", help="of that training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    how = {"segments": args.segments, "frames": args.frames, "repeats": args.repeats}
    for name in args.networks:
        compare(name, {"mask": MASK, "VAD": VAD}[name], **how)
    if args.data:
        memory(args.data[:-1], args.data[-1], args.steps, args.recipe)


if __name__ == "__main__":
    main()
