"""What the one-file program runs: the command line, with child processes that start in it."""

import multiprocessing
import runpy
import sys


def main() -> None:
    """Run `isolde`; as `-c CODE` run Python, which is how the live worker's process is started."""
    multiprocessing.freeze_support()
    if sys.argv[1:2] == ["-c"]:
        exec(sys.argv[2], {"__name__": "__main__"})
    elif sys.argv[1:2] == ["-m"]:
        module, sys.argv = sys.argv[2], [sys.argv[2], *sys.argv[3:]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        from isolde.__main__ import main as command

        command()


if __name__ == "__main__":
    main()
