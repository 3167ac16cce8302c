"""`isolde karaoke --ultrastar`: a folder that a reader of the format and a game's score take.

The reader below follows "The UltraStar File Format", version 1 (usdx.eu/format).
"""

import os
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.singer import MELODY, PHRASES, sung
from helpers.sounds import noise
from isolde.audio import Cover, SongTags, info, read, write
from isolde.core.errors import InputError
from isolde.karaoke.score import ScoreNote
from isolde.karaoke.ultrastar import SongFiles, to_ultrastar

FILES = SongFiles("a.wav", "a [VOC].wav", "a [INSTR].wav")


@dataclass
class Sung:
    """A note of the text: times in seconds, pitch in semitones from C4."""

    kind: str
    start: float
    end: float
    pitch: int
    text: str


@dataclass
class Text:
    """What the text says."""

    header: dict[str, str] = field(default_factory=dict)
    lines: list[list[Sung]] = field(default_factory=lambda: [[]])
    breaks: list[float] = field(default_factory=list)


def parse(text: str) -> Text:
    """Read a text by the grammar of the format, and refuse what it does not allow."""
    found = Text()
    *rows, end, rest = text.split("\n")
    assert (end, rest) == ("E", "") and "\r" not in text and not text.startswith("\ufeff")
    in_header = True
    for row in rows:
        if row.startswith("#"):
            assert in_header, "a header behind a note"
            key, value = re.fullmatch(r"#([A-Z]+\d?):(.+)", row).groups()
            found.header[key] = value
            continue
        in_header = False
        assert re.fullmatch(r"\d+", found.header["GAP"])
        gap, beat = float(found.header["GAP"]) / 1000, 60 / (4 * float(found.header["BPM"]))
        if row.startswith("-"):
            found.breaks.append(gap + beat * int(re.fullmatch(r"- (\d+)", row)[1]))
            found.lines.append([])
            continue
        kind, start, length, pitch, words = re.fullmatch(
            r"([:*FRG]) (\d+) ([1-9]\d*) (-?\d+) (.+)", row
        ).groups()
        begin = gap + beat * int(start)
        found.lines[-1].append(Sung(kind, begin, begin + beat * int(length), int(pitch), words))
    assert {"VERSION", "TITLE", "ARTIST", "MP3", "BPM"} <= set(found.header)
    assert all(found.lines), "a break follows a break"
    notes = [note for line in found.lines for note in line]
    assert all(b.start > a.start and b.start >= a.end - 1e-9 for a, b in pairwise(notes))
    for (a, b), there in zip(pairwise(found.lines), found.breaks, strict=True):
        assert a[-1].end - 1e-9 <= there < b[0].start
    return found


def notes_of(text: Text) -> list[Sung]:
    return [note for line in text.lines for note in line]


@pytest.fixture(scope="module")
def folder(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the song with words, made by the command line."""
    place = tmp_path_factory.mktemp("ultrastar")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        (place / "words.txt").write_text("Row the boat\nOn the sea\nHome at last\n", "utf-8")
        arguments = ["isolde", "karaoke", str(song), "--ultrastar", "--words", "words.txt", "-q"]
        patch.setattr("sys.argv", [*arguments, "-o", "games"])
        from isolde.cli import main

        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
    return place / "games" / "song"


@pytest.mark.slow
def test_the_folder_holds_the_song_its_stems_and_the_text(folder: Path, song: Path):
    names = ["song [INSTR].wav", "song [VOC].wav", "song.txt", "song.wav"]
    assert sorted(os.listdir(folder)) == names
    header = parse((folder / "song.txt").read_text("utf-8")).header
    assert header["TITLE"] == "Vowels" and header["ARTIST"] == "A. Man"
    assert header["MP3"] == header["AUDIO"] == "song.wav"
    assert (folder / "song.wav").read_bytes() == song.read_bytes()
    stems = [read(folder / header[key])[0] for key in ("VOCALS", "INSTRUMENTAL")]
    assert np.abs(sum(stems) - read(song)[0]).max() < 3 / 32768, "16 bits each"
    assert np.mean((stems[0] - sung(44_100)) ** 2) < 0.1 * np.mean(sung(44_100) ** 2)
    assert info(folder / header["VOCALS"]).tags["title"] == "Vowels"


def test_notes_and_words_are_the_melody(folder: Path):
    text = parse((folder / "song.txt").read_text("utf-8"))
    assert [len(line) for line in text.lines] == [len(phrase) for phrase in PHRASES]
    for note, (start, end, midi) in zip(notes_of(text), MELODY, strict=True):
        assert (note.kind, note.pitch) == (":", midi - 60)
        assert note.start == pytest.approx(start, abs=0.07)  # 50 ms, and half a beat
        assert note.end == pytest.approx(end, abs=0.07)
    words = ["".join(note.text for note in line) for line in text.lines]
    assert words == ["Row the boat", "On the sea", "Home at last"]


def test_the_singer_himself_wins_the_game(folder: Path):
    """Vocaluxe's pitches and UltraStar Deluxe's points, by somebody else's program."""
    game = pytest.importorskip("ultrastar_score", reason="needs ultrastar-score, of the extra dev")
    song = game.parse_ultrastar(folder / "song.txt")
    assert [len(line.notes) for line in song.lines] == [3, 3, 3]
    write(folder.parent / "voice.wav", sung(44_100), 44_100, overwrite=True)
    voice = game.score_song(song, folder.parent / "voice.wav", difficulty=game.Difficulty.MEDIUM)
    other = game.score_song(song, folder / "song [INSTR].wav", difficulty=game.Difficulty.MEDIUM)
    assert voice.total > 8000 and other.total < 5000  # of 10,000


def test_nothing_is_overwritten_unasked_and_nothing_half_written(
    folder: Path, song: Path, isolde: Shell
):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    code, out, err = isolde("karaoke", song, "--ultrastar", "-o", folder.parent)
    assert code != 0 and out == [] and "exists already" in err[0]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    write("quiet.wav", noise(2, 44_100, peak=1e-4), 44_100)
    code, out, err = isolde("karaoke", "quiet.wav", "--ultrastar", "-o", "new")
    assert code != 0 and err == [
        "isolde: quiet.wav: no singing was found: there are no notes to write"
    ]
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--words", "w.txt"], "--words goes with --ultrastar"),
        (["--ultrastar", "--words", "none.txt"], "none.txt: cannot be read"),
        (["--ultrastar", "--words", "w.txt", "SONG"], "the words of one song for 2 songs"),
        (["--ultrastar", "--format", "gif"], "gif"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], said: str, song: Path, isolde: Shell, tmp_path: Path
):
    (tmp_path / "w.txt").write_text("la\n")
    (tmp_path / "other.wav").write_bytes(song.read_bytes())
    more = ["other.wav" if word == "SONG" else word for word in arguments]
    code, out, err = isolde("karaoke", song, *more)
    assert code != 0 and out == [] and len(err) == 1 and said in err[0]
    assert sorted(os.listdir(tmp_path)) == ["other.wav", "w.txt"]


def test_a_cover_and_a_strange_name_go_along(isolde: Shell):
    picture = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
        "0000000d49484452000000010000000108000000003a7e9b55"
        "0000000a49444154789c63600000000200014898 8b1d0000000049454e44ae426082".replace(" ", "")
    )
    name = "  ein\nLied: 1 "
    tags = SongTags({"date": "1859-02-17", "genre": "Opera"}, Cover(picture))
    write(f"{name}.flac", sung(16_000), 16_000, tags=tags)
    code, _, err = isolde("karaoke", f"{name}.flac", "--ultrastar")
    assert code == 0, err
    text = parse(Path("ein Lied: 1", "ein Lied: 1.txt").read_text("utf-8"))
    assert text.header["TITLE"] == "ein Lied: 1" and text.header["ARTIST"] == "Unknown artist"
    assert (text.header["YEAR"], text.header["GENRE"]) == ("1859", "Opera")
    for key in ("MP3", "VOCALS", "INSTRUMENTAL", "COVER"):
        assert Path("ein Lied: 1", text.header[key]).is_file(), key
    assert Path("ein Lied: 1", text.header["COVER"]).read_bytes() == picture
    assert {note.text for note in notes_of(text)} == {"~"}


def test_lines_that_meet_leave_a_beat_for_the_break():
    score = [(ScoreNote(1.0, 2.0, 60, "la"),), (ScoreNote(2.0, 3.0, None, "lo"),)]
    text = parse(to_ultrastar(score, FILES, {}, track="a"))
    assert [(n.kind, n.start, n.end) for n in notes_of(text)] == [
        (":", 1.0, pytest.approx(1.96)), ("F", 2.0, 3.0)]  # fmt: skip


def test_notes_shorter_than_a_beat_and_overlaps_stay_in_order():
    notes = [ScoreNote(0.5 + 0.01 * k, 0.53 + 0.01 * k, 50, "") for k in range(8)]
    text = parse(to_ultrastar([notes], FILES, {"title": "#: x"}, track="a"))
    assert len(notes_of(text)) == 8 and text.header["TITLE"] == "#: x"


def test_no_note_is_no_song():
    with pytest.raises(InputError, match="no singing was found"):
        to_ultrastar([], FILES, {}, track="a")
