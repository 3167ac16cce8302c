"""What each format can hold, checked and chosen before any work; opens nothing.

Channels and rates beyond the limits fail at the last moment with an unclear message, or crash
(Vorbis above 200 kHz).
"""

from numbers import Real

from isolde.audio.formats import BIT_DEPTHS, LOSSLESS, AudioInfo, Container, container_named
from isolde.core.errors import InputError


def subtype_for(
    container: str, *, like: AudioInfo | None = None, bit_depth: str | None = None
) -> str:
    """Choose how samples are stored: as asked, else as in another file, else 16 bit.

    M4a holds AAC, and with a bit depth ALAC, which is lossless.

    Kept from `like` as far as the container allows: FLAC has no float and no 32 bit, there 24 bit
    is the nearest; sources with no bit depth of their own (mp3, AAC) and 8 bit ones give 16 bit.

    Args:
        container: The kind of file to write, a name or a suffix.
        like: The file whose bit depth is to be kept.
        bit_depth: "16", "24", "32" (integers) or "32f" (float); it wins over `like`.

    Returns:
        The name of the subtype, for `AudioWriter`.

    Raises:
        InputError: The container is unknown, or cannot hold that bit depth.
    """
    kind = container_named(container)
    if bit_depth is not None:
        found = _stored_as(BIT_DEPTHS.get(str(bit_depth).lower(), ""), kind)
        if found is not None:
            return found
        depths = ", ".join(depth for depth, name in BIT_DEPTHS.items() if _stored_as(name, kind))
        if not depths:
            raise InputError(
                f"{kind.name} has no bit depth (asked: {bit_depth}): leave it out, "
                "or choose wav or flac"
            )
        raise InputError(f"{kind.name} cannot hold a bit depth of {bit_depth}: choose {depths}")
    if kind.lossy or like is None:
        return kind.subtypes[0]
    kept = {"DOUBLE": "FLOAT", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"}
    wanted = kept.get(like.subtype, like.subtype)
    if like.bit_depth is not None:
        wanted = BIT_DEPTHS[like.bit_depth]
    nearest = "PCM_24" if wanted in ("FLOAT", "PCM_32") else "PCM_16"
    return _stored_as(wanted, kind) or _stored_as(nearest, kind) or kind.subtypes[0]


def _stored_as(pcm: str, kind: Container) -> str | None:
    """Return the subtype of a container that holds such samples exactly, None without."""
    return next((name for name in (pcm, pcm.replace("PCM", "ALAC")) if name in kind.subtypes), None)


def check_target(kind: Container, *, sample_rate: int, n_channels: int, subtype: str) -> None:
    """Check that a container can hold such audio, before anything is computed.

    Args:
        kind: The container.
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels.
        subtype: How samples are stored.

    Raises:
        InputError: It cannot; the message lists what it can hold.
    """
    advice = "give less" if kind.name == "wav" else "write wav"
    if subtype not in kind.subtypes:
        known = ", ".join(kind.subtypes)
        raise InputError(f"{kind.name} cannot hold samples as {subtype}: choose {known}")
    if sample_rate > kind.max_rate:
        raise InputError(
            f"{kind.name} cannot hold {sample_rate} Hz, at most {kind.max_rate}: {advice}"
        )
    if n_channels > kind.max_channels:
        raise InputError(
            f"{kind.name} cannot hold {n_channels} channels, at most {kind.max_channels}: {advice}"
        )


def check_quality(
    kind: Container, subtype: str, *, bitrate: int | None, quality: float | None
) -> None:
    """Check a bit rate and a quality, before anything is computed.

    Args:
        kind: The container.
        subtype: How samples are stored.
        bitrate: Bit rate in bits per second; None if it is not asked for.
        quality: Quality from 0 to 10; None if it is not asked for.

    Raises:
        InputError: Both are given, or out of range, or the format is lossless.
    """
    if bitrate is None and quality is None:
        return
    for name, value in (("bitrate", bitrate), ("quality", quality)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
            raise InputError(f"{name} is {value!r}: give a number")
    if bitrate is not None and quality is not None:
        raise InputError("both a bit rate and a quality: give one of them")
    if subtype in LOSSLESS:
        raise InputError(
            f"{kind.name} is lossless here and has no bit rate or quality: leave them out, or "
            "choose ogg, opus, mp3 or m4a"
        )
    if bitrate is not None and not 8_000 <= bitrate <= 2_000_000:
        rate = f"{bitrate / 1000:f}".rstrip("0").rstrip(".")
        raise InputError(f"a bit rate of {rate} kbit/s: give 8 to 2000, or a quality")
    if quality is not None and not 0 <= quality <= 10:
        raise InputError(f"a quality of {quality:g}: give 0 (smallest) to 10 (best)")
