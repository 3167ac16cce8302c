"""isolde isolates the voice, and every other stem, from stereo music."""

__version__ = "0.1.0"
