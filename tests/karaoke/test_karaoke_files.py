"""`isolde activity` with words and melody: files that somebody else's readers read."""

import re
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.singer import MELODY, PHRASES, SECONDS
from isolde.activity import Activity, Cue, Segment
from isolde.karaoke import Note, ScoreNote, Singing, make_score
from isolde.karaoke.midi import to_midi
from isolde.karaoke.textgrid import to_textgrid

WORDS = 'Row the boat\nOn the "sea"\n\nHome at last\n'  # three syllables each
LINES = ["Row the boat", 'On the "sea"', "Home at last"]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text(WORDS, "utf-8")
    return tmp_path / "words.txt"


def assert_are_lines(cues: list[tuple[float, float, str]]) -> None:
    assert [text for _, _, text in cues] == LINES
    for (start, end, _), phrase in zip(cues, PHRASES, strict=True):
        assert start == pytest.approx(phrase[0][0], abs=0.1)
        assert end == pytest.approx(phrase[-1][1], abs=0.3)


@pytest.mark.slow
def test_subtitles_of_words(isolde: Shell, song: Path, words: Path):
    pysubs2 = pytest.importorskip("pysubs2", reason="needs pysubs2, of the extra dev")
    code, out, _ = isolde("activity", song, "--words", words, "-o", "song.srt")
    assert (code, out) == (0, ["song.srt"])
    events = pysubs2.load("song.srt").events
    assert_are_lines([(e.start / 1000, e.end / 1000, e.text) for e in events])


def test_lrc_of_words_is_usual_and_empties_the_line_in_pauses(
    isolde: Shell, song: Path, words: Path
):
    code, out, _ = isolde("activity", song, "--words", words)
    assert code == 0 and out[0] == "[ti:song]"
    rows = [re.fullmatch(r"\[(\d\d):(\d\d\.\d\d)\](.*)", row).groups() for row in out[1:]]
    times = [60 * int(m) + float(s) for m, s, _ in rows]
    assert times == sorted(times)
    assert [text for *_, text in rows][1::2] == ["", "", ""]
    assert_are_lines([(times[k], times[k + 1], rows[k][2]) for k in (0, 2, 4)])


def test_labels_of_words(isolde: Shell, song: Path, words: Path):
    assert isolde("activity", song, "--words", words, "-o", "labels.txt")[0] == 0
    rows = [row.split("\t") for row in Path("labels.txt").read_text("utf-8").splitlines()]
    assert_are_lines([(float(start), float(end), text) for start, end, text in rows])


def test_a_melody_as_midi(isolde: Shell, song: Path, words: Path):
    symusic = pytest.importorskip("symusic", reason="needs symusic, of the extra dev")
    code, out, _ = isolde("activity", song, "--words", words, "-o", "song.mid")
    assert (code, out) == (0, ["song.mid"])
    tracks = symusic.Score("song.mid", ttype="second").tracks
    assert {track.name for track in tracks} == {"song"}
    notes, sung = ([x for t in tracks for x in getattr(t, kind)] for kind in ("notes", "lyrics"))
    assert [note.pitch for note in notes] == [midi for *_, midi in MELODY]
    for note, (start, end, _) in zip(notes, MELODY, strict=True):
        assert note.time == pytest.approx(start, abs=0.05)
        assert note.time + note.duration == pytest.approx(end, abs=0.05)
    assert "".join(lyric.text for lyric in sung) == "".join(LINES)
    assert {lyric.time for lyric in sung} <= {note.time for note in notes} and len(sung) == 9
    code, _, err = isolde("activity", song, "-o", "song.mid")
    assert code != 0 and "exists already" in err[0]


def test_a_textgrid(isolde: Shell, song: Path, words: Path):
    praatio = pytest.importorskip("praatio.textgrid", reason="needs praatio, of the extra dev")
    code, out, _ = isolde("activity", song, "--words", words, "--format", "textgrid", "-o", "out")
    assert (code, out) == (0, ["out/song.TextGrid"])
    grid = praatio.openTextgrid(out[0], includeEmptyIntervals=True)
    assert grid.tierNames == ("voice", "words", "notes")
    assert grid.maxTimestamp == pytest.approx(SECONDS)
    for tier in grid.tiers:
        assert tier.entries[0].start == 0 and tier.entries[-1].end == pytest.approx(SECONDS)
        assert all(a.end == b.start for a, b in zip(tier.entries, tier.entries[1:], strict=False))
    sung = {name: [e for e in grid.getTier(name).entries if e.label] for name in grid.tierNames}
    assert [entry.label for entry in sung["voice"]] == ["voice"] * len(PHRASES)
    assert_are_lines([tuple(entry) for entry in sung["words"]])
    assert [entry.label for entry in sung["notes"]] == [
        "A3", "B3", "C4", "D4", "C4", "A3", "E4", "D4", "C4"]  # fmt: skip


def of(seconds: float, segments: list[Segment], **parts: object) -> Singing:
    return Singing(Activity(np.zeros(0, np.float32), 0.0116, tuple(segments), seconds), **parts)


def test_a_textgrid_of_a_song_without_a_voice_is_whole():
    text = to_textgrid(of(2.0, []))
    assert re.findall(r'xmax = (\S+)\n +text = ""', text) == ["2.000000"] * 2  # voice, notes


SPANS = [Segment(1, 2, 1.0), Segment(3, 4, 1.0)]
NOTES = (Note(1.0, 1.4, 60.2), Note(1.4, 1.9, 62.0), Note(3.0, 4.0, 64.0))


def texts(lines: list[str], notes: tuple[Note, ...] = NOTES) -> list[list[tuple[float, str]]]:
    cues = tuple(Cue(s.start, s.end, text) for s, text in zip(SPANS, lines, strict=True))
    score = make_score(of(5.0, SPANS, notes=notes, lines=cues))
    return [[(note.start, note.text) for note in line] for line in score]


def test_syllables_go_to_notes_and_go_on_over_the_rest():
    assert texts(["la", "la"]) == [[(1.0, "la"), (1.4, "")], [(3.0, "la")]]


def test_too_many_syllables_cut_the_longest_notes():
    first, second = texts(["oh la li", "ah"])
    assert first == [(1.0, "oh"), (1.4, " la"), (1.65, " li")] and second == [(3.0, "ah")]


def test_far_too_many_syllables_share_notes_and_none_is_lost():
    line = " ".join(["la"] * 40)
    first, _ = texts([line, "ah"])
    assert "".join(text for _, text in first) == line
    assert 2 < len(first) < 40


def test_a_line_without_notes_keeps_its_words():
    score = make_score(of(5.0, SPANS, notes=NOTES[:2], lines=(Cue(1, 2, "a"), Cue(3, 4, "b c"))))
    assert score[1] == (ScoreNote(3, 3.5, None, "b"), ScoreNote(3.5, 4, None, " c"))


def test_without_words_a_line_is_a_phrase():
    score = make_score(of(5.0, SPANS, notes=NOTES))
    assert [[note.semitone for note in line] for line in score] == [[60, 62], [64]]
    assert not any(note.text for line in score for note in line)


def test_a_name_in_any_script_is_in_the_midi_file():
    symusic = pytest.importorskip("symusic", reason="needs symusic, of the extra dev")
    data = to_midi([(ScoreNote(0, 1, 60, "ж"),)], "пісня \udcff")
    tracks = symusic.Score.from_midi(data).tracks
    assert {track.name for track in tracks} == {"пісня ?"}
    assert [lyric.text for track in tracks for lyric in track.lyrics] == ["ж"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--words", "none.txt"], "none.txt: cannot be read"),
        (["--words", "long.txt"], "lines of words for"),
        (["--words", "words.txt", "--format", "csv"], "has no place for words"),
        (["--words", "words.txt", "-o", "a.json"], "has no place for words"),
        (["--words", "words.txt", "-o", "a.mp3"], "end the name in one of"),
        (["--words", "words.txt", "SONG", "-o", "out"], "the words of one song for 2 songs"),
        (["--format", "textgrid", "--separator", "none"], "model 'none' is not known"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], said: str, isolde: Shell, song: Path, words: Path, tmp_path: Path
):
    (tmp_path / "long.txt").write_text("la\n" * 200)
    (tmp_path / "other.wav").write_bytes(song.read_bytes())
    given = {entry.name for entry in tmp_path.iterdir()}
    code, out, err = isolde(
        "activity", song, *("other.wav" if word == "SONG" else word for word in arguments)
    )
    assert code != 0 and out == [] and len(err) == 1
    assert err[0].startswith("isolde: ") and said in err[0]
    assert {entry.name for entry in tmp_path.iterdir()} == given
