"""Spleeter 2 stems, converted to the form that isolde ships; run by hand, once."""
