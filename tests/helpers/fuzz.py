"""Damaged files from good ones: by a seed, so that what fails can be made again."""

import numpy as np

WAYS = ("bits", "zeros", "noise", "cut", "behead", "drop", "insert", "twice")


def damage(data: bytes, seed: int) -> tuple[bytes, str]:
    """Damage the bytes of a file in one of several ways.

    Args:
        data: Bytes of a good file.
        seed: Whole number of 0 or more.

    Returns:
        The damaged bytes, and the way of the damage.
    """
    rng = np.random.default_rng(seed)
    way, n = WAYS[seed % len(WAYS)], len(data)
    bad = bytearray(data)
    at = int(rng.integers(0, n) if rng.random() < 0.7 else rng.integers(0, min(n, 400)))
    length = int(rng.integers(1, max(2, n // 8)))
    if way == "bits":
        for place in rng.integers(0, n, int(rng.integers(1, 40))):
            bad[place] ^= 1 << int(rng.integers(0, 8))
    elif way == "zeros":
        bad[at : at + length] = bytes(len(bad[at : at + length]))
    elif way == "noise":
        bad[at : at + length] = rng.bytes(len(bad[at : at + length]))
    elif way == "cut":
        del bad[at:]
    elif way == "behead":
        del bad[:at]
    elif way == "drop":
        del bad[at : at + length]
    elif way == "insert":
        bad[at:at] = rng.bytes(length)
    else:
        bad += data
    return bytes(bad), way
