"""Scores of arrays against their references; it reads no files."""
