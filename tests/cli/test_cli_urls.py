"""URLs where only files are taken, and errors that name their song."""

from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from isolde.audio import write


@pytest.mark.parametrize("before", [
    ["activity"], ["karaoke"], ["data", "scan"], ["evaluate", "--data"], ["pairs"],
    ["look"], ["live"], ["studio", "--no-browser"], ["train", "vocals", "--data"],
])  # fmt: skip
@pytest.mark.parametrize("url", ["https://some.where/a.wav", "s3://bucket/songs"])
def test_a_url_is_refused_where_it_is_not_read(isolde: Shell, before: list[str], url: str):
    code, _, err = isolde(*before, url)
    line = f"isolde: {url}: URLs are taken by isolde separate only: download it first"
    assert (code, err) == (2, [line])


def test_where_nobody_sings_the_song_is_named(isolde: Shell, tmp_path: Path):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.wav", np.zeros((1, 3 * 22050), np.float32), 22050)
    code, _, err = isolde("karaoke", "one.wav", "two.wav", "--ultrastar", "--model", "article")
    assert code == 2
    assert [line.split(": ")[1:3] for line in err] == [
        [name, "no singing was found"] for name in ("one.wav", "two.wav")
    ]
