"""Measuring separators: songs with known stems in, one honest table out; separates nothing itself.

The parts: `metrics`, `fullness`, `bsseval`, `detection` score arrays; `statistics` puts intervals
around songs; `songs`, `candidates`, `models`, `baselines`, `oracles`, `peers`, `distortions` say
what is measured; `scoring`, `runner`, `costs` measure; `tables`, `plots`, `report` show; `command`
is the job behind `isolde evaluate`.
"""

from isolde.evaluation.command import Evaluation, run, run_robustness

__all__ = ["Evaluation", "run", "run_robustness"]
