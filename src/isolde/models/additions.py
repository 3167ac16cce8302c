"""Add models to the user's own folder, check them, and remove them; it never downloads."""

import shutil
from dataclasses import replace
from pathlib import Path

from isolde.core.atomic import Draft, write_text
from isolde.core.errors import InputError, ModelError
from isolde.core.signal.spectrum import TOP_RATE
from isolde.models import sources
from isolde.models.card import Card
from isolde.models.card_files import card_for
from isolde.models.catalogue import Model, absolute_name, find, parts_of
from isolde.models.graph import Session
from isolde.models.listing import taken_names
from isolde.models.loading import checksum_of
from isolde.models.masker import make_masker
from isolde.models.window.recognition import Hints
from isolde.models.window.stages import check_window


def add_model(path: Path, *, name: str | None = None, hints: Hints | None = None) -> Model:
    """Copy a model from a file into the user's folder, with a card.

    A card beside the file is kept. Without one, the form of the network is recognised from the
    graph. A window network is run once, on noise, before it is kept.

    Args:
        path: Path of an ONNX file, or of the card of an ensemble.
        name: Name for the model; None: the file's name.
        hints: Facts about a file without a card.

    Returns:
        The model in the user's folder.

    Raises:
        ModelError: The file is no model, fits no form, needs other files, or answers with
            something else than its card says.
        InputError: The name is taken or not allowed, or hints are given for a file with a card.
        AudioError: The folder cannot be written.
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
    if card.members:  # a path is relative to the current folder, which will be another one
        members = [replace(member, model=absolute_name(member.model)) for member in card.members]
        write_text(target, replace(card, members=tuple(members)).to_json())
    else:
        with Draft(target) as described, Draft(target.with_suffix(".onnx")) as copied:
            shutil.copyfile(model.path, copied.path)
            Session(copied.path)  # fails if the weights are in another file
            card = replace(card, sha256=checksum_of(copied.path))
            described.path.write_text(card.to_json(), encoding="utf-8")
    return find(name)


def check_model(model: Model) -> None:
    """Make sure that a model loads, fits its card and, for windows, answers with finite numbers.

    Raises:
        ModelError: It does not.
    """
    card, parts = model.card, parts_of(model.card)
    for part in parts:
        check_model(part)
    rates = sorted({_rate_of(part.card) for part in parts})
    if len(rates) > 1:
        said = f"have sample rates of {' and '.join(map(str, rates))} Hz: name models of one"
        raise ModelError(f"the members of the ensemble '{card.name}' {said}")
    if card.kind == "window":
        check_window(model.session(), card)
    elif card.kind == "stream" and card.stems:
        make_masker(model, n_channels=2)
    elif card.kind == "stream":
        model.graph(answer="presence" if card.presence else "mask")


def _rate_of(card: Card) -> int:
    """Give the sample rate in Hz of a model's estimates of a song at the top rate."""
    if card.window and card.window.form != "magnitudes":
        return card.window.sample_rate
    return card.grid.at(TOP_RATE).sample_rate


def remove_model(name: str) -> list[Path]:
    """Delete a model from the user's folder.

    Args:
        name: Name of a model that was added.

    Returns:
        Paths of the deleted files.

    Raises:
        InputError: There is no such model, or it came with isolde or another package.
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
