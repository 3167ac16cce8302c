"""The command `isolde`, also `python -m isolde`: it ends quietly while it is still being loaded."""

import os
import signal
from types import FrameType


def main() -> None:
    """Load the command line and run it; Ctrl-C before it is there says nothing."""
    waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored
    if waits:
        signal.signal(signal.SIGINT, _leave)
    from isolde import cli

    if waits:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has been opened or written yet."""
    os._exit(130)


if __name__ == "__main__":
    main()
