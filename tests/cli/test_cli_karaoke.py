"""`isolde karaoke` and `--preview`: one file without a voice, and the part where most is sung."""

from pathlib import Path

import numpy as np
import pytest

from helpers.shell import Shell
from helpers.sounds import noise
from isolde.audio import info, read, write
from isolde.separation.preview import fullest_part

RATE = 22050


def test_karaoke_is_one_file_in_the_songs_format_with_its_tags(isolde: Shell, tmp_path: Path):
    write("song.flac", noise(2, 9000), RATE, tags={"title": "Mild und leise"})
    write("other.mp3", noise(2, 9000), RATE)
    code, out, _ = isolde("karaoke", "song.flac", "other.mp3", "-o", "out")
    assert code == 0 and out == ["out/song (karaoke).flac", "out/other (karaoke).mp3"]
    assert info(out[0]).tags["title"] == "Mild und leise"
    assert isolde("song.flac", "-o", "stems", "--format", "flac")[0] == 0
    assert np.array_equal(read(out[0])[0], read("stems/song/accompaniment.flac")[0])
    code, _, err = isolde("karaoke", "song.flac", "-o", "out")
    assert code == 2 and "exists already" in err[0]
    write("song (karaoke).flac", noise(2, 900), RATE)  # beside the song, as *.flac names them
    code, out, _ = isolde("karaoke", "song.flac", "song (karaoke).flac", "-o", "again")
    assert code == 0 and out == ["again/song (karaoke).flac"]


@pytest.mark.parametrize(
    ("sung", "seconds", "part"),
    [([0, 0, 1, 1, 0], 2.0, (2.0, 4.0)), ([1, 0], 5.0, (0.0, 2.0)), ([0, 0, 0], 1.0, (0.0, 1.0))],
)
def test_the_fullest_part(sung: list[int], seconds: float, part: tuple[float, float]):
    assert fullest_part(np.array(sung, np.float32), 1.0, seconds=seconds) == part


@pytest.mark.slow
def test_a_preview_is_thirty_seconds_of_the_song(
    isolde: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write("song.wav", noise(1, 40 * 8000), 8000, subtype="FLOAT")
    code, out, _ = isolde("song.wav", "--preview", "--stem", "vocals", "--stem", "accompaniment")
    assert code == 0
    assert out == ["song (preview)/vocals.wav", "song (preview)/accompaniment.wav"]
    stems = [read(path)[0] for path in out]
    assert stems[0].shape[1] == pytest.approx(30 * 8000, abs=0.02 * 8000)
    mixture, whole = sum(stems)[0], read("song.wav")[0][0]
    at = next(k for k in range(whole.size) if abs(whole[k] - mixture[0]) < 1e-6
              and np.allclose(whole[k : k + 50], mixture[:50], atol=1e-6))  # fmt: skip
    assert np.allclose(whole[at : at + mixture.size], mixture, atol=1e-6)
    code, _, err = isolde("song.wav", "--preview", "--start", "3", "-o", "other")
    assert code == 2 and "--start" in err[0]
