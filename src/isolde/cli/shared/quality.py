"""What `--quality` names: a model, or how much a lossy format keeps; it knows neither."""

import typer

HELP = (
    "Quality: fast, good or best, which chooses the model; or a number from 0 (smallest) to 10 "
    "(best) for lossy formats, else 8. May be given twice."
)
WORDS = ("fast", "good", "best")


def read_qualities(texts: list[str]) -> tuple[str | None, float | None]:
    """Tell qualities of separation from those of formats.

    Args:
        texts: Values of the option, in order; of each kind the last counts.

    Returns:
        the word, and the number from 0 to 10; None for what was not given.

    Raises:
        typer.BadParameter: A value is neither.

    Examples:
        >>> read_qualities(["best", "6"])
        ('best', 6.0)
    """
    word, number = None, None
    for text in texts:
        if text in WORDS:
            word = text
            continue
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 10:
            raise typer.BadParameter(
                f"'{text}' is no quality: give {', '.join(WORDS)}, or a number from 0 to 10"
            )
    return word, number
