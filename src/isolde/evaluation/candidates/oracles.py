"""Ceilings: masks made from the true stems at a model's grid. No separator can look at them.

Each is analysed, masked and synthesised on the grid that a separator would use for that rate, so a
difference to an oracle is the network's and not the grid's. The accompaniment is the mixture minus
the vocals, as in the separator.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.masks import binary_mask, phase_sensitive_mask, ratio_mask
from isolde.core.signal.spectrum import GRID_22, Grid, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Float32
from isolde.core.stems import VOCALS
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.identity import code_digest
from isolde.evaluation.songs import Stems

OracleKind = Literal["binary", "ratio", "power ratio", "phase-sensitive"]
_MODULES = (
    "isolde.core.signal.spectrum",
    "isolde.core.signal.synthesis",
    "isolde.core.signal.masks",
    "isolde.evaluation.candidates.oracles",
)
KINDS: tuple[OracleKind, ...] = ("binary", "ratio", "power ratio", "phase-sensitive")


def oracle_mask(stem: Float32, mixture: Float32, *, kind: OracleKind, grid: Grid) -> Float32:
    """Return the ideal mask of a stem, one per channel.

    Args:
        stem: The truth V, (n_channels, n_samples).
        mixture: Mixture of it and all else, X = V + A.
        kind: "binary" (voice at least as strong), "ratio" |V| / (|V| + |A|), "power ratio"
            |V|^2 / (|V|^2 + |A|^2), "phase-sensitive" Re(V / X) within [0, 1].
        grid: Where frames and bins lie.

    Returns:
        (n_channels, n_frames, n_bins) in [0, 1].

    Raises:
        InputError: Another kind.
    """
    spectra = analyse(stem, grid)
    if kind == "phase-sensitive":
        return phase_sensitive_mask(spectra, analyse(mixture, grid))
    own: Float32 = np.abs(spectra)
    rest: Float32 = np.abs(analyse(mixture - stem, grid))
    if kind == "binary":
        return binary_mask(own, rest)
    if kind == "ratio":
        return ratio_mask(own, rest, power=1)
    if kind == "power ratio":
        return ratio_mask(own, rest, power=2)
    raise InputError(f"no oracle mask '{kind}': expected one of {', '.join(KINDS)}")


def apply_oracle(
    stems: Stems, *, kind: OracleKind, model_grid: Grid = GRID_22
) -> dict[str, Float32]:
    """Separate a song, and the parts of it that are known, by their ideal masks.

    Args:
        stems: The song.
        kind: See `oracle_mask`.
        model_grid: Grid of the model that this is the ceiling of.
    """
    grid, n_samples = model_grid.at(stems.sample_rate), stems.mixture.shape[1]
    mixture = analyse(stems.mixture, grid)
    # where a file's mixture is not the sum of the stems, the masks are those of the sum
    whole = stems.vocals + stems.accompaniment
    return {
        stem: synthesise(mixture * oracle_mask(x, whole, kind=kind, grid=grid), grid, n_samples)
        for stem, x in {VOCALS: stems.vocals, **stems.parts}.items()
    }


def oracles(grids: Iterable[Grid] = (GRID_22,)) -> list[Candidate]:
    """Return the four oracles of each grid as candidates.

    Args:
        grids: Grids of the models whose ceilings they are; a grid other than the article's is named
            after the mask.
    """
    return [
        Candidate(
            f"oracle {kind} mask" + ("" if grid == GRID_22 else f", {grid.n_fft}/{grid.hop}"),
            oracle=partial(apply_oracle, kind=kind, model_grid=grid),
            kind="oracle",
            identity=f"{grid} code {code_digest(*_MODULES)}",
        )
        for grid in dict.fromkeys(grids)
        for kind in KINDS
    ]
