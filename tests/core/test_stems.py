"""Names of stems: those of any language, and none that leaves its folder."""

import pytest

from isolde.core.errors import InputError
from isolde.core.stems import check_stems


def test_names_of_any_language_can_be_files():
    check_stems(["vocals", "lead vocals", "Gesang (Männer)", "声", "drum_kit-2", "v1.5"])
    check_stems([])


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "../up", "a/b", "a\\b", "c:", "a\nb", "a\0b", " a", "a.", "a*"]
)
def test_a_name_that_is_none_of_a_file_is_refused(name: str):
    with pytest.raises(InputError, match="cannot be the name of a stem") as told:
        check_stems(["vocals", name])
    assert "\n" not in str(told.value)


def test_a_name_twice_is_refused():
    with pytest.raises(InputError, match="stems vocals, vocals: give each a name of its own"):
        check_stems(["vocals", "vocals"])
