"""The pair builder on real songs, taken apart and damaged, beside a plain cross-correlation.

    python benchmarks/pairs/rig.py run --data DATA --out results.jsonl [--cases 0:340:1]
    python benchmarks/pairs/rig.py table results.jsonl ...

DATA holds sets of songs, {set}/{song}/{stem}.ogg; those of `songs.WEIGHTS` that are there are used.
A line of the output is a case; a run goes on where another one stopped. Cases 0 to 219 belong
together, 220 to 339 do not.
"""

import argparse
from pathlib import Path

from right import RightCase
from score import score_case
from songs import Songs
from table import make_tables
from wrong import SILENT, WrongCase

from isolde.core.journal import append_line, read_lines

N_RIGHT, N = 220, 340


def run(data: Path, out: Path, cases: range) -> None:
    """Answer the cases that the file does not hold; add a line for each."""
    done = {entry["case"] for _, entry in read_lines(out)}
    songs = Songs(data)
    for number in cases:
        if number in done:
            continue
        right = number < N_RIGHT
        maker = (
            RightCase(number, songs)
            if right
            else WrongCase(number, songs, silent=number >= N - SILENT)
        )
        append_line(out, score_case(maker.make()))


def main() -> None:
    """Run cases or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="answer cases")
    runs.add_argument("--data", type=Path, required=True, help="folder with sets of songs")
    runs.add_argument("--out", type=Path, required=True, help="JSON lines to add to")
    runs.add_argument("--cases", default=f"0:{N}", help="FIRST:LAST[:STEP], the last left out")
    prints = commands.add_parser("table", help="print the tables")
    prints.add_argument("files", nargs="+", type=Path, help="what `run` wrote")
    args = parser.parse_args()
    if args.command == "run":
        run(args.data, args.out, range(*map(int, args.cases.split(":"))))
        return
    rows = [entry for file in args.files for _, entry in read_lines(file)]
    print(make_tables(sorted(rows, key=lambda row: int(row["case"]))))


if __name__ == "__main__":
    main()
