"""What stands behind the ? of a request, as settings; it refuses what nobody there listens to."""

from dataclasses import replace

from starlette.requests import Request

from isolde.core.errors import InputError
from isolde.separation import SeparationSettings
from isolde.studio.choices import separating

SHOWN = 80
"""Characters of what somebody sent that an answer repeats."""


def check_query(request: Request, *known: str) -> None:
    """Refuse a query with other names than these.

    Args:
        request: Request whose query is looked at.
        known: Names that its route reads.

    Raises:
        InputError: There is another one, or one of them twice.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"'{name[:SHOWN]}' is given {given.count(name)} times: give it once")
        if name not in known:
            there = f"take {', '.join(known)}" if known else "leave it out, nothing is read here"
            raise InputError(f"'{name[:SHOWN]}' is not known here: {there}")


def settings_of(
    request: Request, default: SeparationSettings, *, own: SeparationSettings
) -> SeparationSettings:
    """Give the settings that a request asks for, the others as they are.

    A model has a name here: a path would open any file of this computer for whoever may ask.

    Args:
        request: Request whose query names a model or a strength.
        default: Settings for what it does not name.
        own: Settings of the server, whose model may be a path.

    Raises:
        InputError: There is no such model, or the strength is no number.
    """
    query = request.query_params
    model = query.get("model", default.model)
    if model not in (default.model, own.model):
        names = separating()
        if model not in names:
            raise InputError(
                f"model '{model[:SHOWN]}' is not known here: take one of {', '.join(names)}"
            )
    text = query.get("strength")
    try:
        strength = default.strength if text is None else float(text)
    except ValueError:
        raise InputError(f"strength={text}: give a number") from None
    return replace(default, model=model, strength=strength)
