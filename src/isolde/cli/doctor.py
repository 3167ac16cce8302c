"""`isolde doctor`: what is installed and works, found out by trying it; it changes nothing."""

import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import typer

from isolde import __version__
from isolde.cli.shared.help import examples
from isolde.core.errors import IsoldeError

if TYPE_CHECKING:
    from isolde.models.catalogue import Model

EXTRAS = {
    "torch": ("train", "training"),
    "tensorboard": ("tensorboard", "curves, sounds and pictures of a training"),
    "matplotlib": ("figures", "pictures"),
    "sounddevice": ("live", "live separation through sound devices"),
    "python-osc": ("osc", "control of live separation by Open Sound Control"),
    "starlette": ("studio", "the page of the studio"),
    "librosa": ("rules", "the rule-based separator"),
    "scipy": ("data", "training pairs"),
    "pyarrow": ("parquet", "manifests in Parquet"),
    "museval": ("evaluation", "BSSEval scores"),
    "distributed": ("dask", "separation on several machines"),
    "fsspec": ("remote", "songs and stems at URLs"),
}
RUNTIME = (
    "numpy",
    "soundfile",
    "av",
    "soxr",
    "onnxruntime",
    "typer",
    "rich",
    "mido",
    "swift-f0",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: What.
        state: "ok", "missing" (of something optional) or "broken".
        detail: One line.
    """

    name: str
    state: str
    detail: str


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("doctor", epilog=examples("isolde doctor"))(doctor)


def doctor() -> None:
    """Say what is installed and whether it works; exit code 2 when something needed does not."""
    broken = False
    for finding in examine():
        print(f"{finding.state:8} {finding.name:18} {finding.detail}")
        broken |= finding.state == "broken"
    if broken:
        raise typer.Exit(2)


def examine() -> Iterator[Finding]:
    """Look at everything, one finding at a time; "broken" ones keep isolde from working."""
    from isolde.models.catalogue import names
    from isolde.models.listing import read_models

    yield Finding("isolde", "ok", f"{__version__}, Python {platform.python_version()}")
    yield Finding("system", "ok", f"{platform.system()} {platform.machine()}")
    for package in RUNTIME:
        version = _version(package)
        yield Finding(package, "ok" if version else "broken", version or "is not installed")
    yield _formats()
    yield from _packages()
    found = read_models()
    for fault in found.faults:
        yield Finding("models", "broken", fault)
    for model in found.models:
        yield _model(model)
    if not names():
        yield Finding("models", "broken", "none installed: install isolde again")
    for package, (extra, purpose) in EXTRAS.items():
        version = _version(package)
        if version:
            yield Finding(package, "ok", f"{version}: {purpose}")
        else:
            yield Finding(package, "missing", f"{purpose}: pip install 'isolde[{extra}]'")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _formats() -> Finding:
    """Write and read back a tenth of a second in each format."""
    import tempfile
    from pathlib import Path

    import numpy as np

    from isolde.audio import read, write

    tone = 0.5 * np.sin(np.arange(4410) / 10)[None].astype(np.float32)
    good: list[str] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("wav", "flac", "ogg", "mp3", "opus", "m4a"):
            path = Path(folder) / f"tone.{suffix}"
            rate = 48000 if suffix == "opus" else 44100
            try:
                write(path, tone, rate)
                back, _ = read(path)
            except IsoldeError:
                bad.append(suffix)
                continue
            (good if float(np.abs(back).max()) > 0.3 else bad).append(suffix)
    if bad:
        return Finding("formats", "broken", f"{', '.join(bad)} cannot be written and read")
    return Finding("formats", "ok", ", ".join(good))


def _packages() -> Iterator[Finding]:
    """Write a tenth of a second in each format of another package, and name entries that fail."""
    import io

    import numpy as np

    from isolde.audio import write
    from isolde.audio.formats import format_faults, installed_formats

    tone = 0.5 * np.sin(np.arange(4410) / 10)[None].astype(np.float32)
    for name, kind in installed_formats().items():
        stream = io.BytesIO()
        try:
            write(stream, tone, kind.rate_for(44100), container=name)
        except IsoldeError as error:
            yield Finding(f"format {name}", "broken", str(error))
            continue
        module = getattr(kind.encoder, "__module__", "another package")
        if stream.getvalue():
            yield Finding(f"format {name}", "ok", f"{kind.suffix} by {module}")
        else:
            yield Finding(f"format {name}", "broken", f"{module} writes nothing: update it")
    for fault in format_faults():
        yield Finding("package", "broken", fault)


def _model(model: "Model") -> Finding:
    """Check a model's checksum and run two seconds through its graph."""
    import numpy as np

    from isolde.activity import GraphDetector
    from isolde.models.additions import check_model
    from isolde.models.masker import make_masker

    card, name = model.card, model.card.name
    try:
        if card.members:
            share = ", ".join(f"{m.weight:g} x {m.model}" for m in card.members)
            return Finding(f"model {name}", "ok", f"{card.licence}; the mean of {share}")
        if card.window and card.window.form != "magnitudes":
            check_model(model)
            return Finding(f"model {name}", "ok", f"{card.licence}; gives sound, no masks")
        stage = (
            make_masker(model, n_channels=2)
            if card.stems
            else GraphDetector(model.graph(), card, n_channels=2)
        )
        n_frames = round(2.0 / card.grid.frame_seconds)
        if card.window:
            n_frames = card.window.size  # a shorter one costs as much
        spectra = np.zeros((2, n_frames, card.grid.n_bins), np.complex64)
        began = time.process_time()
        answers = [stage.feed(spectra), stage.flush()]
        elapsed = max(time.process_time() - began, 1e-3)  # a coarse clock may show no time
    except (IsoldeError, ValueError) as error:
        return Finding(f"model {name}", "broken", str(error))
    n = sum(a.shape[2 if card.stems else 0] for a in answers)
    if n != n_frames or not all(np.isfinite(a).all() for a in answers):
        return Finding(f"model {name}", "broken", "its graph gives no answers: install it again")
    seconds = n_frames * card.grid.frame_seconds
    speed = f"network alone {seconds / elapsed:.0f} s of audio per CPU second"
    return Finding(f"model {name}", "ok", f"{card.licence}; {speed}")
