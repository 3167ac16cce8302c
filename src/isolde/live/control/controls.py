"""Commands, one line each, for keys, the control socket and programs; it computes no sound.

vocals | accompaniment | mix | (any stem)     fade to it
gain STEM X       wet X        strength X      mute [on|off]      pause [on|off]
seek X | +X | -X (seconds)     status          help               stop
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from isolde.core.errors import InputError, IsoldeError
from isolde.live.stream.meters import Status
from isolde.live.stream.mixer import LiveMixer

HELP = (
    "vocals, accompaniment, mix, (a stem), gain STEM X, wet X, strength X, mute [on|off], "
    "pause [on|off], seek X|+X|-X, status, help, stop"
)


@dataclass
class Controls:
    """Carries out commands on a session.

    Attributes:
        mixer: Mixer of the session.
        set_strength: Function that sets the strength of the mask.
        status: Function that gives the status of the session.
        stop: Function that ends the session.
        pause: Function that pauses or goes on; None where the sound cannot wait.
        seek: Function that goes on at other seconds; None where the sound is no file.
    """

    mixer: LiveMixer
    set_strength: Callable[[float], None]
    status: Callable[[], Status]
    stop: Callable[[], None]
    pause: Callable[[bool], None] | None = None
    seek: Callable[[float], None] | None = None

    def do(self, line: str) -> str:
        """Carry out one command.

        Args:
            line: Command with its arguments.

        Returns:
            A line to show; JSON for "status".

        Raises:
            InputError: The command is unknown, or not possible here.
        """
        word, *rest = line.split() or [""]
        match word, rest:
            case "status", []:
                return json.dumps(asdict(self.status()))
            case "help", []:
                return HELP
            case "stop", []:
                self.stop()
            case "gain", [stem, value]:
                self.mixer.set_gains({stem: _number(value)})
            case "wet", [value]:
                self.mixer.wet = _number(value)
            case "strength", [value]:
                self.set_strength(_number(value))
            case "mute", _ if len(rest) < 2:
                self.mixer.muted = _switch(rest, self.mixer.muted)
            case "pause", _ if len(rest) < 2 and self.pause:
                self.pause(_switch(rest, self.status().state == "paused"))
            case "seek", [value] if self.seek:
                relative = value[0] in "+-"
                self.seek(_number(value) + (self.status().position if relative else 0.0))
            case (("pause" | "seek"), _) if not getattr(self, word):
                raise InputError(f"'{line}' is not possible: this sound does not come from a file")
            case _, [] if word in ("mix", *self.mixer.stems):
                self.mixer.solo(word)
            case _:
                raise InputError(f"'{line}' is no command: give one of {HELP}")
        return "ok"

    def answer(self, line: str) -> str:
        """Carry out one command; an error is a line that begins with "error: "."""
        try:
            return self.do(line)
        except IsoldeError as error:
            return f"error: {error}"


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise InputError(f"'{text}' is no number")
    return value


def _switch(words: list[str], present: bool) -> bool:
    if not words:
        return not present
    if words[0] not in ("on", "off"):
        raise InputError(f"'{words[0]}' is neither on nor off")
    return words[0] == "on"
