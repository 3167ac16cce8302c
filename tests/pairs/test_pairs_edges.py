"""Pairs at the edges: rates that ten does not divide, and names that are not UTF-8."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from isolde.pairs.build import _rests
from isolde.pairs.report import REPORT, PairReport, is_report_of, write_csv, write_json


@pytest.mark.parametrize("rate", [8000, 11_025, 5512])
def test_rests_are_told_at_any_rate_and_length(rate: int):
    """Half of the seconds are silent; 11,025 Hz has one tenth more than 240 s have."""
    sound = np.random.default_rng(0).normal(0, 0.1, (1, rate * 240)).astype(np.float32)
    sound[:, rate * 120 :] = 0
    assert _rests(sound, rate, np.ones(240, np.bool_)) == pytest.approx(0.5, abs=0.01)
    assert _rests(sound, rate, np.arange(240) < 120) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("name", ["caf\u00e9", os.fsdecode(b"caf\xe9")])
def test_a_report_of_any_name_can_be_written_and_known_again(tmp_path: Path, name: str):
    report = PairReport(name, f"{name}.wav", "partner.wav", "vocal", False, "no")
    write_json(report, tmp_path / REPORT)
    assert is_report_of(tmp_path / REPORT, name)
    assert json.loads((tmp_path / REPORT).read_text("utf-8"))["mix"] == f"{name}.wav"
    write_csv([report], tmp_path / "pairs.csv")
    with (tmp_path / "pairs.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["track"].startswith("caf")
