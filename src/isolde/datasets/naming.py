"""Stems, artists and splits from the names of files and folders; it opens no audio.

The names are those that data sets, games and separators use: musdb, Spleeter, Demucs, Rock Band,
Clone Hero, Frets on Fire.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from isolde.audio.formats import AUDIO_SUFFIXES
from isolde.core.config import suggestion
from isolde.core.errors import InputError
from isolde.core.stems import STEM_BY_NAME
from isolde.datasets.table import read_table

STEM_FILE = ".stem.mp4"
STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""What the audio streams of a `.stem.mp4` are, by their order."""

GAME_STEMS = {
    "vocals": "vocals",
    "drums": "drums",
    "bass": "bass",
    "rhythm": "bass",
    "guitar": "other",
    "keys": "other",
    "song": "rest",
}
"""Files beside a `song.ini`; a number after the name makes parts of one stem (drums_1, drums_2).
`rhythm` is the bass of Rock Band's songs, and a second guitar where there is also a `bass`."""

GAME_SKIPPED = ("crowd", "preview")
"""The audience, and a part of the song once more."""

SPLIT_NAMES = {
    "train": "",
    "training": "",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
"""Folders that say on which side their songs are; train leaves it to the artist."""


@dataclass(frozen=True)
class Tags:
    """The row of a song in a `tags.csv` beside the songs; empty where it says nothing."""

    artist: str = ""
    split: str = ""
    licence: str = ""


def read_tags(folder: Path) -> dict[str, Tags]:
    """Return the `tags.csv` of a folder: columns song, artist, and if there split and licence.

    Raises:
        InputError: It cannot be understood; the message has the number of the line.
    """
    path = folder / "tags.csv"
    if not path.is_file():
        return {}
    tags = {}
    columns = ("song", "artist", "split", "licence")
    for place, row in read_table(path, columns=columns, needed=columns[:1]):
        split = row.get("split", "").lower()
        if split and split not in SPLIT_NAMES:
            hint = suggestion(split, list(SPLIT_NAMES))
            raise InputError(f"{path}, {place}: split '{split}' is unknown: {hint}")
        song = row.get("song", "")
        if not song:
            raise InputError(f"{path}, {place}: has no song: fill it in, or delete the row")
        tags[song] = Tags(
            artist=row.get("artist", ""),
            split=SPLIT_NAMES.get(split, "") or ("train" if split in SPLIT_NAMES else ""),
            licence=row.get("licence", "") or row.get("license", ""),
        )
    return tags


def file_name(name: str) -> str:
    """Turn any name into that of a file or folder on any system.

    Examples:
        >>> file_name("AC/DC - What?")
        'AC_DC - What_'
    """
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name).strip(". ")[:150] or "song"


def artist_by_name(name: str, *, album: str = "") -> str:
    """Find the artist in a name: `{artist} - {title}`, `{singer}_{song}_{clip}`, or all of it.

    Args:
        name: Name of the song; a track number before it ("03 - ") says nothing.
        album: Name of the folder, which stands for the artist of a song that has only a number.

    Examples:
        >>> artist_by_name("03 - Nina - Blue"), artist_by_name("singer_4_05")
        ('Nina', 'singer')
    """
    parts = name.split(" - ")
    if len(parts) > 1 and re.fullmatch(r"\d{1,2}\.?", parts[0].strip()):
        if len(parts) == 2:
            return album or parts[1].strip()
        parts = parts[1:]
    if len(parts) > 1:
        return parts[0].strip()
    return name.split("_")[0] or name


def kind_by_name(path: str | Path) -> str:
    """Tell "vocal" or "instrumental" by the name of a file or its folder, or else "auto".

    Examples:
        >>> kind_by_name("songs/Hit (Acapella).mp3")
        'vocal'
    """
    name = "/".join(Path(path).parts[-2:]).lower()
    voice = any(w in name for w in ("vocal", "vox", "pella", "voice"))
    rest = any(w in name for w in ("instrumental", "karaoke", "backing", "minus", "accompaniment"))
    return "auto" if voice == rest else ("vocal" if voice else "instrumental")


def clean_artist(text: str) -> str:
    """Strip from an artist's name what people add: "performed by X", "X - www.x.com".

    Examples:
        >>> clean_artist("Performed by Nina - www.nina.com")
        'Nina'
    """
    text = re.sub(r"\s*[-(,]\s*(https?://|www\.)\S*$", "", text.strip(), flags=re.IGNORECASE)
    made = r"(composed|performed|written|recorded|played)"
    return re.sub(rf"^{made}(\s*(,|and|&)\s*{made})*\s+by\s+", "", text, flags=re.IGNORECASE)


def split_by_folders(parts: tuple[str, ...]) -> str:
    """Give the split by the names of the folders above a song; empty if they say none.

    Examples:
        >>> split_by_folders(("musdb18", "test"))
        'test'
    """
    for part in reversed(parts):
        if split := SPLIT_NAMES.get(part.casefold(), ""):
            return split
    return ""


def game_stems(names: list[str]) -> dict[str, str]:
    """Tell which stem each audio file beside a `song.ini` is.

    Args:
        names: Names of the files, without endings.

    Returns:
        Name -> stem, without the files that belong to none. Where the song has no file of vocals,
        `song` may hold them and is "unsorted". Where drums and bass have files, what is left for
        `song` is "other".

    Examples:
        >>> game_stems(["vocals", "drums_1", "drums_2", "song", "preview"])
        {'vocals': 'vocals', 'drums_1': 'drums', 'drums_2': 'drums', 'song': 'rest'}
    """
    found = {}
    for name in names:
        base = re.sub(r"[_ ]?\d+$", "", name.casefold())
        if base in GAME_STEMS:
            found[name] = (base, GAME_STEMS[base])
    bases = {base for base, _ in found.values()}
    stems = {name: stem for name, (_, stem) in found.items()}
    for name, (base, _) in found.items():
        if base == "rhythm" and "bass" in bases:
            stems[name] = "other"
        if base == "song" and "vocals" not in bases:
            stems[name] = "unsorted"
        elif base == "song" and {"drums", "bass"} <= set(stems.values()):
            stems[name] = "other"
    return stems


def read_song_ini(path: Path) -> dict[str, str]:
    """Return the `key = value` lines of a game's song.ini, keys in small letters, without markup.

    Games take what no strict reader does: no header, repeated keys, percent signs, UTF-8, UTF-16
    or Latin-1.

    Raises:
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith((";", "#", "[")):
            values.setdefault(key.strip().casefold(), re.sub(r"<[^<>]*>", "", value).strip())
    return values


def holds_songs(folder: Path) -> bool:
    """Tell whether files named as stems or songs lie anywhere below a folder."""
    return any(
        path.name.lower() == "song.ini"
        or path.name.lower().endswith(STEM_FILE)
        or (path.suffix.lower() in AUDIO_SUFFIXES and path.stem.casefold() in STEM_BY_NAME)
        for path in folder.rglob("*")
    )
