"""Separate songs into files, one or many."""

from isolde.separation.batch import Shard, State, check_songs, parse_shard, separate_songs
from isolde.separation.files import separate_file, separate_stream
from isolde.separation.load import notices_of
from isolde.separation.remote import local_path
from isolde.separation.separated import Separated
from isolde.separation.settings import FileSettings, SeparationSettings
from isolde.separation.songs import STDIN, Song, check_batch, check_output, songs_in

__all__ = [
    "STDIN",
    "FileSettings",
    "Separated",
    "SeparationSettings",
    "Shard",
    "Song",
    "State",
    "check_batch",
    "check_output",
    "check_songs",
    "local_path",
    "notices_of",
    "parse_shard",
    "separate_file",
    "separate_songs",
    "separate_stream",
    "songs_in",
]
