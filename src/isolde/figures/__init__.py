"""Pictures of sound, masks and networks, drawn from what other rooms compute."""

from isolde.figures.gallery import FIGURES, Drawn, draw_song
from isolde.figures.overview import draw_activity
from isolde.figures.separation import draw_separation
from isolde.figures.spectrogram import Marks, draw_spectrogram, marks_of

__all__ = [
    "FIGURES",
    "Drawn",
    "Marks",
    "draw_activity",
    "draw_separation",
    "draw_song",
    "draw_spectrogram",
    "marks_of",
]
