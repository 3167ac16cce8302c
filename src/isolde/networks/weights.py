"""A dual-path network in one safetensors file, its description in the metadata; it trains nothing.

    net        the fields of `DualPathShape`, as JSON
    synthesis  "long" or "short": that of the spectra that it learnt from
    others     what the writer has to tell: kind, hours heard, settings of the run

Weights may be float16. A network that was never taught presence lacks those weights. The files of
the prototype, with names of its own, are read too.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from isolde.core.atomic import write_bytes
from isolde.core.config import build
from isolde.core.errors import InputError, MissingExtraError
from isolde.core.signal.spectrum import Grid
from isolde.networks.dual_path import DualPathNetwork, DualPathShape

FORGOTTEN = ("shared", "mixed", "norm")
"""Sizes of a variant that is gone, which old files still name."""

NAMES = {
    ".memory.": ".time.",
    ".norm.": ".time_norm.",
    ".across.": ".bands.",
    ".norm2.": ".bands_norm.",
}
"""Parts of a block, as the prototype calls them, and as we do."""


@dataclass(frozen=True)
class NetworkFile:
    """A network and what its file tells of it.

    Attributes:
        network: The network, ready to answer.
        presence: Whether it was taught to tell the presence of a voice.
        synthesis: Synthesis of the spectra that it learnt from.
        about: All of the file's metadata.
    """

    network: DualPathNetwork
    presence: bool = True
    synthesis: str = "long"
    about: dict[str, str] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """The network's grid, with its synthesis."""
        return self.network.shape.grid.at(0, synthesis=self.synthesis)


def read_network(path: str | Path) -> NetworkFile:
    """Read a network.

    Args:
        path: Path of a safetensors file.

    Raises:
        InputError: The file cannot be read, or holds another network.
        MissingExtraError: The package safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError("safetensors", extra="train", purpose="reading a network") from None
    try:
        with safe_open(str(path), "pt") as file:
            about = dict(file.metadata() or {})
            weights = {name: file.get_tensor(name).float() for name in file.keys()}
        net = json.loads(about["net"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: holds no network ({error}): give what a run wrote") from None
    sizes = {key: value for key, value in net.items() if key not in FORGOTTEN}
    if "widths" in sizes:
        sizes["cut"] = sizes.pop("widths")
        weights = {_renamed(name): value for name, value in weights.items()}
    network = DualPathNetwork(build(DualPathShape, sizes, where=str(path)))
    try:
        missing, unknown = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        last = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: the weights do not fit ({last})") from None
    lost = [name for name in missing if not name.startswith("presence.")]
    if lost or unknown:
        raise InputError(f"{path}: lacks the weights {lost} and has {unknown}, which nothing needs")
    grid_of_file = int(about.get("n_fft", network.shape.grid.n_fft))
    if grid_of_file != network.shape.grid.n_fft:
        raise InputError(
            f"{path}: learnt from windows of {grid_of_file} samples, and its bands are for "
            f"{network.shape.grid.n_fft}"
        )
    return NetworkFile(network.eval(), not missing, about.get("synthesis", "long"), about)


def _renamed(name: str) -> str:
    """Our name of a weight of the prototype."""
    if not name.startswith("blocks."):
        return name
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


def write_network(path: str | Path, file: NetworkFile) -> None:
    """Write a network, its weights as float16.

    Args:
        path: Path of the file, which is replaced whole or not at all.
        file: The network; `about` may add to the metadata.

    Raises:
        MissingExtraError: The package safetensors is not installed.
    """
    try:
        from safetensors.torch import save
    except ImportError:
        raise MissingExtraError("safetensors", extra="train", purpose="writing a network") from None
    shape = file.network.shape
    about = {
        **file.about,
        "net": json.dumps(asdict(shape)),
        "n_fft": str(shape.grid.n_fft),
        "synthesis": file.synthesis,
    }
    weights = {
        name: value.half().contiguous()
        for name, value in file.network.state_dict().items()
        if file.presence or not name.startswith("presence.")
    }
    write_bytes(Path(path), save(weights, metadata=about))
