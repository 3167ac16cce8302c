"""Write the man page of the command `isolde`: `python -m man_page [FILE]`."""

import sys
from pathlib import Path

from isolde import __version__
from isolde.cli import app
from isolde.cli.shared.help import command_of
from man_page import man_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "isolde.1"

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(man_page(command_of(app), version=__version__), "utf-8")
