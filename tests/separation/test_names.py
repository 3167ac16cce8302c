"""Names of the stems' files: below the output folder, one for each stem, refused before work."""

from pathlib import Path

import pytest

from helpers.shell import Shell
from helpers.songs import music
from isolde.core.errors import AudioError, InputError
from isolde.separation import FileSettings, SeparationSettings, Song, check_batch, songs_in
from isolde.separation.names import LAYOUTS
from isolde.separation.songs import paths_of

SONG = Song(Path("/music/x/song.wav"), "song")
BOTH = ("vocals", "accompaniment")


@pytest.mark.parametrize(
    "name",
    [
        "../x/{stem}",
        "/abs/{stem}.{ext}",
        "a/../../{stem}",
        "{track}/../{stem}",
        "../{track}/{stem}.{ext}",
    ],
)
@pytest.mark.parametrize("phrases", [False, True])
def test_a_template_that_leads_out_of_the_output_folder_is_refused(name: str, phrases: bool):
    settings = FileSettings(output=Path("out"), name=name, phrases=phrases)
    with pytest.raises(InputError, match="leads out of the output folder, to") as refused:
        paths_of(SONG, settings, ["vocals"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("model", ["..", "/models/..", "/"])
def test_no_value_leads_out_of_the_output_folder(layout: str, model: str):
    settings = FileSettings(output=Path("out"), layout=layout, separation=SeparationSettings(model))
    (song,) = songs_in([Path("/music/../...wav")])
    for path in paths_of(song, settings, BOTH).values():
        assert path.parts[0] == "out" and ".." not in path.parts


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{stem:.0}", "two stems one file"),
        ("{stem:.1} of {track}", None),
        ("{track}", "all stems one file"),
        ("{stem:d}", "is no template"),
        ("{stem:{x}}", "is no template"),
        ("{}{stem}", "asks for {}: only"),
        ("{track[0]}{stem}", r"asks for {track\[0\]}: only"),
        ("{stem}/", "is that of a folder"),
    ],
)
def test_a_template_that_cannot_name_each_stem_is_refused_before_work(name: str, said: str | None):
    settings = FileSettings(output=Path("out"), name=name)
    if said is None:
        check_batch([SONG], settings)
        return
    with pytest.raises(InputError, match=said):
        check_batch([SONG], settings)


@pytest.mark.parametrize("option", ["", "--overwrite", "--resume"])
def test_a_song_is_not_replaced_by_its_own_stem(isolde: Shell, tmp_path: Path, option: str):
    (song,) = music(tmp_path, 1, n_samples=2000)
    before = song.read_bytes()
    command = ("separate", ".", "--name", "{track}.{ext}", "--stem", "vocals", option)
    code, out, err = isolde(*filter(None, command))
    assert (code, out, len(err)) == (2, [], 1) and "is read here and would be lost" in err[0]
    assert song.read_bytes() == before and list(tmp_path.iterdir()) == [song]


def test_a_folder_of_stems_alone_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for stem in BOTH:
        Path(f"{stem}.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"^\.: holds only files with the names of stems"):
        songs_in([Path()], FileSettings(name="{stem}.{ext}"))


def test_a_folder_that_may_not_be_read_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("isolde.separation.songs.os.access", lambda *_: False)
    with pytest.raises(AudioError, match="may not be read: check the permissions"):
        songs_in([tmp_path])


@pytest.mark.parametrize(
    ("model", "name"), [("net-1.5", "net-1.5"), ("x/net-1.5.onnx", "net-1.5"), ("m.json", "m")]
)
def test_the_name_of_a_model_keeps_its_dots(model: str, name: str):
    settings = FileSettings(separation=SeparationSettings(model), name="{model}.{ext}")
    assert paths_of(SONG, settings, ["vocals"]) == {"vocals": Path(f"{name}.wav")}


def test_a_song_in_the_root_is_in_no_folder_of_standard_input():
    settings = FileSettings(name="{folder}.{ext}")
    assert paths_of(Song(Path("/x.wav"), "x"), settings, ["vocals"]) == {"vocals": Path("_.wav")}


def test_a_song_is_not_replaced_by_the_stem_of_another_one(isolde: Shell, tmp_path: Path):
    (first,) = music(tmp_path / "m", 1, n_samples=2000)
    other = first.with_name("song 0 (vocals).wav")
    other.write_bytes(first.read_bytes())
    command = ("separate", first, other, "-o", "m", "--layout", "flat", "--overwrite")
    code, out, err = isolde(*command)
    assert code == 2 and not out and "is read here and would be lost" in err[0]
    assert other.read_bytes() == first.read_bytes() and len(list(first.parent.iterdir())) == 2


def test_a_name_that_is_too_long_costs_its_own_song_only(isolde: Shell, tmp_path: Path):
    (first,) = music(tmp_path / "m", 1, n_samples=2000)
    long = "x" * 245
    first.with_name(f"{long}.wav").write_bytes(first.read_bytes())
    command = ("separate", "m", "-o", "out", "--layout", "flat", "--stem", "vocals", "--resume")
    for _ in range(2):
        code, out, err = isolde(*command)
        assert code == 2 and out == ["out/song 0 (vocals).wav"]
        assert err[0].endswith(f"{long} (vocals).wav: the name is too long: choose a shorter one")
    assert isolde(*command, "--check")[1] == [f"m/{long}.wav"]
    code, _, err = isolde("separate", f"{long}{long}.wav")
    assert code == 2 and err[0].endswith("cannot be opened (File name too long): check the name")


def test_an_output_folder_with_the_name_of_a_file_is_asked_about(isolde: Shell, tmp_path: Path):
    music(tmp_path, 1, n_samples=2000)
    code, _, err = isolde("separate", "song 0.wav", "-o", "a/voice.mp3", "--stem", "vocals")
    assert code == 2 and "give -o a, " in err[0]
    assert err[0].endswith("--name 'voice {stem}' --format mp3") and not Path("a").exists()


def test_stems_are_asked_for_with_capitals_or_without():
    assert FileSettings(stems=("Vocals",)).chosen(BOTH) == ("vocals",)
    assert FileSettings(stems=("Vocals",)).chosen(("Vocals", "rest")) == ("Vocals",)
    for word, said in (
        ("voice", r"did you mean 'vocals'\?"),
        ("drums", "take one of vocals, accompaniment, or the model 'stems'"),
        ("vocals,accompaniment", "take one of vocals, accompaniment; for several, ask for each"),
    ):
        with pytest.raises(InputError, match=f"no stem '{word}': {said}$"):
            FileSettings(stems=("vocals", word)).chosen(BOTH)


def test_a_stem_file_of_two_stems_is_refused_before_work():
    with pytest.raises(InputError, match="four stems, not 2"):
        check_batch([SONG], FileSettings(container="stem.mp4"))


def test_the_command_refuses_in_one_line_and_makes_nothing(isolde: Shell, tmp_path: Path):
    music(tmp_path / "m", 1, n_samples=2000)
    before = sorted(tmp_path.rglob("*"))
    for name in ("../x/{stem}", str(tmp_path / "{stem}"), "{stem:d}"):
        for source in ("m", "m/song 0.wav"):
            code, out, err = isolde("separate", source, "-o", "out", "--name", name)
            assert (code, out, len(err)) == (2, [], 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_songs_beside_whom_one_works_are_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    music(tmp_path / "music" / "album", 1)
    music(tmp_path / "music" / "other", 1)
    monkeypatch.chdir(tmp_path / "music" / "album")
    for settings in (None, FileSettings()):  # nobody has named the current folder for the stems
        tracks = [song.track for song in songs_in([Path("..")], settings)]
        assert tracks == ["album/song 0", "other/song 0"]
    named = FileSettings(output=Path())
    assert [song.track for song in songs_in([Path("..")], named)] == ["other/song 0"]


@pytest.mark.parametrize("layout", ["spleeter", "demucs", "uvr", "flat"])
def test_stems_of_a_preview_are_no_songs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
):
    monkeypatch.chdir(tmp_path)
    music(Path(), 1)
    preview = FileSettings(preview=True, layout=layout)
    (song,) = songs_in([Path()], preview)
    for path in paths_of(song, preview, BOTH).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    for settings in (preview, FileSettings(layout=layout)):
        assert [song.path for song in songs_in([Path()], settings)] == [Path("song 0.wav")]
