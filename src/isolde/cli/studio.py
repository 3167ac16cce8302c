"""`isolde studio`: a page that plays songs while they are separated."""

from math import inf
from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "studio",
        epilog=examples(
            "isolde studio # opens the page in the browser",
            "isolde studio song.mp3 --no-browser --port 8000",
        ),
    )(studio)


def studio(
    songs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SONG...]", help="Songs that are open from the beginning.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Name or path of the model to begin with.",
            autocompletion=completion.separating_models,
        ),
    ] = "vocals",
    strength: Annotated[
        float, typer.Option(help="Strength of the mask: 1 is neutral, 2 removes more.")
    ] = 1.0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: 8710, or any other.")
    ] = 0,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this computer's own is a risk.")
    ] = "127.0.0.1",
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder that gets the stems of every song.", show_default=False),
    ] = None,
    max_upload: Annotated[
        float, typer.Option("--max-upload", help="Largest song to take, in GB.")
    ] = 4.0,
    threads: Annotated[
        int, typer.Option(min=0, help="Number of threads that run the network; 0: up to 4.")
    ] = 0,
) -> None:
    """Serve a page from this computer: drop a song, hear it separated at once, fade, see, download.

    Nothing leaves this computer. Ctrl-C ends it and deletes its copies of the songs.
    """
    from isolde.core.errors import InputError
    from isolde.separation import SeparationSettings
    from isolde.studio.web.server import LOOPBACK, StudioSettings, serve

    refuse_urls(*songs or [])
    if not 1e-6 <= max_upload < inf:
        raise InputError(f"--max-upload {max_upload:g}: give GB above 0, like 4")
    settings = StudioSettings(
        separation=SeparationSettings(model, strength=strength, threads=threads),
        host=host,
        port=port,
        keep=keep,
        max_upload=round(max_upload * 1e9),
    )

    def opened(address: str) -> None:
        if host not in LOOPBACK:
            terminal.say(
                f"isolde: warning: {host} can be reached from other computers, unencrypted: "
                "whoever reads the address below can hear the songs"
            )
        print(address, flush=True)
        terminal.say("Ctrl-C ends it and deletes its copies of the songs")
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(settings, songs or [], opened=opened)
