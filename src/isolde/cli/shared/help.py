"""How `--help` looks: examples below the options, and no type behind a flag; it parses nothing."""

from typing import Any

import typer


def examples(*lines: str) -> str:
    """Write the end of a command's help.

    Args:
        lines: Command lines, each with what it does after a '#'.
    """
    width = max((line.index(" #") for line in lines if " #" in line), default=0)
    rows = []
    for line in lines:
        command, _, purpose = line.partition(" #")
        rows.append(f"  {command:{width}}  #{purpose}" if purpose else f"  {command}")
    return "Examples:\n" + "\n".join(rows).replace("[", "\\[")


def command_of(app: typer.Typer) -> Any:
    """Make the command of an application whose flags show no type.

    Args:
        app: Application with its verbs.
    """
    command = typer.main.get_command(app)
    _tidy(command, command.context_settings.get("help_option_names", ["--help"]))
    return command


def name_formats(command: Any) -> None:
    """Name the formats of other installed packages in the help of `--format` of files.

    Packages are looked for only when somebody reads the help.

    Args:
        command: Command of the application.
    """
    from isolde.audio.formats import installed_formats

    if not (names := ", ".join(installed_formats())):
        return
    for verb in ("separate", "karaoke"):
        for parameter in command.commands[verb].params:
            if "--format" in parameter.opts:
                parameter.help = f"{parameter.help} Of installed packages: {names}."


def _tidy(command: Any, names: list[str]) -> None:
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    context = typer.Context(command, help_option_names=names)  # a command keeps its first option
    if help_option := command.get_help_option(context):
        help_option.metavar = ""
    for verb in getattr(command, "commands", {}).values():
        _tidy(verb, names)
