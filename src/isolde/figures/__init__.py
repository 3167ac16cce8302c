"""Pictures of sound, masks and networks; they read what others computed and decide nothing."""

from isolde.figures.separation import draw_separation

__all__ = ["draw_separation"]
