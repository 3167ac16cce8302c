"""The routes: what comes out is what the commands give, and nothing that is refused stays."""

import io
import json
import re
import socket
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from studio_server import Studio, kept_in, start

from helpers.sounds import noise
from isolde.activity import find_activity, render
from isolde.separation import FileSettings, SeparationSettings, Song, separate_file
from isolde.separation.phrases import FADE
from isolde.studio.colours import COLOURS

pytestmark = pytest.mark.slow

RATE = 44_100
SECONDS = 4.0


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of noise with a tone that comes and goes, 16 bit stereo."""
    path = tmp_path_factory.mktemp("song") / "Lied: №1.wav".replace(":", "")
    time = np.arange(round(SECONDS * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (np.sin(np.pi * time) > 0)
    soundfile.write(path, (noise(2, len(time), peak=0.1) + tone).T, RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def ready(studio: Studio, song: Path) -> dict[str, object]:
    """The song on the server, separated."""
    got = studio.ask("/songs?name=Lied.wav", "POST", song.read_bytes())
    assert got.status == 201, got.body
    told = got.json()
    assert told["stems"] == ["vocals", "accompaniment"]
    return studio.wait(told["id"])


@pytest.fixture(scope="module")
def command(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `isolde separate` writes."""
    folder = tmp_path_factory.mktemp("command")
    separate_file(
        Song(song, "Lied"), FileSettings(output=folder, separation=SeparationSettings("vocals"))
    )
    return folder / "Lied"


def stem(studio: Studio, song_id: object, name: str) -> np.ndarray:
    got = studio.ask(f"/songs/{song_id}/stems/{name}")
    assert got.status == 200
    return np.frombuffer(got.body, "<f4").reshape(-1, 2)


def test_a_song_is_told_whole(ready: dict[str, object]):
    assert ready["state"] == "ready"
    assert ready["n_samples"] == ready["n_ready"] == round(SECONDS * RATE)
    assert ready["seconds"] == pytest.approx(SECONDS)
    assert ready["seconds_left"] == 0
    assert 0 < float(str(ready["elapsed"])) < 120


@pytest.mark.parametrize("name", ["vocals", "accompaniment"])
def test_a_download_is_the_commands_file_to_the_byte(
    studio: Studio, ready: dict[str, object], command: Path, name: str
):
    got = studio.ask(f"/songs/{ready['id']}/files/{name}.wav")
    assert got.status == 200
    assert f"Lied%20-%20{name}.wav" in got.headers["content-disposition"]
    assert got.body == (command / f"{name}.wav").read_bytes()


def test_all_stems_come_in_one_zip(studio: Studio, ready: dict[str, object], command: Path):
    got = studio.ask(f"/songs/{ready['id']}/files/stems.wav")
    with zipfile.ZipFile(io.BytesIO(got.body)) as pack:
        assert sorted(pack.namelist()) == ["Lied/accompaniment.wav", "Lied/vocals.wav"]
        assert pack.read("Lied/vocals.wav") == (command / "vocals.wav").read_bytes()


@pytest.fixture(scope="module")
def four(studio: Studio, song: Path) -> dict[str, object]:
    """The song on the server, separated into four stems."""
    got = studio.ask("/songs?name=Lied.wav&model=stems", "POST", song.read_bytes())
    return studio.wait(got.json()["id"])


def test_a_stem_file_is_the_commands_to_the_byte(
    studio: Studio, four: dict[str, object], ready: dict[str, object], song: Path, tmp_path: Path
):
    settings = FileSettings(
        output=tmp_path, separation=SeparationSettings("stems"), container="stem.mp4"
    )
    (path,) = separate_file(Song(song, "Lied"), settings).files
    got = studio.ask(f"/songs/{four['id']}/files/stems.stem.mp4")
    assert (got.status, four["stem_file"], ready["stem_file"]) == (200, True, False)
    assert got.headers["content-disposition"].endswith("''Lied.stem.mp4")
    assert got.body == path.read_bytes()


def test_the_stems_sum_to_the_song(studio: Studio, ready: dict[str, object], song: Path):
    mixture, _ = soundfile.read(song, dtype="float32")
    both = stem(studio, ready["id"], "vocals") + stem(studio, ready["id"], "accompaniment")
    assert np.max(np.abs(both - mixture)) < 1e-6
    got = studio.ask(f"/songs/{ready['id']}/files/mix.wav")
    faded, _ = soundfile.read(io.BytesIO(got.body), dtype="float32")
    assert np.max(np.abs(faded - mixture)) <= 1.01 / 32768


def test_the_mix_is_as_faded(studio: Studio, ready: dict[str, object]):
    got = studio.ask(f"/songs/{ready['id']}/files/mix.wav?vocals=-6.0206&accompaniment=off")
    faded, _ = soundfile.read(io.BytesIO(got.body), dtype="float32")
    vocals = stem(studio, ready["id"], "vocals")
    assert np.max(np.abs(faded - vocals / 2)) <= 1.01 / 32768


def test_phrases_are_the_voice_at_the_times_of_their_names(studio: Studio):
    song = studio.wait(studio.ask("/songs?demo", "POST").json()["id"])
    got = studio.ask(f"/songs/{song['id']}/files/phrases.wav")
    assert got.headers["content-disposition"].endswith("''isolde%20demo%20-%20phrases.zip")
    vocals, rate = stem(studio, song["id"], "vocals"), song["sample_rate"]
    edge, step = round(FADE * rate), 1.01 / 32768
    last = 0.0
    with zipfile.ZipFile(io.BytesIO(got.body)) as pack:
        assert len(pack.namelist()) >= 2
        for number, name in enumerate(pack.namelist(), 1):
            found = re.fullmatch(r"isolde demo/(\d{3})_(\d{4}\.\d{3})-(\d{4}\.\d{3})\.wav", name)
            assert found and int(found[1]) == number, name
            start, end = float(found[2]), float(found[3])
            assert last <= start < end <= song["seconds"] + 1e-3
            last = end
            phrase, _ = soundfile.read(io.BytesIO(pack.read(name)), dtype="float32")
            at, near = round(start * rate), rate // 2000 + 1  # names have milliseconds
            assert len(phrase) == pytest.approx((end - start) * rate, abs=2 * near)
            assert np.max(np.abs(phrase)) > 0.02, "nobody sings in it"
            starts = range(max(at - near, 0), min(at + near, len(vocals) - len(phrase)) + 1)
            parts = (vocals[i : i + len(phrase)] for i in starts)
            inner = slice(edge, len(phrase) - edge)
            assert any(np.max(np.abs((part - phrase)[inner])) <= step for part in parts), name
    assert studio.ask(f"/songs/{song['id']}", "DELETE").status == 204


def test_ranges_of_bytes_are_ranges_of_samples(studio: Studio, ready: dict[str, object]):
    asked = studio.ask(f"/songs/{ready['id']}/stems/vocals")
    whole, total = asked.body, round(SECONDS * RATE) * 8
    assert (asked.status, len(whole)) == (200, total)
    assert "content-range" not in asked.headers
    got = studio.ask(f"/songs/{ready['id']}/stems/vocals", Range="bytes=8000-15999")
    assert (got.status, got.body) == (206, whole[8000:16000])
    assert got.headers["content-range"] == f"bytes 8000-15999/{total}"
    behind = studio.ask(f"/songs/{ready['id']}/stems/vocals", Range=f"bytes={total}-")
    assert (behind.status, behind.headers["content-range"]) == (416, f"bytes */{total}")
    assert studio.ask(f"/songs/{ready['id']}/stems/vocals", Range="bytes=-5").status == 400


def test_a_whole_stem_is_refused_until_it_is_there(studio: Studio):
    blocker, waiting = (studio.ask("/songs?demo", "POST").json()["id"] for _ in range(2))
    got = studio.ask(f"/songs/{waiting}/stems/vocals")
    assert (got.status, "is not separated yet" in got.json()["error"]) == (422, True)
    assert studio.ask(f"/songs/{waiting}/stems/vocals", Range="bytes=0-9").status == 416
    got = studio.ask(f"/songs/{waiting}/tiles/drums/0/0.png")
    assert (got.status, "layer 'drums'" in got.json()["error"]) == (422, True)
    for song in (waiting, blocker):
        assert studio.ask(f"/songs/{song}", "DELETE").status == 204


@pytest.mark.parametrize("format_", ["lrc", "srt", "audacity", "json"])
def test_labels_are_those_of_the_command(
    studio: Studio, ready: dict[str, object], song: Path, format_: str
):
    got = studio.ask(f"/songs/{ready['id']}/activity?format={format_}")
    found = find_activity(song, model="vocals")
    if format_ != "json":
        assert got.body.decode() == render(found, format_, track="Lied")
    else:
        told = json.loads(got.body)
        assert len(told["probabilities"]) == len(found.probabilities)
        assert np.max(np.abs(np.array(told["probabilities"]) - found.probabilities)) < 2e-3


def test_a_tone_lies_in_its_row_of_the_picture(studio: Studio, ready: dict[str, object]):
    told = studio.ask("/about").json()["picture"]
    data = studio.ask(f"/songs/{ready['id']}/tiles/mixture/0/0").body
    columns = np.frombuffer(data, np.uint8).reshape(-1, told["rows"])
    assert len(columns) == pytest.approx(SECONDS * RATE / 1024, abs=2)
    low, high = told["hertz"]
    row = (told["rows"] - 1) * np.log(440 / low) / np.log(high / low)
    assert columns[5:35].mean(axis=0).argmax() == pytest.approx(row, abs=1)
    level = np.interp(columns[20].max(), [0, 255], told["decibels"])
    assert level == pytest.approx(20 * np.log10(0.3), abs=1.5)


def test_a_picture_is_as_wide_as_there_are_columns(studio: Studio, ready: dict[str, object]):
    song = f"/songs/{ready['id']}"
    rows = studio.ask("/about").json()["picture"]["rows"]
    n = len(studio.ask(f"{song}/tiles/vocals/0/0").body) // rows
    got = studio.ask(f"{song}/tiles/both/0/0.png?colours=ffffff,000000,0000ff,ff0000")
    assert got.headers["content-type"] == "image/png"
    assert got.body[16:20] == n.to_bytes(4, "big"), "the width in the head of a PNG"
    usual = studio.ask(f"{song}/tiles/both/0/0.png")
    assert usual.body == studio.ask(f"{song}/tiles/both/0/0.png?colours={COLOURS}").body
    peaks = studio.ask(f"{song}/peaks").body
    assert abs(len(peaks) // 2 - n) <= 1
    assert studio.ask(f"{song}/peaks?from=10").body == peaks[20:]


def test_the_news_tell_of_every_song(studio: Studio, ready: dict[str, object]):
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as line:
        line.sendall(
            f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\n"
            f"Authorization: Bearer {studio.token}\r\n\r\n".encode()
        )
        seen = b""
        while b'"state": "ready"' not in seen:
            seen += line.recv(65536)
    assert b"text/event-stream" in seen
    assert str(ready["id"]).encode() in seen


def test_another_model_is_another_song_of_the_same_source(studio: Studio, ready: dict[str, object]):
    got = studio.ask(f"/songs/{ready['id']}/again?model=vocals-live&strength=2", "POST")
    again = studio.wait(got.json()["id"])
    assert (again["state"], again["model"], again["strength"]) == ("ready", "vocals-live", 2)
    assert again["replaces"] == ready["id"]
    assert np.any(stem(studio, again["id"], "vocals") != stem(studio, ready["id"], "vocals"))
    assert studio.ask(f"/songs/{again['id']}", "DELETE").status == 204
    assert studio.ask(f"/songs/{again['id']}").status == 404
    assert studio.ask(f"/songs/{ready['id']}/stems/vocals").status == 200


def test_another_model_takes_the_songs_place(studio: Studio):
    first, last = (studio.ask("/songs?demo", "POST").json()["id"] for _ in range(2))
    before = [song["id"] for song in studio.ask("/songs").json()]
    assert studio.ask(f"/songs/{first}/take", "POST").status == 204
    assert [song["id"] for song in studio.ask("/songs").json()] == before
    again = studio.ask(f"/songs/{first}/again?strength=2", "POST").json()["id"]
    assert studio.ask(f"/songs/{first}/take", "POST").status == 204
    after = [song["id"] for song in studio.ask("/songs").json()]
    assert after == [again if song == first else song for song in before]
    for song in (again, last):
        assert studio.ask(f"/songs/{song}", "DELETE").status == 204


def test_kept_stems_stay_as_the_command_writes_them(command: Path, song: Path, tmp_path: Path):
    folder = tmp_path / "kept"
    running = start(tmp_path, "--keep", str(folder))
    for _ in range(2):
        told = running.ask("/songs?name=Lied.wav", "POST", song.read_bytes()).json()
        assert running.wait(told["id"])["state"] == "ready"
    assert running.end() == 0  # it waits for what is being written
    assert kept_in(tmp_path) == []
    for track in ("Lied", "Lied 2"):
        for file in command.iterdir():
            assert (folder / track / file.name).read_bytes() == file.read_bytes()
    assert len(list(folder.rglob("*.wav"))) == 4


def test_a_song_that_cannot_be_kept_is_ready_and_says_so(tmp_path: Path):
    folder = tmp_path / "kept"
    running = start(tmp_path, "--keep", str(folder))
    folder.rmdir()
    folder.write_text("no folder")
    song = running.ask("/songs?demo", "POST").json()["id"]
    assert running.wait(song)["state"] == "ready"
    until = time.monotonic() + 60
    while not (warnings := running.ask(f"/songs/{song}").json()["warnings"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert warnings[0].startswith("its stems are not kept: ")
    assert running.ask(f"/songs/{song}/files/vocals.wav").status == 200
    assert running.end() == 0


def test_karaoke_of_four_stems_is_the_song_without_the_voice(
    studio: Studio, four: dict[str, object]
):
    got = studio.ask(f"/songs/{four['id']}/files/mix.wav?vocals=off")
    assert got.headers["content-disposition"].endswith("''Lied%20-%20karaoke.wav")
    band, _ = soundfile.read(io.BytesIO(got.body), dtype="float32")
    parts = [stem(studio, four["id"], name) for name in ("drums", "bass", "other")]
    assert np.max(np.abs(band - sum(parts))) <= 1.01 / 32768
    got = studio.ask(f"/songs/{four['id']}/files/mix.wav?vocals=off&drums=-3")
    assert got.headers["content-disposition"].endswith("''Lied%20-%20mix.wav")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_models_whose_speed_was_measured_leave_no_memory(studio: Studio, four: dict[str, object]):
    until = time.monotonic() + 120
    while not all(model["speed"] for model in studio.ask("/about").json()["models"]):
        assert time.monotonic() < until
        time.sleep(0.2)
    status = Path(f"/proc/{studio.process.pid}/status").read_text("ascii")
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    # The two networks of `stems`, which separated before, stay; all would be some 300 MB more.
    assert int(kilobytes) < 700_000


def test_a_damaged_file_is_refused_in_the_commands_words(studio: Studio):
    before = studio.ask("/songs").json()
    got = studio.ask("/songs?name=notes.pdf", "POST", b"%PDF-1.7 no sound" * 99)
    assert got.status == 422
    assert got.json()["error"].startswith("notes.pdf: ")
    assert str(studio.folder) not in got.json()["error"]
    assert studio.ask("/songs").json() == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/songs?demo&model=none", "model 'none' is not known"),
        ("/songs?demo&strength=0", "strength"),
        ("/songs?demo&strength=x", "strength=x"),
        ("/songs?demo&strength=nan", "nan"),
        ("/songs?demo=no", "demo=no: give 1"),
        ("/songs?demo&strength=1&strength=2", "'strength' is given 2 times"),
        ("/songs?demo&foo=1", "'foo' is not known here: take name, demo, model, strength"),
        ("/songs?demo&model=/etc/passwd", "model '/etc/passwd' is not known here: take one of "),
        ("/songs?demo&model=../vocals.onnx", "model '../vocals.onnx' is not known here"),
    ],
)
def test_bad_settings_are_refused_in_words(studio: Studio, path: str, words: str):
    got = studio.ask(path, "POST")
    assert got.status == 422
    assert words in got.json()["error"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("files/vocals.exe", "format 'exe'"),
        ("files/nobody.wav", "no 'nobody'"),
        ("files/stems.stem.mp4", "four stems, not 2"),
        ("files/vocals.stem.mp4", "format 'mp4'"),
        ("files/mix.wav?vocals=loud", "vocals=loud"),
        ("files/mix.wav?vocals=60", "12 dB"),
        ("files/mix.wav?vocals=nan", "vocals=nan"),
        ("activity?format=doc", "format 'doc'"),
        ("files/mix.wav?drums=3", "'drums' is not known here: take vocals, accompaniment"),
        ("files/vocals.wav?vocals=-6", "'vocals' is not known here: leave it out"),
        ("stems/vocals?format=flac", "'format' is not known here"),
        ("activity?fromat=lrc", "'fromat' is not known here: take format"),
        ("tiles/mixture/9/0", "scale 9"),
        ("tiles/foo/0/0", "layer 'foo': give mixture or vocals"),
        ("tiles/mask/0/0", "layer 'mask': give mixture or vocals"),
        ("tiles/both/0/0.png?colours=red", "colours 'red'"),
        ("tiles/drums/0/0.png?colours=ffffff,000000,0000ff,ff0000", "layer 'drums'"),
        ("peaks?from=-1", "from=-1"),
    ],
)
def test_what_a_song_has_not_is_refused_in_words(
    studio: Studio, ready: dict[str, object], path: str, words: str
):
    got = studio.ask(f"/songs/{ready['id']}/{path}")
    assert got.status == 422
    assert words in got.json()["error"]
