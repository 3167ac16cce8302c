"""Turning clean blocks into the bytes of audio files; decides nothing and reads no sound."""
