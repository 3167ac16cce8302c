"""`isolde separate`: songs in, stems out."""

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared import quality as quality_option
from isolde.cli.shared.batch import show_batch, show_missing
from isolde.cli.shared.clock import seconds
from isolde.cli.shared.help import examples
from isolde.cli.shared.pipe import separate_pipe


class Clip(StrEnum):  # typer knows Literal from 0.19 on only
    """Policy for samples beyond full scale."""

    warn = "warn"
    clip = "clip"
    error = "error"


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "separate",
        epilog=examples(
            "isolde separate song.mp3 -o stems # vocals and accompaniment",
            "isolde separate song.mp3 --stem vocals --format flac",
            "isolde separate music -o stems --jobs 0 --resume # a folder, on all cores",
        ),
    )(separate)


def separate(
    context: typer.Context,
    songs: Annotated[
        list[str],
        typer.Argument(
            metavar="SONG...",
            help="Files and folders of songs, or their URLs (https://, s3://); '-' for standard "
            "input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder of the stems, or its URL (s3://), or '-' for one stem on standard output; "
            "else the current one.",
        ),
    ] = None,
    stem: Annotated[
        list[str] | None,
        typer.Option(
            help="Stem to write, several times for several: vocals, accompaniment; drums, bass, "
            "other with --model stems.",
            show_default=False,
            autocompletion=completion.stems,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Model: vocals-large is the best for vocals, vocals small and twice as fast, "
            "spleeter the best for companies, vocals-live has the least delay, stems gives four "
            "stems, open is small and free for companies, article and rules are the article's; or "
            "a path. See isolde models.",
            autocompletion=completion.separating_models,
        ),
    ] = "vocals-large",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the files: wav, flac, alac, ogg, opus, mp3 or m4a; stem.mp4 or "
            "stem.m4a for a DJ's stem file, with --model stems.",
            autocompletion=completion.formats,
        ),
    ] = "wav",
    bit_depth: Annotated[
        str | None,
        typer.Option(
            help="Bits of a sample: 16, 24, 32 or 32f (float); else the song's own.",
            autocompletion=completion.one_of("16", "24", "32", "32f"),
        ),
    ] = None,
    bitrate: Annotated[
        int | None,
        typer.Option(help="Bit rate of lossy formats in kbit/s, like 192.", show_default=False),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            help=quality_option.HELP,
            show_default=False,
            autocompletion=completion.one_of(*quality_option.WORDS),
        ),
    ] = None,
    loudness: Annotated[
        float | None,
        typer.Option(
            help="Loudness of the song in LUFS, like -14: one gain for all its stems, and "
            "ReplayGain tags.",
            show_default=False,
        ),
    ] = None,
    remux: Annotated[
        str | None,
        typer.Option(
            metavar="replace|add",
            help="Film with a stem instead of its sound, or with the stems beside it.",
            show_default=False,
            autocompletion=completion.one_of("replace", "add"),
        ),
    ] = None,
    clip: Annotated[
        Clip, typer.Option(help="Samples beyond full scale: limit and warn, limit, or fail.")
    ] = Clip.warn,
    mask: Annotated[
        str,
        typer.Option(
            help="Reading of the mask: soft or binary.",
            autocompletion=completion.one_of("soft", "binary"),
        ),
    ] = "soft",
    threshold: Annotated[float, typer.Option(help="Threshold of the binary mask, 0 to 1.")] = 0.5,
    strength: Annotated[
        float,
        typer.Option(help="Strength of the soft mask: 2 removes more, 0.5 leaves more."),
    ] = 1.0,
    gate: Annotated[
        bool, typer.Option("--gate", help="Quieter vocals where nobody sings.")
    ] = False,
    only_vocal_parts: Annotated[
        bool,
        typer.Option(
            "--only-vocal-parts",
            help="Vocals cut into phrases, DIR/{track}/vocals/001_0012.341-0015.120.wav "
            "(seconds of the song); other stems, whole, where --stem asks for them.",
        ),
    ] = False,
    start: Annotated[
        float, typer.Option(parser=seconds, metavar="TIME", help="Start, like 75 or 1:15.")
    ] = 0.0,
    end: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="TIME", help="End, likewise; else the song's."),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="The 30 seconds with the most singing, and no more."),
    ] = False,
    layout: Annotated[
        str,
        typer.Option(
            help="Names as of another program: spleeter ({track}/{stem}.{ext}), demucs "
            "({model}/{track}/no_vocals.{ext}), uvr ({track}_(Vocals).{ext}) or flat "
            "({track} ({stem}).{ext}).",
            autocompletion=completion.one_of("spleeter", "demucs", "uvr", "flat"),
        ),
    ] = "spleeter",
    name: Annotated[
        str | None,
        typer.Option(
            help="Names of your own, from {track}, {stem}, {ext}, {folder} (the song's) and "
            "{model}, like '{folder}/{track} - {stem}.{ext}'.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="A damaged or cut song is an error; else what is left is separated."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Existing files are replaced.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Stems whose files exist are left as they are.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="A stopped run goes on: a journal in the output folder is kept."
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Share of the songs, like 3/8, for arrays of jobs; with a journal of its own, as "
            "of --resume.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Songs that runs into this folder have not finished; nothing is done."
        ),
    ] = False,
    threads: Annotated[
        int,
        typer.Option(
            min=0, help="Number of threads that run the network; 0 for as many as help it."
        ),
    ] = 0,
    jobs: Annotated[
        int, typer.Option(min=0, help="Number of songs side by side; 0 for all cores.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, tcp://..., for several machines."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds after which a song is given up.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each song on standard output.")
    ] = False,
) -> None:
    """Separate songs into stems: DIR/{track}/vocals.wav and accompaniment.wav.

    The stems have the song's sample rate, channels and length, and sum to it.
    """
    from isolde.models.catalogue import chosen_model
    from isolde.separation import (
        STDIN,
        FileSettings,
        SeparationSettings,
        check_batch,
        check_output,
        local_path,
        notices_of,
        parse_shard,
        separate_songs,
        songs_in,
    )

    word, kept = quality_option.read_qualities(quality or [])
    named = quality_option.named_model(context, model, word)
    to_stdout = output == str(STDIN)
    output = None if to_stdout else output
    if (model := chosen_model(named)) != named and not quiet:
        terminal.say(f"isolde: quality {named}: model '{model}'")
    settings = FileSettings(
        output=None if output is None else local_path(output),
        remote=output if output is not None and local_path(output) is None else None,
        stems=tuple(stem) if stem else None,
        separation=SeparationSettings(model, mask, threshold, strength, gate, threads=threads),
        phrases=only_vocal_parts,
        container=format_.lower().lstrip("."),
        bit_depth=bit_depth,
        bitrate=None if bitrate is None else 1000 * bitrate,
        quality=kept,
        loudness=loudness,
        remux=remux,  # type: ignore[arg-type]  # checked by FileSettings
        clip=clip.value,
        start=start,
        end=end,
        layout=layout,
        name=name,
        preview=preview,
        strict=strict,
        overwrite=overwrite,
    )
    if not quiet:
        for notice in notices_of(model):
            terminal.say(f"isolde: {notice}")
    found = songs_in(songs, settings)
    check_batch(found, settings)
    if to_stdout or str(STDIN) in songs:
        many = any((resume, skip_existing, check, shard, scheduler, timeout is not None))
        separate_pipe(found, settings, needs_files=many, quiet=quiet, as_json=as_json)
        return
    part = None if shard is None else parse_shard(shard)
    if check:
        show_missing(found, settings, shard=part, quiet=quiet, as_json=as_json)
        return
    check_output(settings)
    work = partial(
        separate_songs,
        found,
        settings,
        jobs=jobs,
        scheduler=scheduler,
        resume=resume,
        skip_existing=skip_existing,
        shard=part,
        timeout=timeout,
    )
    n_songs = sum(part is None or part.holds(song.track) for song in found)
    show_batch(n_songs, work, quiet=quiet, as_json=as_json)
