"""Words on sung phrases: order, pauses, breaks, too many and too few."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isolde.activity import Activity, Segment
from isolde.core.errors import InputError
from isolde.karaoke import WordLine, parse_words, place_lines

VERSE = "one two three four\nfive six seven eight nine\nten eleven twelve\nthirteen fourteen"
FRAME = 0.0116


def heard(*spans, ghosts=()):
    """Activity of phrases that are surely sung, and of ghosts that are half as sure."""
    seconds = max((end for _, end in (*spans, *ghosts)), default=0.0) + 1
    times = np.arange(int(seconds / FRAME)) * FRAME
    probabilities = np.zeros(len(times), np.float32)
    for level, some in ((0.98, spans), (0.55, ghosts)):
        for start, end in some:
            probabilities[(times >= start) & (times < end)] = level
    segments = tuple(Segment(start, end, 1.0) for start, end in sorted((*spans, *ghosts)))
    return Activity(probabilities, FRAME, segments, seconds)


def times(text, *spans, ghosts=()):
    return [(c.start, c.end) for c in place_lines(parse_words(text), heard(*spans, ghosts=ghosts))]


SPANS = ((1.0, 3.0), (3.4, 5.5), (6.0, 8.2), (8.5, 10.0))


def test_as_many_lines_as_phrases_are_one_each():
    assert times(VERSE, *SPANS) == list(SPANS)


def test_fewer_lines_join_phrases_over_their_shortest_pauses():
    assert times("la la la\nla la la", (1, 2), (2.3, 3.3), (5, 6), (6.3, 7.3)) == [
        (1, 3.3), (5, 7.3)]  # fmt: skip


def test_more_lines_split_phrases_where_their_syllables_say():
    found = times("la la\nla la la la la la\nla la\n", (2.0, 12.0))
    assert [a for a, _ in found] == pytest.approx([2.0, 4.0, 10.0], abs=0.21)
    assert [b for _, b in found] == pytest.approx([4.0, 10.0, 12.0], abs=0.21)


def test_a_long_line_takes_the_long_phrase():
    assert times("la\nla la la la la la\nla", (0, 1), (1.5, 7), (7.5, 8.5)) == [
        (0, 1), (1.5, 7), (7.5, 8.5)]  # fmt: skip


def test_a_break_in_the_text_is_the_longer_pause():
    """The same four lines over five phrases: where the verse ends, the long pause is."""
    spans = ((0, 2), (2.5, 4.5), (5.0, 7.0), (10.0, 12.0), (12.5, 14.5))
    early = times("la la la la\n\nla la la la\nla la la la", *spans)
    late = times("la la la la\nla la la la\n\nla la la la", *spans)
    assert early[0][1] == 7.0 and early[1][0] == 10.0
    assert late[1][1] == 7.0 and late[2][0] == 10.0


line = st.integers(1, 12).map(lambda n: " ".join(["la"] * n))
texts = st.lists(st.tuples(line, st.booleans()), min_size=1, max_size=12)
spans = st.lists(st.tuples(st.floats(0.15, 6), st.floats(0.01, 9)), min_size=1, max_size=12)


@settings(max_examples=60)
@given(texts, spans)
def test_lines_keep_their_order_and_begin_and_end_where_somebody_sings(text, lengths):
    now, sung = 0.0, []
    for duration, pause in lengths:
        sung.append(Segment(now + pause, now + pause + duration, 1.0))
        now = sung[-1].end
    lines = [WordLine(words, after_break) for words, after_break in text]
    activity = heard(*((s.start, s.end) for s in sung))
    if sum(s.duration for s in sung) < 0.3 * len(lines):
        with pytest.raises(InputError, match="too many"):
            place_lines(lines, activity)
        return
    cues = place_lines(lines, activity)
    assert [cue.text for cue in cues] == [line.text for line in lines]
    assert all(cue.end > cue.start for cue in cues)
    assert all(a.end <= b.start for a, b in pairwise(cues))
    for cue in cues:  # a line begins in a phrase, not at its end, and ends in one
        assert any(s.start <= cue.start < s.end for s in sung)
        assert any(s.start < cue.end <= s.end + 1e-9 for s in sung)


def test_what_is_sung_without_words_has_none():
    """Seconds of a guitar that half sounds like a voice, before and between two verses."""
    verse = "la la la la la la\nla la la la la la\n"
    spans = ((10, 12), (12.4, 14.4), (30, 32), (32.4, 34.4))
    assert times(f"{verse}\n{verse}", *spans, ghosts=((5, 6), (20, 21), (22.5, 23.5))) == list(
        spans
    )


def test_words_for_nobody_are_refused():
    with pytest.raises(InputError, match="no singing was found"):
        place_lines(parse_words("la"), heard())


def test_a_song_that_begins_later_has_its_words_later():
    text = "la la la la\n\nla la la\nla la la la la la"
    spans = ((0.5, 2.75), (3.25, 5.0), (7.0, 10.5), (11.0, 12.0))
    by = 58 * FRAME
    found = times(text, *((start + by, end + by) for start, end in spans))
    assert np.array(found) - by == pytest.approx(np.array(times(text, *spans)), abs=2 * FRAME)


def test_no_words_need_no_singing():
    assert place_lines([], heard()) == ()
