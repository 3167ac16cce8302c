"""A dual-path network in one safetensors file, its description in the metadata; it trains nothing.

    net        the fields of `DualPathShape`, as JSON
    synthesis  "long" or "short": that of the spectra that it learnt from
    others     whatever the writer adds: kind, hours heard, settings of the run

Weights may be float16. A network that was never taught presence lacks those weights.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor

from isolde.core.atomic import write_bytes
from isolde.core.config import build
from isolde.core.errors import InputError
from isolde.core.signal.spectrum import Grid
from isolde.networks.dual_path import DualPathNetwork, DualPathShape


@dataclass(frozen=True)
class NetworkFile:
    """A network and the metadata of its file.

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


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = path.read_bytes()  # safetensors itself opens no name that is not UTF-8
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return tensors, header.get("__metadata__", {})


def read_network(path: str | Path) -> NetworkFile:
    """Read the file of a network.

    Args:
        path: Path of a safetensors file.

    Raises:
        InputError: The file cannot be read, or holds another network.
    """
    try:
        tensors, about = read_tensors(Path(path))
        weights = {name: value.float() for name, value in tensors.items()}
        net, n_fft = json.loads(about["net"]), int(about.get("n_fft", 0))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: holds no network ({error}): give what a run wrote") from None
    network = DualPathNetwork(build(DualPathShape, net, where=str(path)))
    try:
        missing, unknown = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        last = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: the weights do not fit ({last})") from None
    lost = [name for name in missing if not name.startswith("presence.")]
    if lost or unknown:
        raise InputError(f"{path}: lacks the weights {lost} and has {unknown}, which nothing needs")
    if n_fft not in (0, network.shape.grid.n_fft):
        raise InputError(
            f"{path}: learnt from windows of {n_fft} samples, and its bands are for "
            f"{network.shape.grid.n_fft}"
        )
    return NetworkFile(network.eval(), not missing, about.get("synthesis", "long"), about)


def write_network(path: str | Path, file: NetworkFile) -> None:
    """Write a network, its weights as float16.

    Args:
        path: Path of the file, which is replaced whole or not at all.
        file: The network; `about` may add to the metadata.
    """
    from safetensors.torch import save

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
