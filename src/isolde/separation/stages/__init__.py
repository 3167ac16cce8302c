"""Blocks in, stems out: a separator and its stages; they know no files, and load no models."""
