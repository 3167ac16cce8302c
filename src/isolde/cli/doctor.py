"""`isolde doctor`: what is installed and works."""

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Say what is installed and whether it works; exit code 2 when something needed does not."""
    from isolde.cli._doctor import examine

    broken = False
    for finding in examine():
        print(f"{finding.state:8} {finding.name:18} {finding.detail}")
        broken |= finding.state == "broken"
    if broken:
        raise typer.Exit(2)
