"""Decoding audio front to back, by libsndfile, by FFmpeg, or by ourselves; knows no time ranges."""
