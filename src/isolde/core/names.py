"""Names of files as texts that can be shown and stored; it opens no file."""


def readable(name: str) -> str:
    r"""Give a name as text: bytes of it that are not UTF-8 become replacement characters.

    Examples:
        >>> readable("caf\udce9.wav") == "caf\ufffd.wav"
        True
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
