"""The rows of a manifest, read from a file or found in folders; it decodes nothing."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from isolde.core.errors import IsoldeError
from isolde.datasets.layouts import Found, Hints, find
from isolde.datasets.manifest import Row, by_track, manifest_in, read_manifest, split_of
from isolde.datasets.sources import probe


def rows_of(data: Iterable[Path], *, how: Hints | None = None) -> Found:
    """Give the rows of a manifest, or of the songs in folders.

    Args:
        data: One manifest (.csv or .parquet), or folders.
        how: What is known of the folders.

    Raises:
        InputError: A folder does not exist, a manifest cannot be read, or there is more beside it.
        MissingExtraError: The manifest is Parquet, and pyarrow is not installed.
    """
    data = list(data)
    manifest = manifest_in(data)
    return Found(read_manifest(manifest)) if manifest else find(data, how=how)


def scan(folders: Iterable[Path], *, how: Hints | None = None) -> Found:
    """Find the songs of some folders and read every file's length, rate and tags.

    A song with a file that cannot be opened is left out. Tags inside the files name the licence
    where nothing else does, and the artist where only a name would.

    Args:
        folders: Folders as for `find`.
        how: What is known of them.

    Raises:
        InputError: A folder does not exist.
    """
    found = find(folders, how=how)
    rows: list[Row] = []
    for track, files in by_track(found.rows).items():
        try:
            looked = [probe(row) for row in files]
        except IsoldeError as error:
            found.problems.append(f"'{track}' is left out: {error}")
            continue
        tags = [tags for _, tags in looked]
        licence = next((t["license"] for t in tags if t.get("license")), files[0].licence)
        artist = next((t["artist"] for t in tags if t.get("artist")), "")
        for row, _ in looked:
            if row.licence == "unknown":
                row = replace(row, licence=licence)
            if artist and track in found.guessed:
                split = row.split
                if found.guessed[track]:
                    split = split_of(artist, validation=(how or Hints()).validation)
                row = replace(row, artist=artist, split=split)
            rows.append(row)
    return Found(rows, found.problems, found.guessed)
