"""Cut what a training on a lent machine needs into parts that can be carried there.

    python parts.py OUT --code FILE... --stems FOLDER... --songs FOLDER... --music FOLDER...

OUT/part01, part02, ... are laid over one folder on the machine, in this order: the code (this
folder's, `device.py`, `tools/spleeter/start.py`, the package with the models that --models names,
and what --code names: lanes, wheels, the labeller and its weights), labelled stems
(FOLDER/SET/KIND/SONG/{stem}.*), songs to label, music without a voice to label. A file that does
not fit is cut in two, which `machine.sh arrived` joins again; the stems of a song stay together.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPTS = ("benchmarks/training/device.py", "tools/spleeter/start.py")
HERE = ("machine.sh", "pack.py")
LEFT_OUT = ("__pycache__", "page")
"""Folders of the package that no training reads."""
SMALL = 1 << 20
"""Bytes up to which a file is not cut in two."""

Item = tuple[list[Path], str]
"""Files that stay together, and their folder on the machine; {} stands for the part's number."""


def items(asked: argparse.Namespace) -> Iterator[Item]:
    """All that goes, in its order."""
    yield [ROOT / path for path in SCRIPTS] + [Path(__file__).with_name(n) for n in HERE], ""
    for path in asked.code:
        yield [path], "wheels" if path.suffix == ".whl" else ""
    for path in sorted((ROOT / "src").rglob("*")):
        parts = path.relative_to(ROOT)
        if path.is_dir() or set(LEFT_OUT) & set(parts.parts) or ".egg-info" in str(parts):
            continue
        if path.suffix != ".onnx" or path.stem in asked.models:
            yield [path], str(parts.parent)
    for root in asked.stems:
        for song in sorted(p for p in root.glob("*/*/*") if p.is_dir()):
            yield sorted(song.iterdir()), f"packs/stems{{}}/{song.relative_to(root)}"
    for kind, roots in (("songs", asked.songs), ("music", asked.music)):
        for root in roots:
            for path in sorted(root.glob("*.*")):
                yield [path], f"packs/{kind}{{}}/{root.name}"


def main() -> None:
    """Read the arguments, cut, copy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--mib", type=float, default=61, help="size of a part")
    parser.add_argument("--models", nargs="*", default=["vocals-large", "open", "stems"])
    for name in ("code", "stems", "songs", "music"):
        parser.add_argument(f"--{name}", nargs="*", type=Path, default=[])
    asked = parser.parse_args()
    limit = int(asked.mib * 2**20)
    number, full = 1, 0

    def place(folder: str, name: str) -> Path:
        path = asked.out / f"part{number:02d}" / folder.format(f"{number:02d}") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    for files, folder in items(asked):
        size = sum(path.stat().st_size + 1024 for path in files)
        if full + size > limit and len(files) == 1 and size > SMALL and not folder:
            data, cut = files[0].read_bytes(), limit - full - 1024
            place(folder, f"{files[0].name}.@1-of-2").write_bytes(data[:cut])
            number, full = number + 1, len(data) - cut
            place(folder, f"{files[0].name}.@2-of-2").write_bytes(data[cut:])
            continue
        if full + size > limit:
            number, full = number + 1, 0
        full += size
        for path in files:
            shutil.copy(path, place(folder, path.name))
    for part in sorted(asked.out.glob("part*")):
        held = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        print(f"{part}: {held / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
