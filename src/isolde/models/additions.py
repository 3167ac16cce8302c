"""The user's own folder of models: what is copied into it, checked and removed; never downloads."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from isolde.core.atomic import Draft, write_text
from isolde.core.errors import InputError, ModelError
from isolde.models import sources
from isolde.models.card_files import card_for
from isolde.models.catalogue import Model, find, parts_of
from isolde.models.listing import taken_names
from isolde.models.window.recognition import Hints
from isolde.models.window.stages import check_window


def add_model(path: Path, *, name: str | None = None, hints: Hints | None = None) -> Model:
    """Copy a model that somebody has as a file into the user's folder, with a card.

    A card beside the file is taken as it is; without one the file is asked for its form. A network
    of windows is run once, on noise, before it is kept.

    Args:
        path: An ONNX file, or the card of an ensemble.
        name: What it will be called; None: the file's name.
        hints: What its user knows of it, where it has no card.

    Returns:
        the model in the user's folder.

    Raises:
        ModelError: When it is no model, fits no form, or gives something else than its card says.
        InputError: When the name is taken or cannot be one, or hints are given for a file with a
            card.
        AudioError: When the folder cannot be written.
    """
    if path.is_dir():
        raise ModelError(f"{path}: is a folder: give an .onnx file")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file: give an .onnx file")
    own = path.with_suffix(".json").is_file()
    if own and hints not in (None, Hints()):
        raise InputError(f"{path}: has a card beside it: change that, or give no options")
    model = find(path) if own else Model(card_for(path, hints), path)
    name = name or model.card.name
    sources.check_name(name)
    if whose := taken_names().get(name):
        raise InputError(f"the name '{name}' is {whose}: give another one with --name")
    check_model(model)
    target = sources.user_folder() / f"{name}.json"
    card = replace(model.card, name=name)
    if card.kind != "ensemble":
        with Draft(target.with_suffix(".onnx")) as draft:
            shutil.copyfile(model.path, draft.path)
        with model.path.open("rb") as file:
            card = replace(card, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    try:
        write_text(target, card.to_json())
    except BaseException:
        target.with_suffix(".onnx").unlink(missing_ok=True)
        raise
    return find(name)


def check_model(model: Model) -> None:
    """Make sure that a model loads and, where it answers for windows, gives finite sound.

    Raises:
        ModelError: When it does not.
    """
    for part in parts_of(model.card):
        check_model(part)
    if model.card.kind == "window":
        check_window(model.session(), model.card)
    elif model.card.kind == "stream":
        model.graph()


def remove_model(name: str) -> list[Path]:
    """Delete a model from the user's folder.

    Args:
        name: Name of a model that was added.

    Returns:
        the files that are gone.

    Raises:
        InputError: When there is none, or it came with isolde or another package.
    """
    card = sources.added().get(name)
    if card is None:
        shipped = name in sources.shipped()
        said = "came with isolde" if shipped else "was not added"
        added = ", ".join(sources.added()) or "none"
        raise InputError(f"model '{name}' {said} and cannot be removed: added were {added}")
    gone = [path for path in (card, card.with_suffix(".onnx")) if path.is_file()]
    for path in gone:
        path.unlink()
    return gone
