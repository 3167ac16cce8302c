"""What models learnt from: every source has a licence, and the weights' own follows from them."""

import re

import pytest

from isolde.models.card import Card
from isolde.models.catalogue import find, names

UNSTATED = "no licence stated"
STATED = re.compile(r"\b(CC0|CC BY|GPL|MIT|public domain|for research)\b")
COMMERCIAL = re.compile(r"^(CC0|CC BY(-SA)? [\d.]+|MIT)")


def own() -> list[str]:
    """The models that this project trained; guests came with weights of others."""
    return [name for name in names() if find(name).card.recipe]


def faults(card: Card) -> list[str]:
    """What is wrong with the sources of a model."""
    found = [f"no licence: {source}" for source in card.data if not STATED.search(source)]
    found += [f"no licence: {source}" for source in card.data if UNSTATED in source]
    sources = " ".join(card.data)
    if not card.data:
        found.append("no sources")
    if COMMERCIAL.match(card.licence):
        if re.search(r"\bNC\b|-NC\b|for research", sources):
            found.append(f"weights under {card.licence} from sources for other uses only")
        if "HT-Demucs" in sources:
            found.append(f"weights under {card.licence} from labels of weights for research")
    if "-SA" in sources and "-SA" not in card.licence:
        found.append(f"weights under {card.licence} from sources to be shared alike")
    return found


@pytest.mark.parametrize("name", own())
def test_every_source_of_a_model_has_a_licence(name: str):
    assert not faults(find(name).card)


@pytest.mark.parametrize(
    ("data", "licence", "fault"),
    [
        (["7 songs of Obsidian Shell"], "CC BY-SA 4.0", "no licence"),
        (["75 machine-made songs (no licence stated), 7 (CC BY 4.0)"], "CC BY 4.0", "no licence"),
        ([], "CC BY 4.0", "no sources"),
        (["1 song (CC BY-NC-SA)"], "CC BY-SA 4.0", "other uses"),
        (["1 song (CC BY 4.0), labelled by HT-Demucs"], "CC BY 4.0", "labels"),
        (["1 song (CC BY-SA 3.0)"], "CC BY 4.0", "shared alike"),
        (["1 song (CC BY-SA 3.0), labelled by Spleeter (MIT)"], "CC BY-SA 4.0", ""),
    ],
)
def test_what_a_card_must_not_say_is_found(data: list[str], licence: str, fault: str):
    card = Card(
        name="x",
        summary="",
        stems=("vocals",),
        residual="accompaniment",
        look_ahead=0,
        past=0,
        features=find("vocals").card.features,
        sha256="",
        licence=licence,
        data=tuple(data),
    )
    found = faults(card)
    assert (len(found) == 1 and fault in found[0]) if fault else not found
