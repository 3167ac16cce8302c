"""Recognise the form of a network in a file by its inputs and outputs; it runs none.

The shapes of MDX-Net files have the number of bins and frames, but not the length of the transform.
Programs that use them look it up by the MD5 of the last 10,000 KiB of the file; so does this one.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from isolde.core.errors import ModelError
from isolde.models.graph import Session
from isolde.models.window.form import Window

TABLE = "mdx_net.csv"
_TAIL = 10_000 * 1024
_STEMS = ("vocals", "accompaniment", "instrumental", "drums", "bass", "other", "reverb")
_DEMUCS = ("drums", "bass", "other", "vocals")
_CONTRACT = "docs/design/onnx.md describes the forms"
UNKNOWN = "not in the file: ask where you have it from"
_META = "weights by Meta: personal and research use only"


@dataclass(frozen=True)
class Hints:
    """Facts about a file that it does not contain; None: not given.

    Attributes:
        stems: Names of the stems of the graph, in its order.
        n_fft: Window of the transform in samples.
        compensate: Factor of the estimate.
        overlap: Overlap of neighbouring windows, 0 to 0.5.
        denoise: Whether the mean of f(x) and -f(-x) is taken.
        licence: Licence of the weights.
    """

    stems: tuple[str, ...] | None = None
    n_fft: int | None = None
    compensate: float | None = None
    overlap: float | None = None
    denoise: bool = False
    licence: str | None = None

    def changes(self) -> dict[str, Any]:
        """Give the fields of a `Window` that these facts set."""
        said = {"outputs": self.stems, "n_fft": self.n_fft, "compensate": self.compensate}
        said |= {"overlap": self.overlap, "denoise": self.denoise or None}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Recognised:
    """Facts that were found about a file.

    Attributes:
        window: Form of the network.
        summary: One line.
        licence: Licence of the weights, as far as it is known.
        notice: Line that every user of the model is shown.
        limits: Known limits.
    """

    window: Window
    summary: str
    licence: str
    notice: str = ""
    limits: str = ""


def recognise(path: Path, hints: Hints | None = None) -> Recognised:
    """Recognise the form of a network in a file.

    Args:
        path: Path of an ONNX file.
        hints: Facts that the file does not contain.

    Raises:
        ModelError: The file is no graph, fits no form, or a number is missing.
        InputError: A hint has a value that cannot be used.
    """
    hints = hints or Hints()
    session = Session(path)
    inputs, outputs = list(session.inputs.values()), list(session.outputs.values())
    ranks = [len(shape) for shape in inputs], [len(shape) for shape in outputs]
    found = None
    if ranks == ([4], [4]) and inputs[0][1] == 4 and outputs[0][1] == 4:
        found = _spectra(path, inputs[0], hints)
    elif sorted(ranks[0]) == [3, 4] and sorted(ranks[1]) == [4, 5]:
        found = _hybrid(sorted(inputs, key=len), sorted(outputs, key=len), hints)
    elif ranks[0] == [4] and set(ranks[1]) == {4} and 2 in list(inputs[0])[:2]:
        found = _magnitudes(path, inputs[0], list(session.outputs), hints)
    elif ranks[0] == [3] and ranks[1][0] in (3, 4) and inputs[0][1] == 2:
        found = _waves(path, inputs[0], outputs[0], hints)
    if found is None:
        raise ModelError(
            f"{path}: the graph has no form that is known: inputs {described(session.inputs)}; "
            f"outputs {described(session.outputs)}; {_CONTRACT}"
        )
    return found


def roles(outputs: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Choose the stems among the outputs of a graph, and the name of the residual.

    Examples:
        >>> roles(("drums", "bass", "other", "vocals"))
        (('vocals', 'drums', 'bass'), 'other')
        >>> roles(("instrumental",))
        (('instrumental',), 'vocals')
    """
    rests = [name for name in ("accompaniment", "instrumental", "other") if name in outputs]
    if len(outputs) == 1:
        only = outputs[0]
        named = {"vocals": "accompaniment", "accompaniment": "vocals", "instrumental": "vocals"}
        return (only,), named.get(only, f"no_{only}")
    residual = rests[0] if rests else "rest"
    stems = [name for name in outputs if name != residual]
    return tuple(sorted(stems, key=lambda name: name != "vocals")), residual


def described(shapes: dict[str, Sequence[Any]]) -> str:
    """List names and shapes, for a message."""
    return ", ".join(
        f"{name} ({', '.join(str(size or '?') for size in shape)})"
        for name, shape in shapes.items()
    )


def fingerprint(path: Path) -> str:
    """Compute the MD5 of the last 10,000 KiB of a file, which identifies MDX-Net files."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


def _known(path: Path) -> dict[str, str] | None:
    """Find the row of an MDX-Net file in the table."""
    text = resources.files("isolde.models.window").joinpath(TABLE).read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    by_print = {row["md5_of_last_10240000_bytes"]: row for row in rows}
    return by_print.get(fingerprint(path))


def _named(path: Path, hints: Hints, *, n: int, outputs: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the stems of a graph by the hints, by its outputs, or by the name of its file."""
    names = hints.stems
    if names is None and outputs and set(outputs) <= set(_STEMS):
        names = tuple(outputs)
    if names is None and n == 1:
        said = [stem for stem in _STEMS if stem in path.stem.lower()]
        names = tuple(said[:1]) or None
    if names is None or len(names) != n:
        raise ModelError(
            f"{path}: the graph gives {n} and does not say what: name all with --stems, "
            "like --stems vocals,accompaniment"
        )
    return names


def _fixed(size: Any) -> int:
    """Give a size that must be fixed; 0 if it is free."""
    return size if isinstance(size, int) else 0


def _window(form: str, hints: Hints, **values: Any) -> Window:
    """Make a form with the values of the hints."""
    return Window(form=form, **{**values, **hints.changes()})


def _spectra(path: Path, shape: Sequence[Any], hints: Hints) -> Recognised | None:
    """Recognise an MDX-Net."""
    n_bins, size = _fixed(shape[2]), _fixed(shape[3])
    if not n_bins or not size:
        return None
    row = _known(path)
    if row is None and hints.n_fft is None:
        raise ModelError(
            f"{path}: an MDX-Net whose window stands nowhere, and which is not in the table of "
            "known ones: say it, isolde models add FILE --n-fft 6144 (or 7680, 5120, ...)"
        )
    stem = row["stem"] if row else ""
    stems = hints.stems or ((stem,) if stem else _named(path, hints, n=1))
    window = _window(
        "spectra",
        hints,
        outputs=stems,
        size=size,
        n_bins=n_bins,
        **({"n_fft": int(row["n_fft"]), "compensate": float(row["compensate"])} if row else {}),
    )
    lead = row is not None and row["karaoke"] == "1"
    return Recognised(
        window,
        f"MDX-Net for {'the lead voice' if lead else stems[0]}"
        + (f" ({row['name']})" if row and row["name"] else ""),
        hints.licence or UNKNOWN,
        limits=f"Silent above {window.band / 1000:.1f} kHz; what is there goes to the other stem."
        + (" Backing voices count as accompaniment." if lead else ""),
    )


def _hybrid(
    inputs: Sequence[Sequence[Any]], outputs: Sequence[Sequence[Any]], hints: Hints
) -> Recognised | None:
    """Recognise an HT-Demucs."""
    wave, spectra = inputs
    size, n_bins, n = _fixed(wave[2]), _fixed(spectra[2]), _fixed(outputs[0][1])
    if wave[1] != 2 or spectra[1] != 4 or not size or not n_bins:
        return None
    if hints.stems is None and n != len(_DEMUCS):
        return None
    window = _window(
        "hybrid",
        hints,
        outputs=hints.stems or _DEMUCS,
        size=size,
        n_bins=n_bins,
        **({} if hints.n_fft else {"n_fft": 2 * n_bins}),
    )
    return Recognised(
        window,
        "HT-Demucs: waves and spectra, " + ", ".join(window.outputs),
        hints.licence or _META,
        notice="" if hints.licence else _META,
        limits="A second of music takes half a CPU second.",
    )


def _magnitudes(
    path: Path, shape: Sequence[Any], outputs: Sequence[str], hints: Hints
) -> Recognised | None:
    """Recognise Spleeter and Open-Unmix."""
    batch_first = shape[1] == 2
    third, fourth = _fixed(shape[2]), _fixed(shape[3])
    bins_third = third > 2 and (third - 1) & (third - 2) == 0  # 2^k + 1: a whole half spectrum
    n_bins, size = (third, fourth) if bins_third else (fourth, third)
    if not n_bins:
        return None
    window = _window(
        "magnitudes",
        hints,
        outputs=_named(path, hints, n=len(outputs), outputs=outputs),
        size=size or 512,
        n_bins=n_bins,
        axes=("nc" if batch_first else "cn") + ("ft" if bins_third else "tf"),
        **({} if hints.n_fft else {"n_fft": 2 * (n_bins - 1) if n_bins % 2 else 4 * n_bins}),
    )
    return Recognised(
        window,
        "Magnitudes in and out, as Spleeter and Open-Unmix have them: " + ", ".join(window.outputs),
        hints.licence or UNKNOWN,
        limits=f"Hears up to {window.band / 1000:.1f} kHz; above, the top band's mask goes on.",
    )


def _waves(
    path: Path, wave: Sequence[Any], output: Sequence[Any], hints: Hints
) -> Recognised | None:
    """Recognise a network of samples."""
    size = _fixed(wave[2])
    n = _fixed(output[1]) if len(output) == 4 else _fixed(output[1]) // 2
    if not size or not n:
        return None
    window = _window("waves", hints, outputs=_named(path, hints, n=n), size=size)
    return Recognised(
        window,
        "Samples in and out: " + ", ".join(window.outputs),
        hints.licence or UNKNOWN,
    )
