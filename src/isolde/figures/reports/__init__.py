"""HTML pages with pictures and sound in them, from templates beside this; nothing is measured."""
