"""Find songs in folders of any layout, as rows of a manifest; it decodes nothing.

A folder is searched to its bottom. In it may lie, also mixed:

* a folder per song with files named by their stems, `{track}/{stem}.wav` (musdb's wav layout, with
  or without `train/` and `test/` above; what Spleeter, Demucs, `isolde separate` and `isolde
  pairs` write);
* musdb's `{track}.stem.mp4`, five audio streams in one file;
* songs of Rock Band, Clone Hero and Frets on Fire: a folder with a `song.ini`;
* loose files: solo voices, instrumentals or whole songs; which, the name of their folder says, or
  the caller.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from isolde.audio.formats import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from isolde.core.errors import InputError
from isolde.core.stems import STEM_BY_NAME
from isolde.datasets.manifest import (
    VALIDATION_SHARE,
    Row,
    split_of,
)
from isolde.datasets.naming import (
    GAME_SKIPPED,
    STEM_FILE,
    STREAMS,
    Tags,
    artist_by_name,
    clean_artist,
    game_stems,
    holds_songs,
    kind_by_name,
    read_song_ini,
    read_tags,
    split_by_folders,
)

LOOSE = ("vocals", "accompaniment", "mixture")
"""What loose files may be."""


@dataclass(frozen=True)
class Hints:
    """What the caller knows of folders.

    Attributes:
        loose: What loose files are, one of `LOOSE`; None: what their or their folder's name says.
        otherwise: What they are where that says nothing; None: they are left out.
        instrumental: Whether nobody sings in what cannot be told otherwise: loose files, and the
            `song.ogg` of a game's song that has no vocals file.
        artist: Artist of all songs; empty: by tags and names.
        licence: Licence of all songs; empty: by tags.
        validation: Share of the artists that is kept for validation.
        without: Folders that are not looked into.
    """

    loose: str | None = None
    otherwise: str | None = None
    instrumental: bool = False
    artist: str = ""
    licence: str = ""
    validation: float = VALIDATION_SHARE
    without: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for word in (self.loose, self.otherwise):
            if word is not None and word not in LOOSE:
                raise InputError(f"loose files as '{word}': choose from {', '.join(LOOSE)}")
        split_of("", validation=self.validation)


@dataclass
class Found:
    """The songs that were found.

    Attributes:
        rows: One per file, `seconds` and `rate` not yet known.
        problems: One line for each thing that was left out, with its name and the reason.
        guessed: Tracks whose artist is a guess from a name, and whether the split is by it.
    """

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    guessed: dict[str, bool] = field(default_factory=dict)


def find(folders: Iterable[Path], *, how: Hints | None = None) -> Found:
    """Find the songs of some folders.

    Args:
        folders: Folders, searched to their bottoms; a song's own folder or file is also taken.
        how: Hints about them.

    Returns:
        Rows in the order of the folders and of names, each song once, every track with a name of
        its own: where two folders hold a song of one name, the later one gets its folder's name
        before it.

    Raises:
        InputError: A folder does not exist.
    """
    how, found = how or Hints(), Found()
    seen: set[str] = set()
    taken: set[tuple[tuple[Path, int | None], ...]] = set()
    for folder in folders:
        if not folder.exists():
            raise InputError(f"{folder}: no such folder: give folders of songs")
        search = _Search(how, found, root=folder)
        search.look(folder)
        for rows, guess in zip(search.songs, search.guesses, strict=True):
            files = tuple((row.file.resolve(), row.stream) for row in rows)
            if files in taken:  # a folder that is given twice, or lies in another one
                continue
            taken.add(files)
            name, above = rows[0].track, rows[0].file.parent
            if rows[0].file.stem != name and rows[0].stream is None:
                above = above.parent  # the song has a folder of its own
            while name in seen:
                nearer = f"{above.name or 'songs'}/{name}"
                name, above = (nearer if above != above.parent else f"{name}'"), above.parent
            seen.add(name)
            if guess is not None:
                found.guessed[name] = guess
            found.rows += [replace(row, track=name) for row in rows]
    return found


class _Search:
    """A search of one folder.

    `songs` are the rows of each song, `guesses` whether its split is by an artist that is guessed;
    None where the artist is not.
    """

    def __init__(self, how: Hints, found: Found, *, root: Path) -> None:
        self._how, self._found, self._root = how, found, root
        self._tags: dict[Path, dict[str, Tags]] = {}
        self._been = {folder.resolve() for folder in how.without} - {root.resolve()}
        self.songs: list[list[Row]] = []
        self.guesses: list[bool | None] = []

    def look(self, folder: Path) -> None:
        """Search a file, or a folder and those in it."""
        if folder.is_file():
            if folder.suffix.lower() in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES):
                self._take_file(folder)
            else:
                self._leave(folder, "is no audio file by its name: give folders of songs")
            return
        real = folder.resolve()
        if real in self._been:  # a link that leads back
            return
        self._been.add(real)
        try:
            items = sorted(self._named(folder))
            folders = [p for p in items if p.is_dir()]
            files = [p for p in items if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()]
        except OSError as error:
            self._leave(folder, f"cannot be read ({error.strerror})")
            return
        ini = next((p for p in items if p.name.lower() == "song.ini"), None)
        if ini is not None:
            self._take_game(folder, ini, files)
            self._leave_folders(folders, is_whole=True)
        elif any(p.stem.casefold() in STEM_BY_NAME for p in files):
            self._take_stems(folder, files)
            self._leave_folders(folders, is_whole=len({row.stem for row in self.songs[-1]}) > 1)
        else:
            rows, problems = len(self.songs), len(self._found.problems)
            for item in items:
                if item in folders or item in files or item.name.lower().endswith(STEM_FILE):
                    self.look(item)
            nothing = (rows, problems) == (len(self.songs), len(self._found.problems))
            if nothing and (folder == self._root or not items):
                self._leave(folder, "holds no song that is understood, see docs/guide/data.md")

    def _named(self, folder: Path) -> Iterator[Path]:
        for item in folder.iterdir():
            if item.name.startswith("."):
                continue
            try:
                item.name.encode("utf-8")
            except UnicodeEncodeError:
                self._leave(Path(os.fsencode(item).decode("utf-8", "replace")), "rename it: UTF-8")
                continue
            yield item

    def _leave(self, path: Path, reason: str) -> None:
        self._found.problems.append(f"{path}: {reason}")

    def _leave_folders(self, folders: list[Path], *, is_whole: bool) -> None:
        """Name the folders inside a song's own folder in which songs seem to be lost.

        One folder with stems inside that of a whole song holds extras, such as other takes.
        """
        lost = [p for p in folders if p.resolve() not in self._been and holds_songs(p)]
        for folder in lost if len(lost) > 1 or not is_whole else ():
            self._leave(folder, "left out: lies in the folder of a song, beside its stems")

    def _take_file(self, path: Path) -> None:
        if path.name.lower().endswith(STEM_FILE):
            track = path.name[: -len(STEM_FILE)]
            files = [(f"{path}#{i}", stem) for i, stem in enumerate(STREAMS)]
            self._song(path, track, [(Path(file), stem) for file, stem in files])
            return
        stem = self._how.loose
        if stem is None:
            kind = kind_by_name(path)
            stem = {"vocal": "vocals", "instrumental": "accompaniment"}.get(kind)
        stem = stem or ("accompaniment" if self._how.instrumental else self._how.otherwise)
        if stem is None:
            self._leave(
                path, "voice, instrumental or whole song? Say which: --loose " + "|".join(LOOSE)
            )
            return
        self._song(path, path.stem, [(path, stem)])

    def _take_stems(self, folder: Path, files: list[Path]) -> None:
        chosen: dict[str, Path] = {}
        for path in sorted(files, key=lambda p: AUDIO_SUFFIXES.index(p.suffix.lower())):
            name = path.stem.casefold()
            if name not in STEM_BY_NAME:
                self._leave(path, "left out: its name is no stem's, see docs/guide/data.md")
            elif name in chosen:
                self._leave(path, f"left out: {chosen[name].name} is the same stem")
            else:
                chosen[name] = path
        stems = [(path, STEM_BY_NAME[name]) for name, path in sorted(chosen.items())]
        self._song(folder, folder.resolve().name, stems)

    def _take_game(self, folder: Path, ini: Path, files: list[Path]) -> None:
        try:
            facts = read_song_ini(ini)
        except OSError as error:
            self._leave(ini, f"cannot be read ({error.strerror})")
            facts = {}
        names: dict[str, Path] = {}
        for path in sorted(files, key=lambda p: AUDIO_SUFFIXES.index(p.suffix.lower())):
            names.setdefault(path.stem, path)
        stems = game_stems(list(names))
        for name, path in names.items():
            if name not in stems and name.casefold() not in GAME_SKIPPED:
                self._leave(path, "left out: no stem of a game's song is called so")
        if not stems:
            self._leave(folder, "a game's song without audio that is understood")
            return
        for name in [name for name, stem in stems.items() if stem == "unsorted"]:
            if self._how.instrumental:
                stems[name] = "rest"
            else:
                self._leave(
                    names[name],
                    "unsorted: it may hold a voice; if nobody sings, scan with --instrumental",
                )
        artist = clean_artist(facts.get("artist", ""))
        title = facts.get("name", "") or folder.name
        track = f"{artist} - {title}" if artist else title
        self._song(folder, track, [(names[n], stems[n]) for n in sorted(stems)], artist=artist)

    def _tags_of(self, folder: Path) -> dict[str, Tags]:
        try:
            return read_tags(folder)
        except InputError as error:
            self._found.problems.append(f"{error}: nothing in it is used")
            return {}

    def _song(
        self, item: Path, track: str, files: list[tuple[Path, str]], *, artist: str = ""
    ) -> None:
        """Add a song; `item` is its folder, or its file."""
        above = item.parent
        if above not in self._tags:
            self._tags[above] = self._tags_of(above)
        tags = self._tags[above].get(item.name, self._tags[above].get(track, Tags()))
        said = self._how.artist or tags.artist or artist
        artist = said or artist_by_name(track, album=above.resolve().name)
        below = Path(os.path.abspath(item)).relative_to(os.path.abspath(self._root))
        parts = (self._root.resolve().name, *below.parts[:-1])  # as named, not where links lead
        split = tags.split or split_by_folders(parts)
        if item == self._root:
            split = tags.split
        self.guesses.append(None if said else not split)
        self.songs.append(
            [
                Row(
                    track=track,
                    artist=artist,
                    split=split or split_of(artist, validation=self._how.validation),
                    stem=stem,
                    path=path,
                    licence=self._how.licence or tags.licence or "unknown",
                )
                for path, stem in files
            ]
        )
