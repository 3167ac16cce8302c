"""Songs to stem files, one or many; the sound is the separator's affair."""

from isolde.separation.batch import separate_songs
from isolde.separation.files import Separated, separate_file, separate_stream
from isolde.separation.load import notices_of
from isolde.separation.settings import FileSettings, SeparationSettings
from isolde.separation.songs import STDIN, Song, check_batch, check_output, songs_in

__all__ = [
    "STDIN",
    "FileSettings",
    "Separated",
    "SeparationSettings",
    "Song",
    "check_batch",
    "check_output",
    "notices_of",
    "separate_file",
    "separate_songs",
    "separate_stream",
    "songs_in",
]
