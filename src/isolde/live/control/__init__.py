"""Keys, commands and the terminal of a live session; it moves no sound."""
