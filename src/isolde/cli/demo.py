"""`isolde demo`: the main job on a song that the project ships."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("demo")(demo)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder.")] = Path("demo-out"),
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "vocals",
) -> None:
    """Separate a short synthetic song whose stems are known, measure and draw it."""
    from isolde.cli._demo import run_demo

    done = run_demo(output, model=model)
    print(f"song           {done.mixture} ({done.separated.seconds:.1f} s)")
    for stem, path in done.separated.paths.items():
        print(f"{stem:14} {path}")
    print(f"picture        {done.picture or 'none: pip install isolde[figures]'}")
    print(
        f"vocals         {done.vocals_usdr:.2f} dB uSDR "
        f"(the song itself in their place: {done.mixture_usdr:.2f} dB)"
    )
    print(f"accompaniment  {done.accompaniment_usdr:.2f} dB uSDR")
    print(f"speed          {done.separated.real_time_factor:.1f} x real time")
