"""Encoders of audio files; they decide nothing and read no sound."""
