"""From a list of songs under free licences to labelled ones: `python free_songs.py SOURCES OUT`.

free_songs.csv lists them: artist, licence, where each is from and, where only a part is used, its
start and end in seconds. SOURCES holds what they are taken from, and nothing is downloaded:

    OWNER+NAME    a bare clone of github.com/OWNER/NAME (or a folder that holds one)
    PACKAGE       an unpacked Debian package

Songs are taken out into OUT/songs, labelled by a model of the catalogue into OUT/labels, and
written with their licences into OUT/manifest.csv, of which `isolde train RECIPE --data` learns;
music without a voice is a backing as it is. `--commercial` takes only what may be used so: CC BY,
CC BY-SA, CC0, and a teacher whose weights allow it. What is there is not made again; what is
missing is named with the command that gets it, and the exit code is 1.
"""

import argparse
import csv
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from isolde.audio import read, write
from isolde.core.atomic import write_bytes
from isolde.core.errors import InputError, IsoldeError
from isolde.datasets.label.label import label_songs
from isolde.datasets.label.model import ModelTeacher
from isolde.datasets.label.results import LabelManifest, LabelResult
from isolde.datasets.manifest import Row, read_manifest
from isolde.datasets.sources import probe

LIST = Path(__file__).with_name("free_songs.csv")
CLONE = "git clone --bare https://github.com/{0} {1}"
UNPACK = "apt-get download {0} && dpkg -x {0}_*.deb {1}"


class MissingSourceError(IsoldeError):
    """Something is not among the sources; the message is the command that gets it."""


def is_commercial(licence: str) -> bool:
    """Whether weights that learnt from music under a licence may be used by companies.

    Under one that nobody has stated they may not.
    """
    return licence not in ("", "unknown", "unstated") and not re.search(r"NC|GPL|ND", licence)


def repository(sources: Path, name: str) -> Path:
    """The git folder of a repository among the sources."""
    folder = sources / name.replace("/", "+")
    for place in (folder, folder / "repo", folder / ".git", folder / "repo" / ".git"):
        if (place / "HEAD").is_file():
            return place
    raise MissingSourceError(CLONE.format(name, folder))


def contents(sources: Path, origin: str) -> Iterator[tuple[str, bytes]]:
    """Endings and contents of the files that a song is the sum of.

    An origin is OWNER/NAME@COMMIT:PATH or debian:PACKAGE:PATH, where PATH!MEMBER is a member of a
    zip archive, and PATH+FILE+... are several files of one folder.
    """
    place, path = origin.split(":", 1)
    if place != "debian":
        name, commit = place.split("@")
        command = ["git", f"--git-dir={repository(sources, name)}", "cat-file", "blob"]
        done = subprocess.run([*command, f"{commit}:{path}"], capture_output=True, check=False)
        if done.returncode:
            raise InputError(f"{origin}: {done.stderr.decode()[:200].strip()}")
        yield Path(path).suffix, done.stdout
        return
    package, path = path.split(":", 1)
    root = sources / package
    if not root.is_dir():
        raise MissingSourceError(UNPACK.format(package, root))
    if "!" in path:
        archive, member = path.split("!")
        with zipfile.ZipFile(root / archive) as file:
            yield Path(member).suffix, file.read(member)
        return
    first, *more = path.split("+")
    for one in (first, *(str(Path(first).with_name(name)) for name in more)):
        yield Path(one).suffix, (root / one).read_bytes()


def taken(sources: Path, song: dict[str, str], folder: Path) -> Path:
    """The song as a file of the folder: as it is, or its part, or the sum of its files."""
    name = Path(song["file"]).stem
    there = [p for p in folder.glob("*") if p.stem == name]
    if there:
        return there[0]
    parts = []
    for ending, data in contents(sources, song["origin"]):
        parts.append(folder / f".part-{len(parts)}{ending}")
        write_bytes(parts[-1], data)
    try:
        if len(parts) == 1 and not song["start"]:
            return parts[0].rename(folder / f"{name}{parts[0].suffix}")
        span = {"start": float(song["start"]), "end": float(song["end"])} if song["start"] else {}
        sounds = [read(part, **span) for part in parts]
        n = min(sound.shape[1] for sound, _ in sounds)
        whole = np.sum([sound[:2, :n] for sound, _ in sounds], axis=0) / len(sounds) ** 0.5
        write(folder / f"{name}.flac", whole.astype(np.float32), sounds[0][1], clip="clip")
        return folder / f"{name}.flac"
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def main() -> None:
    """Take out, label, list."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", default="spleeter", help="model that labels")
    parser.add_argument("--commercial", action="store_true", help="only what companies may use")
    parser.add_argument("--packs", nargs="*", help="only these of the column `pack`")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    teacher = ModelTeacher.of(asked.teacher, threads=asked.threads)
    if asked.commercial and not is_commercial(teacher.licence):
        sys.exit(
            f"free_songs.py: labels of '{teacher.name}' ({teacher.licence}) are for other uses only"
        )
    manifest = asked.out / "manifest.csv"
    if asked.commercial and manifest.is_file():
        held = {row.licence for row in read_manifest(manifest)}
        if others := sorted(name for name in held if not is_commercial(name)):
            sys.exit(f"free_songs.py: {manifest} has songs under {others}: take another folder")
    with LIST.open(newline="", encoding="utf-8") as file:
        songs = [s for s in csv.DictReader(file) if not asked.packs or s["pack"] in asked.packs]
    if asked.commercial:
        songs = [song for song in songs if is_commercial(song["licence"])]
    folder = asked.out / "songs"
    folder.mkdir(parents=True, exist_ok=True)
    journal = LabelManifest(manifest, split="train")
    missing, failed, done = Counter[str](), 0, 0
    for song in songs:
        name = Path(song["file"]).stem
        try:
            path = taken(asked.sources, song, folder)
        except MissingSourceError as error:
            missing[str(error)] += 1
            continue
        except (IsoldeError, OSError, KeyError) as error:
            failed += 1
            print(f"{name}: {error}", flush=True)
            continue
        stem = "mixture" if song["kind"] == "song" else "accompaniment"
        artist = song["artist"] or song["source"]
        row = Row(name, artist, "train", stem, path, licence=song["licence"])
        if stem == "mixture":
            (result,) = label_songs([[row]], asked.out / "labels", teacher)
        else:
            result = LabelResult(name, [probe(row)[0]])
        journal.add(result)
        failed += bool(result.error)
        done += not result.error
        print(result.summary() if stem == "mixture" else f"{name}: a backing", flush=True)
    for command, count in missing.items():
        print(f"missing for {count} songs; this gets it:\n    {command}")
    print(f"{done} of {len(songs)} songs in {journal.path}")
    sys.exit(bool(missing or failed))


if __name__ == "__main__":
    main()
