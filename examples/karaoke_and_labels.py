"""A song without its singer, and when the singer sings, as a notebook in the percent format."""

# %% [markdown]
# # A song without its singer, and when the singer sings
# Cells in the percent format: editors and Jupyter (jupytext) open this file as a notebook.

# %%
import sys
from pathlib import Path

import isolde
from isolde.activity import find_activity, render
from isolde.audio import read, write

song = Path(sys.argv[1] if len(sys.argv) > 1 else "song.wav")
folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
mixture, sample_rate = read(song)  # float32 (n_channels, n_samples)

# %%
stems = isolde.separate(mixture, sample_rate=sample_rate)
# a cell is run more than once: what it wrote before is replaced
write(folder / f"{song.stem} (karaoke).wav", stems["accompaniment"], sample_rate, overwrite=True)

# %%
found = find_activity(mixture, sample_rate=sample_rate)
labels = render(found, "audacity", track=song.stem)
(folder / f"{song.stem}.labels.txt").write_text(labels, encoding="utf-8")
print(labels)
