"""Decoders of audio files, by libsndfile, FFmpeg, or own code; they know no time ranges."""
