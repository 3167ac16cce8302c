"""The regression guard: the shipped model on songs that the tests sing, against what it scored.

Data of nobody's is needed, so it runs everywhere. The songs are synthetic: the number says whether
something got worse between two commits, not how good the model is on music.
"""

import numpy as np
import pytest
import soundfile

from demo_song import make_song
from isolde.evaluation import run
from isolde.evaluation.candidates import baselines, oracles
from isolde.evaluation.candidates.candidate import Candidate
from isolde.models import catalogue

pytestmark = pytest.mark.slow

SEEDS = (101, 102, 103)
SECONDS = 6.0
RATE = 44_100
TOLERANCE_DB = 0.2  # what a change may cost before this fails

# Median vocals uSDR in dB of the defaults over SEEDS. A model that is better on real songs may
# replace it; then write its own number here, in the same commit, for the next change to be held to.
SCORED_DB = {catalogue.DEFAULT: 11.02, catalogue.LIVE: 8.86}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("guard")
    for seed in SEEDS:
        stems = make_song(seed, seconds=SECONDS, sample_rate=RATE)
        folder = root / "songs" / f"Synthetic - {seed}"
        folder.mkdir(parents=True)
        for name, audio in stems.items():
            soundfile.write(folder / f"{name}.wav", audio.T, RATE, subtype="FLOAT")
    done = run(
        root / "songs",
        models=[*SCORED_DB],
        candidates=[Candidate("mixture", baselines.mixture), oracles.oracles()[2]],
        output=root / "out",
        with_floors=False,
        with_oracles=False,
        with_costs=False,
    )
    assert done.n_failed == 0, done.summary
    return {
        name: [r.metrics["vocals_usdr"] for r in done.results if r.candidate == name]
        for name in dict.fromkeys(r.candidate for r in done.results)
    }


@pytest.mark.parametrize(("name", "scored"), SCORED_DB.items())
def test_a_default_model_lost_nothing(results, name: str, scored: float):
    median = float(np.median(results[name]))
    assert median >= scored - TOLERANCE_DB, (
        f"{name} has {median:.2f} dB on the synthetic songs and had {scored:.2f}: "
        "find what cost it, or write the new number down if the trade is meant"
    )


def test_the_default_model_stands_between_floor_and_ceiling_on_every_song(results):
    for ours, mixture, ceiling in zip(
        results[catalogue.DEFAULT],
        results["mixture"],
        results["oracle power ratio mask"],
        strict=True,
    ):
        assert max(mixture, 0.0) < ours < ceiling
