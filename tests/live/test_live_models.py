"""Which models one can listen to live; the others are refused with the names of those."""

import pytest

from isolde.core.errors import InputError
from isolde.live.plan import LATEST, make_plan
from isolde.models.overview import overview
from isolde.separation.settings import SeparationSettings


def test_a_model_that_is_too_late_is_refused_with_those_that_are_not():
    with pytest.raises(InputError, match=r"'spleeter' answers 12\.0 s late") as caught:
        make_plan(SeparationSettings("spleeter"), sample_rate=44100, n_channels=2)
    said = str(caught.value)
    named = said.partition("take one of ")[2].split(", ")
    quick = {row.name for row in overview() if row.stems and row.latency <= LATEST}
    assert set(named) == quick >= {"vocals", "vocals-live"} and "\n" not in said


@pytest.mark.parametrize("rate", [44100, 48000])
def test_every_model_in_time_has_a_plan_of_its_latency(rate: int):
    for row in overview():
        if row.stems and row.latency <= LATEST:
            plan = make_plan(SeparationSettings(row.name), sample_rate=rate, n_channels=2)
            assert plan.lag / rate < row.latency + 0.12
