"""Measuring separators: songs with known stems in, one honest table out; separates nothing itself.

The parts: `metrics`, `fullness`, `bsseval`, `detection` score arrays; `statistics` puts intervals
around songs; `songs`, `candidates`, `baselines`, `oracles`, `peers` say what is measured;
`scoring` and `runner` measure; `tables` and `report` show.
"""
