"""Stems in files of every kind: tags, cover and level travel, films and stem files sum up."""

import av
import numpy as np
import pytest

from helpers.films import make_film, packets, picture, sound_of
from isolde.audio import Cover, SongTags, info, read, read_tags, write
from isolde.core.errors import InputError
from isolde.models.catalogue import DEFAULT
from isolde.separation import FileSettings, SeparationSettings, Song, check_batch, separate_file

RATE = 44100


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "x.flac"
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 2 * RATE)).astype(np.float32)
    write(path, audio, RATE, subtype="PCM_24", tags=SongTags({"title": "T"}, Cover(picture())))
    return Song(path, "x")


def metadata(path):
    with av.open(str(path)) as container:
        found = {**container.streams.audio[0].metadata, **container.metadata}
    return {name.lower(): value for name, value in found.items()}


@pytest.mark.parametrize("kind", ["wav", "alac", "opus"])
def test_stems_carry_the_songs_tags_and_what_made_them(tmp_path, song, kind):
    settings = FileSettings(output=tmp_path, stems=("vocals",), container=kind)
    check_batch([song], settings)
    done = separate_file(song, settings)
    (path,) = done.files
    assert path.name == ("vocals.m4a" if kind == "alac" else f"vocals.{kind}")
    found = read_tags(path)
    assert dict(found.values) == {"title": "T"} and found.cover == Cover(picture())
    made = metadata(path)
    assert (made["model"], made["model_license"]) == (DEFAULT, "CC BY-NC-SA 4.0")
    notes = ["opus does not hold 44100 Hz: encoded at 48000 Hz"] if kind == "opus" else []
    assert done.warnings == notes


def test_one_gain_for_all_stems_of_a_song(tmp_path, song):
    plain = FileSettings(output=tmp_path / "plain", bit_depth="32f")
    loud = FileSettings(output=tmp_path / "loud", bit_depth="32f", loudness=-30.0)
    before, after = separate_file(song, plain), separate_file(song, loud)
    mixture, _ = read(song.path)
    gains = [
        np.sum(read(after.paths[s])[0] * read(before.paths[s])[0]) / np.sum(read(p)[0] ** 2)
        for s, p in before.paths.items()
    ]
    assert gains[0] == pytest.approx(gains[1], rel=1e-5) and gains[0] < 0.5
    total = sum(read(path)[0] for path in after.paths.values())
    assert np.abs(total - gains[0] * mixture).max() < 1e-6
    assert {metadata(path)["replaygain_track_gain"] for path in after.files} == {"12.00 dB"}
    quiet = FileSettings(output=tmp_path / "full", stems=("vocals",), loudness=0.0)
    assert "louder would clip" in separate_file(song, quiet).warnings[0]


def test_samples_that_cannot_clip_are_as_loud_as_asked_for(tmp_path, song):
    audio, rate = read(song.path)
    write(tmp_path / "float.wav", audio, rate, subtype="FLOAT")
    settings = FileSettings(output=tmp_path, stems=("vocals",), loudness=0.0)
    done = separate_file(Song(tmp_path / "float.wav", "x"), settings)
    assert done.warnings == [] and info(done.files[0]).subtype == "FLOAT"
    small = FileSettings(output=tmp_path / "16", stems=("vocals",), loudness=0.0, bit_depth="16")
    assert "would clip" in separate_file(Song(tmp_path / "float.wav", "x"), small).warnings[0]


def test_a_stem_file_holds_the_song_and_its_four_stems(tmp_path, song):
    settings = FileSettings(
        output=tmp_path,
        separation=SeparationSettings("stems"),
        container="stem.m4a",
        bit_depth="24",
    )
    check_batch([song], settings)
    done = separate_file(song, settings)
    assert done.files == [tmp_path / "x.stem.m4a"] == list(tmp_path.iterdir())
    tracks = [sound_of(done.files[0], i)[0] for i in range(5)]
    assert np.abs(tracks[0] - read(song.path)[0]).max() <= 2**-22
    assert np.abs(sum(tracks[1:]) - tracks[0]).max() <= 2**-20
    with pytest.raises(InputError, match="four stems, not 2"):
        separate_file(song, FileSettings(output=tmp_path / "two", container="stem.mp4"))


def test_a_film_gets_a_stem_for_its_sound_or_both_beside_it(tmp_path):
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 96000)).astype(np.float32)
    film = tmp_path / "film.mp4"
    make_film(film, codec="mpeg4", sound=audio, rate=48000)
    song = Song(film, "film")
    replaced = separate_file(
        song, FileSettings(output=tmp_path / "a", stems=("accompaniment",), remux="replace")
    )
    assert replaced.files == [tmp_path / "a" / "film" / "accompaniment.mp4"]
    added = separate_file(song, FileSettings(output=tmp_path, remux="add"))
    assert added.files == [tmp_path / "film (stems).mp4"]  # not the film's own name
    for path, n_tracks in ((replaced.files[0], 1), (added.files[0], 3)):
        assert packets(path, "video") == packets(film, "video")
        with av.open(str(path)) as container:
            assert len(container.streams.audio) == n_tracks
    total = sound_of(added.files[0], 1)[0] + sound_of(added.files[0], 2)[0]
    old = sound_of(film)[0][:, : total.shape[1]]
    error = np.sum((total[:, : old.shape[1]] - old) ** 2) / np.sum(old**2)
    assert error < 0.25  # noise, twice through AAC; a lag of one sample would give 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loudness": 3.0}, "give -60 to 0"),
        ({"remux": "swap"}, "take replace or add"),
        ({"remux": "add", "end": 3.0}, "a film keeps its length"),
        ({"preview": True, "start": 3.0}, "a preview chooses its part itself"),
        ({"remux": "add", "container": "flac"}, "leave out the format"),
        ({"remux": "replace", "bit_depth": "24"}, "leave out the format"),
        ({"container": "stem.mp4", "phrases": True}, "leave out the film or the stem file"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        FileSettings(**options)


def test_impossible_bit_rates_are_refused_before_any_work(song):
    with pytest.raises(InputError, match="lossless"):
        check_batch([song], FileSettings(container="flac", bitrate=128_000))
    with pytest.raises(InputError, match=r"is replaced in \.mp4"):
        check_batch([song], FileSettings(remux="replace"))
