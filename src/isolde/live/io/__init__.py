"""Devices, files and pipes of a live session; it separates nothing."""
