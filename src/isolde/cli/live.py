"""`isolde live`: isolate while the music plays."""

from pathlib import Path
from typing import Annotated

import typer

from isolde.cli.shared import completion
from isolde.cli.shared.clock import seconds
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "live",
        epilog=examples(
            "isolde live song.mp3 # a song, keys fade its stems",
            "isolde live --low-latency # from a device to a device",
            "isolde live - --play accompaniment < song.wav > rest.wav # a filter",
        ),
    )(live)


def live(
    source: Annotated[
        str, typer.Argument(help="A song, or - for standard input; nothing: an input device.")
    ] = "",
    *,
    devices: Annotated[bool, typer.Option("--devices", help="List the devices and stop.")] = False,
    input_name: Annotated[
        str | None, typer.Option("--input", help="Device to capture: number, name or a part of it.")
    ] = None,
    output_name: Annotated[
        str | None, typer.Option("--output", help="Device to play to. With -: instead of a pipe.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model: a name or a path \\[vocals].", autocompletion=completion.separating_models
        ),
    ] = None,
    low_latency: Annotated[
        bool,
        typer.Option(
            "--low-latency",
            help="Least delay: --model vocals-live --depth 0, and 44,100 Hz when capturing.",
        ),
    ] = False,
    synthesis: Annotated[
        str | None,
        typer.Option(
            help="long; short: 46 ms less delay (article: 23); default: the model's.",
            autocompletion=completion.one_of("long", "short"),
        ),
    ] = None,
    play: Annotated[
        str, typer.Option(help="A stem, or mix.", autocompletion=completion.stems_or_mix)
    ] = "vocals",
    wet: Annotated[float, typer.Option(help="1: the stem; 0: the mixture.")] = 1.0,
    mask: Annotated[
        str,
        typer.Option(
            help="Reading of the mask: soft or binary.",
            autocompletion=completion.one_of("soft", "binary"),
        ),
    ] = "soft",
    threshold: Annotated[float, typer.Option(help="Threshold of the binary mask, 0 to 1.")] = 0.5,
    strength: Annotated[
        float, typer.Option(help="Strength of the soft mask: 2 removes more, 0.5 leaves more.")
    ] = 1.0,
    rate: Annotated[
        int | None,
        typer.Option(help="Hz; default: the song's, or the input device's; of raw PCM 44100."),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(help="Default: the song's, or up to 2 of the device's; of raw PCM 2."),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            help="Frames of the model (23 ms) that are read and written at once \\[1; songs: 4]."
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            help="Blocks of time for the network; 0: the device waits for it; default: the model's."
        ),
    ] = None,
    device_latency: Annotated[
        float | None, typer.Option(help="Seconds of buffer in each device; default: its own.")
    ] = None,
    start: Annotated[
        float,
        typer.Option(parser=seconds, metavar="TIME", help="Start in the song, like 75 or 1:15."),
    ] = 0.0,
    stop_after: Annotated[
        float | None,
        typer.Option(
            parser=seconds,
            metavar="TIME",
            help="Time after which it ends, like 75 or 1:15; of a pipe, time of its input.",
        ),
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(
            help="The pipe is raw PCM: s16le, s32le or f32le.",
            autocompletion=completion.one_of("s16le", "s32le", "f32le"),
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder for the stems of what is played.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace stems that --record finds there.")
    ] = False,
    control: Annotated[
        int | None, typer.Option(help="Take commands on this TCP port of 127.0.0.1; 0: any.")
    ] = None,
    osc: Annotated[
        int | None,
        typer.Option(
            help="UDP port of 127.0.0.1 that takes commands by Open Sound Control; 0: any."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show no meters, list of keys or summary.")
    ] = False,
) -> None:
    """Isolate the voice while the music plays.

    isolde live SONG plays a song; isolde live captures from a device; isolde live - is a filter
    from standard input to standard output. Keys while it runs: v vocals, a accompaniment, m mix,
    x mute, space pause, comma and dot seek, - and + dry and wet, [ and ] the strength, q quit.
    """
    from isolde.live.control import console
    from isolde.live.control.settings import LiveSettings
    from isolde.separation.settings import SeparationSettings

    refuse_urls(Path(source))
    if devices:
        console.print_devices()
        return
    settings = LiveSettings(
        source=source,
        input_name=input_name,
        output_name=output_name,
        separation=SeparationSettings(
            model or console.usual_model(low_latency=low_latency),
            mask,
            threshold,
            strength,
            synthesis=synthesis,
        ),
        low_latency=low_latency,
        play=play,
        wet=wet,
        rate=rate,
        channels=channels,
        block=block,
        depth=depth,
        device_latency=device_latency,
        start=start,
        stop_after=stop_after,
        raw=raw,
        record=record,
        overwrite=overwrite,
        control=control,
        osc=osc,
        quiet=quiet,
    )
    if settings.piped:
        console.run_pipe(settings)
    else:
        console.run_devices(settings)
