"""Make the pages of results and robustness again: measure what is missing, paste the tables.

    sh benchmarks/peers/spleeter-itself/setup.sh
    python benchmarks/results.py SONGS OUTPUT

SONGS is a folder in the musdb layout (ours is musdb18-7-dev), OUTPUT keeps what was measured. A run
that is stopped goes on where it was; a new model under an old name has another checksum, so only
its rows are measured, and those of oracles, peers and rules are taken from OUTPUT. Text between the
marks of a page is replaced, prose is left alone: read it again after every run. What takes no model
of ours can be measured beforehand: --models rules --robust "" --keep-docs.
"""

import argparse
import re
import sys
from pathlib import Path

from isolde.evaluation import run, run_robustness
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import find_songs

DOCS = Path(__file__).parents[1] / "docs" / "lab"
MARK = "<!-- {}: made by benchmarks/results.py -->"
END = "<!-- end -->"


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description="Make the tables of docs/lab/results.md again.")
    parser.add_argument("songs", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--models",
        default="vocals-large,vocals-large:gate,vocals,vocals:live,vocals:binary,open,stems,"
        "open-live,vocals-live,spleeter,article,rules",
    )
    parser.add_argument("--robust", default="vocals-large", help="models of docs/lab/robustness.md")
    parser.add_argument("--peers", default="spleeter-itself", help="adapters in benchmarks/peers")
    parser.add_argument("--every", type=int, default=1, help="robustness: one song in N")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", choices=("results", "robustness"))
    parser.add_argument("--keep-docs", action="store_true", help="measure only")
    arguments = parser.parse_args()
    peers = [f"benchmarks/peers/{name}" for name in names(arguments.peers)]
    if arguments.only != "robustness":
        results(arguments, peers)
    if arguments.only != "results":
        robustness(arguments, peers)


def results(arguments: argparse.Namespace, peers: list[str]) -> None:
    """The tables of all candidates on all songs."""
    words = f"--models {arguments.models}" + "".join(f" --peers {path}" for path in peers)
    done = run(
        arguments.songs,
        models=names(arguments.models),
        peers=peers,
        output=arguments.output / "all",
        with_classical=True,
        with_bsseval=True,
        jobs=arguments.jobs,
        progress=show,
        command=f"isolde evaluate --data {arguments.songs.name} {words} --classical --bsseval",
    )
    if not arguments.keep_docs:
        paste(DOCS / "results.md", "results", done.summary)


def robustness(arguments: argparse.Namespace, peers: list[str]) -> None:
    """What changes of the songs cost."""
    n_songs = len(find_songs(arguments.songs))
    limit = -(-n_songs // arguments.every)
    words = f"--models {arguments.robust}" + "".join(f" --peers {path}" for path in peers)
    done = run_robustness(
        arguments.songs,
        models=names(arguments.robust),
        peers=peers,
        output=arguments.output / "robustness",
        jobs=arguments.jobs,
        limit=limit,
        progress=show,
        command=f"isolde evaluate --data {arguments.songs.name} {words} --robustness "
        f"--limit {limit}",
    )
    if not arguments.keep_docs:
        paste(DOCS / "robustness.md", "robustness", done.summary)


def names(text: str) -> list[str]:
    """Names by commas; none of an empty text."""
    return [name for name in text.split(",") if name]


def paste(page: Path, name: str, text: str) -> None:
    """Replace what lies between the marks of a page; headings of the text go one level down."""
    mark = MARK.format(name)
    before, found, rest = page.read_text(encoding="utf-8").partition(mark)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise SystemExit(f"'{page}' has no marks '{mark}' and '{END}'")
    text = re.sub(r"^## ", "### ", text, flags=re.MULTILINE)
    page.write_text(f"{before}{mark}\n\n{text}\n{END}{after}", encoding="utf-8")
    print(f"wrote {page}", file=sys.stderr)


def show(done: int, todo: int, result: Result) -> None:
    """A line a hundred results, and one for every failure."""
    if result.error is not None or done % 100 == 0 or done == todo:
        what = f": {result.candidate}, {result.track}: {result.error}" if result.error else ""
        print(f"{done} of {todo}{what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
