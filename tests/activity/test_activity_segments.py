"""Segments and their texts: what the rules promise, for any probabilities."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isolde.activity.files import format_of, targets_of
from isolde.activity.finding import Activity
from isolde.activity.formats import FORMATS, render
from isolde.activity.segments import Segment, Segmenter, SegmentRule, find_segments, frames_of
from isolde.core.atomic import write_text
from isolde.core.errors import InputError

FRAME = 256 / 22050
PLAIN = SegmentRule(0.5, 0.5, 0, 0, 0, 0)

values = st.lists(st.sampled_from([0.0, 0.3, 0.45, 0.6, 1.0]), max_size=200)
durations = st.sampled_from([0.0, 0.02, 0.1, 0.5])
rules = st.builds(
    SegmentRule,
    onset=st.sampled_from([0.5, 0.6]),
    offset=st.sampled_from([0.2, 0.4, 0.5]),
    min_duration_on=durations,
    min_duration_off=durations,
    pad_onset=durations,
    pad_offset=durations,
)


def array(probabilities):
    return np.array(probabilities, np.float32)


def test_known_pattern_to_half_a_frame():
    p = np.zeros(1000, np.float32)
    p[100:300], p[500:700] = 0.9, 0.8
    segments = find_segments(p, FRAME, rule=PLAIN)
    times = [t for s in segments for t in (s.start, s.end)]
    assert times == pytest.approx([(k - 0.5) * FRAME for k in (100, 300, 500, 700)])
    assert [s.probability for s in segments] == pytest.approx([0.9, 0.8], abs=1e-6)


def test_hysteresis_keeps_what_falls_but_not_below_offset():
    p = array([0, 0.45, 0.6, 0.45, 0.45, 0.3, 0.45, 0])
    (segment,) = find_segments(p, 1.0, rule=SegmentRule(0.5, 0.4, 0, 0, 0, 0))
    assert (segment.start, segment.end) == (1.5, 4.5)  # not begun by 0.45, not ended by it either


def test_short_pauses_are_bridged_and_short_segments_dropped():
    p = array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0])
    rule = SegmentRule(0.5, 0.5, 2.0, 1.5, 0, 0)
    segments = find_segments(p, 1.0, rule=rule)
    assert [(s.start, s.end) for s in segments] == [(0.0, 5.5)]
    assert segments[0].probability == pytest.approx(5 / 6)


def test_padding_stays_in_the_song():
    p = array([1, 1, 0, 0, 0, 1])
    rule = SegmentRule(0.5, 0.5, 0, 0, 0.25, 0.5)
    segments = find_segments(p, 1.0, seconds=5.2, rule=rule)
    assert [(s.start, s.end) for s in segments] == [(0.0, 2.0), (4.25, 5.2)]


@given(values, rules, st.lists(st.integers(0, 30), max_size=20))
@settings(max_examples=60)
def test_any_blocks_give_the_same_segments(probabilities, rule, sizes):
    p = array(probabilities)
    stage, given_out, at = Segmenter(FRAME, rule=rule), [], 0
    for size in sizes:
        given_out += stage.feed(p[at : at + size])
        at += size
    given_out += stage.feed(p[at:]) + stage.flush()
    assert tuple(given_out) == find_segments(p, FRAME, rule=rule)


@given(values, rules)
@settings(max_examples=60)
def test_segments_keep_the_rule(probabilities, rule):
    p = array(probabilities)
    segments = find_segments(p, FRAME, rule=rule)
    for a, b in pairwise(segments):
        assert b.start - a.end >= rule.min_duration_off - 1e-9
    end = max(0, len(p) - 1) * FRAME
    for s in segments:
        # the last segment is cut at the song's end before its length is judged
        assert 0 <= s.start < s.end <= end + rule.pad_offset + 1e-9
        assert s.duration >= rule.min_duration_on - 1e-9
    if not rule.min_duration_on:
        flags = frames_of(segments, len(p), FRAME)
        assert flags[:-1][p[:-1] >= rule.onset].all()  # nothing that is surely voice is lost
    if not rule.min_duration_off and not rule.pad_onset and not rule.pad_offset:
        assert not frames_of(segments, len(p), FRAME)[p < rule.offset].any()


def test_bad_rules_are_refused():
    for bad in ({"onset": 0.3}, {"onset": 1.1}, {"min_duration_on": -1}, {"pad_onset": np.inf}):
        with pytest.raises(InputError):
            SegmentRule(**bad)


# --- texts -------------------------------------------------------------------------------------

SONG = Activity(
    probabilities=array([0, 1, 0.5]),
    frame_seconds=FRAME,
    segments=(Segment(0.25, 1.5, 0.9), Segment(59.996, 3725.1234, 0.75)),
    seconds=4000.0,
)


def test_csv_and_json_read_back():
    rows = list(csv.DictReader(io.StringIO(render(SONG, "csv", track='A, "B"'))))
    assert [r["track"] for r in rows] == ['A, "B"'] * 2
    assert [float(r["start"]) for r in rows] == [0.25, 59.996]
    back = json.loads(render(SONG, "json", track="Å"))
    assert back["segments"][1] == {"start": 59.996, "end": 3725.123, "probability": 0.75}
    assert back["probabilities"] == [0, 1, 0.5] and back["track"] == "Å"


def test_labels_of_other_programs():
    assert render(SONG, "audacity", track="x").splitlines()[0] == "0.250000\t1.500000\tvoice 0.90"
    rttm = render(SONG, "rttm", track="a b").splitlines()[0].split()
    assert rttm == "SPEAKER a_b 1 0.250 1.250 <NA> <NA> voice <NA> <NA>".split()
    srt = render(SONG, "srt", track="x").split("\n\n")
    assert srt[0].splitlines()[1] == "00:00:00,250 --> 00:00:01,500"
    assert srt[1].splitlines()[1] == "00:00:59,996 --> 01:02:05,123"
    lrc = render(SONG, "lrc", track="x").splitlines()
    # 59.996 s rounds to a whole minute, never to 60 seconds
    assert lrc == ["[ti:x]", "[00:00.25]♪", "[00:01.50]", "[01:00.00]♪", "[62:05.12]"]


def test_no_segments_is_legal_everywhere():
    none = Activity(array([]), FRAME, (), 0.0)
    for format_ in FORMATS:
        assert "voice" not in render(none, format_, track="x")
    with pytest.raises(InputError, match="csv, json"):
        render(none, "xml", track="x")


@pytest.mark.parametrize(
    ("asked", "output", "format_"),
    [
        (None, None, "csv"),
        (None, "act.srt", "srt"),
        (None, "act.TXT", "audacity"),
        (None, "labels", "csv"),
        ("lrc", "labels", "lrc"),
        ("rttm", "a.rttm", "rttm"),
    ],
)
def test_the_ending_decides_the_format(asked, output, format_):
    assert format_of(asked, output and Path(output)) == format_


@pytest.mark.parametrize(("asked", "output"), [("csv", "act.srt"), (None, "act.doc"), ("x", None)])
def test_an_ending_of_another_format_is_refused(asked, output):
    with pytest.raises(InputError):
        format_of(asked, output and Path(output))


def test_targets_are_checked_before_any_work(tmp_path):
    assert targets_of(["a"], None, "csv") == [None]
    assert targets_of(["a", "b"], None, "json") == [None, None]
    assert targets_of(["a"], tmp_path / "x.csv", "csv") == [tmp_path / "x.csv"]
    assert targets_of(["a", "c/b"], tmp_path / "x", "lrc")[1] == tmp_path / "x" / "c" / "b.lrc"
    write_text(tmp_path / "t.csv", "old")
    for tracks, output, format_ in (
        (["a", "b"], None, "srt"),
        (["a", "b"], tmp_path / "x.csv", "csv"),
        (["a"], tmp_path / "t.csv", "csv"),
    ):
        with pytest.raises(InputError):
            targets_of(tracks, output, format_)
    assert (tmp_path / "t.csv").read_text() == "old"
