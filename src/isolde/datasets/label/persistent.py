"""A separator's program that stays: it loads its weights once and is given one song after another.

It gets a line {"input": file, "output": folder} on its standard input for each, and answers with a
line when the stems are written, {} or {"error": text}. Not thread-safe.
"""

import atexit
import json
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from isolde.core.errors import AudioError


@dataclass
class Staying:
    """A program that is started with the first song; picklable: every process starts its own.

    Attributes:
        command: words that start it.
    """

    command: tuple[str, ...]
    _process: subprocess.Popen[str] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Everything but the running process."""
        return {**self.__dict__, "_process": None}

    def ask(self, song: Path, folder: Path) -> None:
        """Let it separate a song into files below a folder.

        Raises:
            AudioError: it cannot be started, breaks off, or says that it failed.
        """
        name = shlex.join(self.command)
        try:
            if self._process is None:
                self._process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                atexit.register(self.close)
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps({"input": str(song), "output": str(folder)}))
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:  # it is gone, or said something else
            if self._process is not None:
                self._process.kill()
                self.close()
            raise AudioError(f"'{name}' broke off: {error}") from error
        if "error" in answer:
            raise AudioError(f"'{name}' failed: {answer['error']}")

    def close(self) -> None:
        """End the program; the next song starts it again."""
        if self._process is not None:
            self._process.communicate()  # closes its standard input, and waits
            self._process = None
            atexit.unregister(self.close)
