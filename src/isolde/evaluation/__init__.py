"""Measure separators on songs with known stems and write one table; it separates nothing itself.

`metrics` scores arrays; `statistics` puts intervals around songs; `songs`, `candidates` and
`distortions` define what is measured; `scoring`, `runner` and `costs` measure; `tables` and
`exports` write; `command` and `robustness` are the jobs behind `isolde evaluate`. Pages are drawn
in `figures`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isolde.evaluation.command import Evaluation, run
    from isolde.evaluation.robustness import run_robustness

__all__ = ["Evaluation", "run", "run_robustness"]


def __getattr__(name: str) -> Any:
    """Import the jobs when they are asked for: a single metric needs none of them."""
    if name in __all__:
        from isolde.evaluation import command, robustness

        return getattr(robustness if name == "run_robustness" else command, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
