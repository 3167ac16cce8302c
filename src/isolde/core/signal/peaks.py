"""Where a sampled curve is highest, between its samples; it looks for no peak itself."""


def vertex(before: float, peak: float, after: float) -> float:
    """Place of the extremum of the parabola through three samples, from the middle one.

    y(x) = a x^2 + b x + peak with a = (before + after) / 2 - peak, b = (after - before) / 2 has it
    at x = -b / 2a.

    Args:
        before: Sample at -1.
        peak: Sample at 0, the highest of the three, or the lowest.
        after: Sample at 1.

    Returns:
        Place in samples, -0.5 to 0.5; 0 where the three are alike.

    Examples:
        >>> vertex(0.0, 1.0, 0.5)
        0.16666666666666666
    """
    bend = before - 2 * peak + after
    return 0.5 * (before - after) / bend if bend else 0.0
