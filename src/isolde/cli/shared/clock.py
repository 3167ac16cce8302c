"""Times as people write them, in seconds; it prints nothing."""

import math

import typer


def seconds(text: str | float) -> float:
    """Read a time: seconds, minutes:seconds or hours:minutes:seconds.

    Args:
        text: Time like "90", "1:30" or "1:02:03.5".

    Returns:
        The time in seconds.

    Raises:
        typer.BadParameter: It is no such time.

    Examples:
        >>> seconds("1:30")
        90.0
        >>> seconds("1:02:03.5")
        3723.5
    """
    parts = str(text).strip().split(":")
    try:
        values = [float(part) for part in parts]
        whole = all(part.isdecimal() for part in parts[:-1])
    except ValueError:
        values, whole = [math.nan], False
    good = math.isfinite(values[-1]) and len(values) <= 3 and (len(values) == 1 or whole)
    if not good or any(not 0 <= value < 60 for value in values[1:]):
        raise typer.BadParameter(f"'{text}' is no time: give seconds, 1:30 or 1:02:03.5")
    return sum(value * 60.0**place for place, value in enumerate(reversed(values)))
