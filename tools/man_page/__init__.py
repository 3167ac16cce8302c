"""Writes the man page from the command line itself: `python -m man_page [FILE]`; it runs no verb.

(click-man, a library for this, knows Click's commands only, and Typer's are of a Click of its own.)
The language is that of man(7): a macro at the start of a line, the rest is text.
"""

import re
import textwrap
from collections.abc import Iterator
from functools import partial
from typing import Any

wrap = partial(textwrap.wrap, width=76, break_long_words=False, break_on_hyphens=False)

VALUES = {"format_": "FORMAT", "input_name": "DEVICE", "output_name": "DEVICE"}
"""What the value of an option is called where its name does not say it."""

TAIL = """
.SH EXIT STATUS
.TP
0
Everything was done.
.TP
1
Some results failed in \\fBevaluate\\fR; a song failed, has a fault or was
left out in \\fBdata\\fR.
.TP
2
The input is bad, also that of one song of several. A line on standard error
says what is wrong and what to do.
.TP
130
The command was interrupted; no unfinished file is left.
.SH ENVIRONMENT
.TP
ISOLDE_MODELS
Folder of the models that were added.
.SH FILES
.TP
~/.local/share/isolde/models
The same, if the variable is not set; below XDG_DATA_HOME, if that is set.
.SH SEE ALSO
.BR ffmpeg (1)
"""


def man_page(command: Any, *, version: str) -> str:
    """Write the page.

    Args:
        command: Command of the whole application, as `isolde.cli.shared.help.command_of` makes it.
        version: Version of the program.

    Returns:
        the page's source.
    """
    name = command.name
    lines = [
        '.\\" Written by tools/man_page from the command line: change the help, then run make man.',
        f'.TH {name.upper()} 1 "" "{name} {version}" "User Commands"',
        ".SH NAME",
        f"{name} \\- isolate the voice, and every other stem, from stereo music",
        ".SH SYNOPSIS",
        f".B {name}",
        "COMMAND [OPTION]... [SONG]...",
        ".br",
        f".B {name}",
        "SONG...",
        ".SH DESCRIPTION",
        *body(command.help),
        *paragraphs("A song, a film or a folder without a command is separated."),
        *paragraphs("Brackets at the end of what an option is hold its default."),
        ".SH OPTIONS",
        *parameters(command),
        ".TP",
        "\\fB\\-h\\fR, \\fB\\-\\-help\\fR",
        "Print the help, also of each command.",
        ".SH COMMANDS",
    ]
    for words, verb in verbs(command, name):
        lines += [f".SS {words}", *synopsis(words, verb), *paragraphs(verb.help)]
        lines += [*parameters(verb), *examples(verb.epilog)]
    return "\n".join(lines) + TAIL


def verbs(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Go through all verbs of a command, and theirs, each with its whole name."""
    for word, verb in command.commands.items():
        yield f"{name} {word}", verb
        if hasattr(verb, "commands"):
            yield from verbs(verb, f"{name} {word}")


def synopsis(words: str, verb: Any) -> list[str]:
    """Show how a verb is called."""
    shown = [value_of(p) if p.required else optional(value_of(p)) for p in arguments_of(verb)]
    if hasattr(verb, "commands"):
        shown.append("[COMMAND]")
    return [f"\\fB{text(words)}\\fR [OPTION]... {text(' '.join(shown))}".rstrip()]


def optional(value: str) -> str:
    """Put a value into brackets, once."""
    return value if value.startswith("[") else f"[{value}]"


def parameters(command: Any) -> list[str]:
    """List the arguments and options of a command, each with its help and default."""
    lines = []
    for parameter in [*arguments_of(command), *options_of(command)]:
        default, said = parameter.default, parameter.help or ""
        shown = getattr(parameter, "show_default", False) and not isinstance(default, bool)
        if shown and default not in (None, ""):
            said = f"{said} [{getattr(default, 'value', default)}]"
        lines += [".TP", tag(parameter), *body(said)]
    return lines


def arguments_of(command: Any) -> list[Any]:
    """List the arguments of a command."""
    return [p for p in command.params if p.param_type_name == "argument"]


def options_of(command: Any) -> list[Any]:
    """List the options of a command that its help shows."""
    return [p for p in command.params if p.param_type_name == "option" and not p.hidden]


def value_of(parameter: Any) -> str:
    """Name the value of an argument or an option."""
    return parameter.metavar or VALUES.get(parameter.name) or parameter.name.upper()


def tag(parameter: Any) -> str:
    """Write what an argument or an option looks like on the command line."""
    if parameter.param_type_name == "argument":
        return f"\\fI{text(value_of(parameter))}\\fR"
    names = ", ".join(f"\\fB{text(o)}\\fR" for o in [*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} \\fI{text(value_of(parameter))}\\fR"


def examples(epilog: str | None) -> list[str]:
    """Set the examples at the end of a help as they are."""
    heading, *lines = (epilog or "").splitlines() or [""]
    shown = [line_of(line.removeprefix("  ")) for line in lines]
    return [".PP", text(heading), ".PP", ".RS 4", ".nf", *shown, ".fi", ".RE"] if shown else []


def paragraphs(help_text: str | None) -> list[str]:
    """Set the paragraphs of a help."""
    parts = [part for part in (help_text or "").split("\n\n") if part.strip()]
    return [line for part in parts for line in (".PP", *body(part))]


def body(words: str) -> list[str]:
    """Set running text: a sentence begins a line, so that none ends within one."""
    sentences = re.split(r"(?<=[.?!]) ", " ".join(words.split()))
    return [line_of(line) for sentence in sentences for line in wrap(sentence)]


def line_of(words: str) -> str:
    """Write a line that is no macro, whatever it begins with."""
    written = text(words)
    return f"\\&{written}" if written.startswith((".", "'")) else written


def text(words: str) -> str:
    """Write words for roff: rich's escape of a bracket undone, ours of what roff means put in."""
    plain = words.replace("\\[", "[").replace("\\", "\\e").replace("-", "\\-")
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in plain)
