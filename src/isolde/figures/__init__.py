"""Pictures of sound, masks and networks; they read what others computed and decide nothing."""

from isolde.figures.gallery import FIGURES, Drawn, draw_song
from isolde.figures.network import draw_network
from isolde.figures.overview import draw_activity
from isolde.figures.separation import draw_separation
from isolde.figures.spectrogram import Marks, draw_spectrogram, marks_of

__all__ = [
    "FIGURES",
    "Drawn",
    "Marks",
    "draw_activity",
    "draw_network",
    "draw_separation",
    "draw_song",
    "draw_spectrogram",
    "marks_of",
]
