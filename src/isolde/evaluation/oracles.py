"""Ceilings: masks made from the true stems at our own grid. No separator can look at them.

Each is analysed, masked and synthesised on the grid that a separator would use for that rate, so a
difference to an oracle is the network's and not the grid's. The accompaniment is the mixture minus
the vocals, as in the separator.
"""

from functools import partial
from typing import Literal

import numpy as np

from isolde.errors import InputError
from isolde.evaluation.candidates import Candidate
from isolde.evaluation.identity import code_digest
from isolde.evaluation.songs import Stems
from isolde.masks import binary_mask, phase_sensitive_mask, ratio_mask
from isolde.spectrum import Grid, analyse, grid_for, synthesise
from isolde.stages import Float32

OracleKind = Literal["binary", "ratio", "power ratio", "phase-sensitive"]
_MODULES = ("isolde.spectrum", "isolde.masks", "isolde.evaluation.oracles")
KINDS: tuple[OracleKind, ...] = ("binary", "ratio", "power ratio", "phase-sensitive")


def oracle_mask(stems: Stems, *, kind: OracleKind, grid: Grid) -> Float32:
    """The ideal mask of the vocals, one per channel.

    Args:
        stems: the truth.
        kind: "binary" (voice at least as strong), "ratio" |V| / (|V| + |A|), "power ratio"
            |V|^2 / (|V|^2 + |A|^2), "phase-sensitive" Re(V / X) within [0, 1].
        grid: where frames and bins lie.

    Returns:
        (n_channels, n_frames, n_bins) in [0, 1].

    Raises:
        InputError: another kind.
    """
    vocals = analyse(stems.vocals, grid)
    if kind == "phase-sensitive":
        return phase_sensitive_mask(vocals, analyse(stems.mixture, grid))
    voice: Float32 = np.abs(vocals)
    rest: Float32 = np.abs(analyse(stems.accompaniment, grid))
    if kind == "binary":
        return binary_mask(voice, rest)
    if kind == "ratio":
        return ratio_mask(voice, rest, power=1)
    if kind == "power ratio":
        return ratio_mask(voice, rest, power=2)
    raise InputError(f"no oracle mask '{kind}': expected one of {', '.join(KINDS)}")


def apply_oracle(stems: Stems, *, kind: OracleKind) -> dict[str, Float32]:
    """Separate a song by its own ideal mask; see `oracle_mask`."""
    grid = grid_for(stems.sample_rate)
    mask = oracle_mask(stems, kind=kind, grid=grid)
    spectra = analyse(stems.mixture, grid) * mask
    return {"vocals": synthesise(spectra, grid, stems.mixture.shape[1])}


def oracles() -> list[Candidate]:
    """The four oracles as candidates."""
    return [
        Candidate(
            f"oracle {kind} mask",
            oracle=partial(apply_oracle, kind=kind),
            kind="oracle",
            identity=f"code {code_digest(*_MODULES)}",
        )
        for kind in KINDS
    ]
