"""The checks of the laws find what breaks them, in small sources, and nothing else."""

import pytest

from helpers.laws import (
    cycle_in,
    documentation_faults,
    extra_faults,
    floor_faults,
    imports_of,
    language_faults,
    package_faults,
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nimport isolde.core.signal.masks", ["isolde.core.signal.masks"]),
        ("from isolde import audio", ["isolde.audio"]),
        ("from .masks import ratio_mask", ["isolde.core.signal.masks"]),
        ("from ... import rules, audio", ["isolde.rules", "isolde.audio"]),
        (
            "def f():\n    from isolde.core.signal.masks import ratio_mask",
            ["isolde.core.signal.masks"],
        ),
        (
            "import importlib\nm = importlib.import_module('isolde.core.signal.masks')",
            ["isolde.core.signal.masks"],
        ),
        (
            "class A:\n    def f(self):\n        import isolde.live.io.pipes",
            ["isolde.live.io.pipes"],
        ),
    ],
)
def test_imports_are_found_wherever_they_hide(source: str, expected: list[str]):
    found = [entry.name for entry in imports_of(source, "isolde.core.signal.spectrum")]
    assert [name for name in found if name.startswith("isolde")] == expected


def test_dots_count_from_the_package_of_the_module():
    assert imports_of("from .a import b", "isolde.audio.__init__")[0].name == "isolde.audio.a"
    assert imports_of("from .a import b", "isolde.audio.files")[0].name == "isolde.audio.a"
    assert (
        imports_of("from ..core.signal.masks import b", "isolde.audio.files")[0].name
        == "isolde.core.signal.masks"
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("isolde.core.signal.spectrum", "import isolde.separation.stages.separator"),
        (
            "isolde.core.signal.spectrum",
            "def f():\n    from isolde.separation.stages.separator import Separator",
        ),
        ("isolde.core.signal.masks", "from ...models import graph"),
        ("isolde.separation.stages.separator", "from isolde.networks.article import MaskNetwork"),
        ("isolde.evaluation.tables", "from ..figures import spectrogram"),
        ("isolde.core.errors", "from isolde import audio"),
        ("isolde.audio", "from isolde import separate"),
    ],
)
def test_an_import_against_the_arrows_is_a_fault(module: str, source: str):
    (fault,) = floor_faults(source, module)
    assert fault.startswith(f"{module}:") and "point down" in fault


def test_an_import_with_the_arrows_is_none():
    assert floor_faults("from isolde import __version__\nimport isolde.audio", "isolde.cli") == []
    assert (
        floor_faults("from isolde.core.signal.spectrum import Grid", "isolde.core.signal.masks")
        == []
    )


def test_a_module_without_a_place_is_told_where_to_go():
    (fault,) = floor_faults("", "isolde.attic")
    assert "'attic'" in fault and "architecture.md" in fault


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("isolde.separation.stages.separator", "def f():\n    import torch", "only in"),
        ("isolde.datasets.mixing.voices", "from torch.utils.data import Dataset", "only in"),
        ("isolde.cli", "def f():\n    import matplotlib.pyplot as plt", "only in"),
        ("isolde.activity", "def f():\n    import sounddevice", "only in"),
        ("isolde.separation.stages.separator", "def f():\n    import onnxruntime", "only in"),
        ("isolde.models.graph", "import onnxruntime", "inside the function"),
        ("isolde.figures", "import matplotlib", "inside the function"),
        ("isolde.evaluation", "from scipy.signal import stft", "inside the function"),
        ("isolde.training.loop", "import onnx", "inside the function"),
        ("isolde.core.signal.masks", "def f():\n    import pandas", "not in the table"),
        ("isolde.core.signal.masks", "def f():\n    import scipy.signal", "only in"),
    ],
)
def test_a_package_in_the_wrong_room_is_a_fault(module: str, source: str, word: str):
    (fault,) = package_faults(source, module)
    assert word in fault


def test_a_package_in_its_room_is_none():
    assert package_faults("import torch\nfrom torch import nn", "isolde.networks.article") == []
    assert package_faults("def f():\n    import sounddevice", "isolde.live.io.devices") == []
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import onnxruntime"
    assert package_faults(typed, "isolde.models.graph") == []
    assert package_faults(typed + "\nelse:\n    import onnxruntime", "isolde.models.graph") != []


def test_a_cycle_is_found_and_named():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"a", "b"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("x = 1", "module has no docstring"),
        ('"""M."""\ndef f() -> None:\n    pass', "f has no docstring"),
        ('"""M."""\nclass A:\n    pass', "A has no docstring"),
        ('"""M."""\nclass A:\n    """A."""\n    def f(self) -> None:\n        pass', "A.f has no"),
        ('"""M."""\ndef f(x) -> None:\n    """F."""', "'x' has no type"),
        ('"""M."""\ndef f(*, x) -> None:\n    """F."""', "'x' has no type"),
        ('"""M."""\ndef f(*xs, **ys: int) -> None:\n    """F."""', "'xs' has no type"),
        ('"""M."""\ndef f(x: int):\n    """F."""', "does not say what it returns"),
        ('"""M."""\nasync def f():\n    """F."""', "does not say what it returns"),
        ('"""M."""\nif True:\n    def f() -> None:\n        pass', "f has no docstring"),
    ],
)
def test_an_undocumented_or_untyped_thing_is_a_fault(source: str, word: str):
    (fault,) = documentation_faults(source, "isolde.core.signal.masks")
    assert word in fault


@pytest.mark.parametrize(
    ("items", "faults"),
    [
        ("Args:\n    x: Number of frames.\n    y: See `f`:\n        its sum.", 0),
        ("Args:\n    x: of frames.", 1),
        ("Args:\n    x: Number of frames", 1),
        ("Args:\n    x: Number of frames,\n        as many as there are\n    y: Rate in Hz.", 1),
        ("Raises:\n    InputError: there are none.\n\nReturns:\n    x: a sum", 1),
        ("Frames:\n    x: of frames", 0),
    ],
)
def test_a_description_that_does_not_stand_alone_is_a_fault(items: str, faults: int):
    source = f'class A:\n    """A.\n\n{items}\n"""'
    assert len(language_faults(source, "isolde.core.signal.masks")) == faults


def test_a_first_line_that_names_instead_of_telling_is_a_fault():
    function = 'def f() -> int:\n    """{} sum of all."""\n'
    (fault,) = language_faults(function.format("The"), "isolde.core.signal.masks")
    assert "f begins with 'The'" in fault
    assert language_faults(function.format("Give the"), "isolde.core.signal.masks") == []
    assert language_faults("@property\n" + function.format("The"), "isolde.core.signal.masks") == []


def test_advice_that_cannot_be_followed_is_a_fault():
    source = "raise MissingExtraError('av', extra='video', purpose='reading')"
    assert len(extra_faults(source, "isolde.audio", {"av": ["av>=14"]})) == 1
    assert len(extra_faults(source, "isolde.audio", {"video": ["avail>=14"]})) == 1
    assert extra_faults(source, "isolde.audio", {"video": ["av>=14"]}) == []


def test_private_and_trivial_things_may_be_silent():
    source = (
        '"""M."""\ndef _f(x):\n    pass\nclass A:\n    """A."""\n    def __init__(self, x):\n'
        "        pass\n    def f(self) -> int: ...\n"
        "    @f.setter\n    def f(self, x: int) -> None:\n        self.x = x\n"
    )
    assert documentation_faults(source, "isolde.core.signal.masks") == []
