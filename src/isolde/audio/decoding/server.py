"""The decoding process: opens files and sends blocks to its parent; prints nothing.

Requests come on standard input, one line of JSON each; an answer is a line of JSON on standard
output and as many bytes of samples as it says. It ends when standard input does.
"""

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isolde.audio.decoding.frames import FrameDecoder

PATIENCE = 120.0
"""Seconds after which one request counts as hanging, and the process ends itself."""


def main() -> None:
    """Answer requests until the parent process ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    decoder: FrameDecoder | None = None
    for line in requests:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        request = json.loads(line)
        answer: dict[str, Any]
        payload = memoryview(b"")
        try:
            if request["do"] == "open":
                decoder = FrameDecoder(Path(request["path"]), stream=request["stream"])
                answer = decoder.facts
            elif decoder is None:
                raise ValueError("nothing is open")
            elif request["do"] == "read":
                block = decoder.read(request["n"])
                answer, payload = {"shape": block.shape}, memoryview(block.tobytes())
            else:
                answer = {"spoilt": decoder.spoilt}
                decoder.close()
                decoder = None
            if decoder is not None:
                answer["losses"] = [asdict(loss) for loss in decoder.losses]
                answer["notes"] = decoder.notes
        except Exception as error:  # whatever FFmpeg and PyAV come up with
            answer = {"error": type(error).__name__, "detail": str(error)}
        answer["n_bytes"] = payload.nbytes
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(payload)
        answers.flush()
        faulthandler.cancel_dump_traceback_later()
    os._exit(0)  # without the destructors of PyAV, see `FrameDecoder.spoilt`


if __name__ == "__main__":
    main()
