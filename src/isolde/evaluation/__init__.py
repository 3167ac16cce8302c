"""Measuring separators: songs with known stems in, one honest table out; separates nothing itself.

The parts: `metrics` score arrays; `statistics` puts intervals around songs; `songs`, `candidates`
and `distortions` say what is measured; `scoring`, `runner` and `costs` measure; `tables` and
`exports` tell; `command` is the job behind `isolde evaluate`. Pages are drawn in `figures`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isolde.evaluation.command import Evaluation, run, run_robustness

__all__ = ["Evaluation", "run", "run_robustness"]


def __getattr__(name: str) -> Any:
    """Import the command when it is asked for: a single metric needs none of it."""
    if name in __all__:
        from isolde.evaluation import command

        return getattr(command, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
