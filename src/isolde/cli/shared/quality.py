"""What `--quality` names: a model, or how much a lossy format keeps; it knows neither."""

import typer

from isolde.core.errors import InputError

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
                f"'{text}' is no quality: give {', '.join(WORDS)}, or a number from 0 to 10",
                param_hint="'--quality'",
            )
    return word, number


def named_model(context: typer.Context, model: str, word: str | None) -> str:
    """Give the name, or the quality, of the model that a command line asks for.

    Args:
        context: Context of the command, which tells whether `--model` was given.
        model: Value of `--model`.
        word: Quality that chooses a model; None where none was given.

    Raises:
        InputError: Both were given.
    """
    source = context.get_parameter_source("model")
    if word and source is not None and source.name == "COMMANDLINE":
        raise InputError(f"--model {model} and --quality {word} name a model: give one of them")
    return word or model
