"""Takes the pictures of the studio in docs/guide: `python -m studio_pictures [FOLDER]`."""
