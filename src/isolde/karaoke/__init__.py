"""Words and melody of a song's voice, for karaoke and annotation; it recognises no words."""

from isolde.karaoke.formats import FORMATS
from isolde.karaoke.melody import Note, PitchTracker, find_notes
from isolde.karaoke.placement import place_lines
from isolde.karaoke.score import ScoreNote, make_score
from isolde.karaoke.singing import Singing, find_singing
from isolde.karaoke.song_folder import SongFolder, write_song_folder
from isolde.karaoke.words import WordLine, parse_words, read_words

__all__ = [
    "FORMATS",
    "Note",
    "PitchTracker",
    "ScoreNote",
    "Singing",
    "SongFolder",
    "WordLine",
    "find_notes",
    "find_singing",
    "make_score",
    "parse_words",
    "place_lines",
    "read_words",
    "write_song_folder",
]
