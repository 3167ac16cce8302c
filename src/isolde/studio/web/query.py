"""The query of a request, as settings; a query that its route does not read is refused."""

from dataclasses import replace

from starlette.requests import Request

from isolde.core.errors import InputError
from isolde.separation import SeparationSettings
from isolde.studio.choices import separating_models

SHOWN = 80
"""Characters of a request that an error message repeats."""


def check_query(request: Request, *known: str) -> None:
    """Refuse a query with other names than these.

    Args:
        request: Request whose query is checked.
        known: Names that its route reads.

    Raises:
        InputError: There is another name, or one of them twice.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"'{name[:SHOWN]}' is given {given.count(name)} times: give it once")
        if name not in known:
            there = f"take {', '.join(known)}" if known else "leave it out, nothing is read here"
            raise InputError(f"'{name[:SHOWN]}' is not known here: {there}")


def parse_settings(
    request: Request, default: SeparationSettings, *, own: SeparationSettings
) -> SeparationSettings:
    """Read the model and the strength of a request.

    A model is given by name: a path would open any file of this computer.

    Args:
        request: Request whose query may name a model or a strength.
        default: Settings that apply where the query names none.
        own: Settings of the server, whose model may be a path.

    Raises:
        InputError: There is no such model, or the strength is not a number.
    """
    query = request.query_params
    model = query.get("model", default.model)
    if model not in (default.model, own.model):
        names = separating_models()
        if model not in names:
            raise InputError(
                f"model '{model[:SHOWN]}' is not known here: take one of {', '.join(names)}"
            )
    text = query.get("strength", str(default.strength))
    try:
        strength = float(text)
    except ValueError:
        raise InputError(f"strength={text[:SHOWN]}: give a number") from None
    return replace(default, model=model, strength=strength)
