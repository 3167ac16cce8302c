"""`isolde separate`: songs in, stems out."""

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("separate")(separate)


def separate(song: str) -> None:
    """Separate songs into stems."""
    raise NotImplementedError
