"""A teacher's labels: whole or not there, resumable, judged second by second, in the manifest.

The teachers are small scripts that the tests write; they know the true stems beside the song.
"""

import csv
import re
import shlex
import shutil
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from helpers.shell import invoke
from helpers.sounds import null_depth
from isolde.audio import read, write
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32
from isolde.datasets.label.confidence import confidence_of
from isolde.datasets.label.label import label_songs, songs_to_label
from isolde.datasets.layouts import Hints
from isolde.datasets.manifest import read_manifest, write_manifest
from isolde.datasets.mixing.library import Library
from isolde.datasets.naming import file_name
from isolde.models.catalogue import find, save
from isolde.separation.external import ExternalSeparator

RATE = 22050
parse = ExternalSeparator.parse
SECONDS = 3.0

# Copies the stems that lie in a folder named like the song, and counts how often it was asked.
TEACHER = """
import shutil, sys
from pathlib import Path
song, output, truth = map(Path, sys.argv[1:4])
with (truth / "asked.txt").open("a", encoding="utf-8") as log:
    log.write(song.stem + "\\n")
if song.stem == "Bad - Song":
    print("some noise", file=sys.stderr)
    sys.exit("cannot separate this one")
shutil.copytree(truth / song.stem, output / "model" / song.stem)
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory) -> Path:
    """Three songs as stems and as they are to be labelled."""
    root = tmp_path_factory.mktemp("master")
    for seed, name in ((1, "Ä - Lied ☃"), (2, "Good - Song"), (3, "Bad - Song")):
        stems = songs.make_song(seed, seconds=SECONDS, sample_rate=RATE)
        for stem, audio in stems.items():
            write(root / "truth" / name / f"{stem}.wav", audio, RATE, subtype="FLOAT")
        mixture = np.sum(list(stems.values()), axis=0)
        write(root / "to do" / f"{name}.wav", mixture, RATE, subtype="FLOAT")
    return root


@pytest.fixture
def world(master: Path, tmp_path: Path) -> dict[str, Path]:
    """Three songs to label, one of which the teacher cannot, and the teacher."""
    truth, todo = tmp_path / "truth", tmp_path / "to do"
    shutil.copytree(master / "truth", truth)
    shutil.copytree(master / "to do", todo)
    script = tmp_path / "teacher.py"
    script.write_text(TEACHER, "utf-8")
    return {"truth": truth, "todo": todo, "script": script, "out": tmp_path / "taught"}


def line_of(world: dict[str, Path], *more: str) -> str:
    words = [sys.executable, str(world["script"]), "{input}", "{output}", str(world["truth"])]
    return " ".join(w if w.startswith("{") else shlex.quote(w) for w in (*words, *more))


@cache
def song_two() -> dict[str, Float32]:
    return songs.make_song(2, seconds=SECONDS, sample_rate=RATE)


def asked(world: dict[str, Path]) -> list[str]:
    return (world["truth"] / "asked.txt").read_text("utf-8").split("\n")[:-1]


def read_confidence(path: Path) -> list[dict[str, float]]:
    """The lines of a list of confidences."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(lines)]


def run(*words: object) -> tuple[int, str]:
    return invoke("data", "label", *words)


@pytest.mark.slow
def test_labels_a_folder_and_goes_on_where_it_was(world):
    """The verb, twice: the second time nothing is done again but what had failed."""
    words = (world["todo"], "--teacher", line_of(world), "-o", world["out"], "--licence", "CC0")
    code, text = run(*words)
    assert code == 1
    assert "2 of 3 songs labelled" in text
    assert "Bad - Song: teacher failed (1): cannot separate this one" in text
    rows = read_manifest(world["out"] / "manifest.csv")
    assert {(r.track, r.artist) for r in rows} == {("Ä - Lied ☃", "Ä"), ("Good - Song", "Good")}
    assert {(r.stem, r.origin) for r in rows} == {
        ("mixture", ""),
        *((stem, "teacher") for stem in songs.STEMS),
    }
    assert {(r.licence, r.rate, r.seconds) for r in rows} == {("CC0", RATE, SECONDS)}
    names = sorted(p.name for p in world["out"].iterdir())
    assert names == ["Good - Song", "manifest.csv", "Ä - Lied ☃"]  # nothing half-written
    truth, _ = read(world["truth"] / "Good - Song" / "drums.wav")
    made, rate = read(world["out"] / "Good - Song" / "drums.flac")
    assert rate == RATE
    np.testing.assert_allclose(made, truth, atol=1 / 32767)
    assert len(asked(world)) == 3
    before = (world["out"] / "manifest.csv").read_text("utf-8")
    code, text = run(*words)
    assert code == 1 and "Good - Song: done before" in text
    assert asked(world)[3:] == ["Bad - Song"]
    assert (world["out"] / "manifest.csv").read_text("utf-8") == before


def test_what_was_taught_can_be_learnt_from(world, tmp_path: Path):
    found, problems = songs_to_label(world["todo"])
    assert problems == []
    results = label_songs(found, world["out"], parse(line_of(world), name="oracle"))
    rows = [row for result in results for row in result.rows]
    entries = Library.from_rows(rows, tmp_path / "c", stems=("drums",)).entries
    assert {e.origin for e in entries} == {"oracle"}
    good = next(e for e in entries if e.track == "Good - Song")
    stems = song_two()
    for got, want in (
        (good.vocals, stems["vocals"]),
        (good.drums, stems["drums"]),
        (good.accompaniment, stems["drums"] + stems["bass"] + stems["other"]),
    ):
        assert got is not None
        np.testing.assert_allclose(got / 32767, want, atol=4 / 32767)
    # a scan of what was made finds the same stems
    plain = Library([world["out"]], tmp_path / "c")
    assert {e.track for e in plain.entries} == {e.track for e in entries}


def test_another_format_takes_the_place_and_edits_stay(world):
    words = (world["todo"], "--teacher", line_of(world), "-o", world["out"])
    run(*words)
    path = world["out"] / "manifest.csv"
    text = path.read_text("utf-8").replace(",Good,", ",The Good,").replace("unknown", "CC BY")
    head, *lines = text.splitlines()
    path.write_text("\n".join([f"{head},mood", *(f"{line},glad" for line in lines)]), "utf-8")
    code, _ = run(*words, "--format", "wav")
    assert code == 1
    rows = read_manifest(path)
    assert len(rows) == 10 and all(row.path.exists() for row in rows)
    assert {row.artist for row in rows} == {"The Good", "Ä"}
    assert {row.licence for row in rows} == {"CC BY"}
    assert {row.further for row in rows} == {(("mood", "glad"),)}
    assert {r.path.suffix for r in rows if r.origin} == {".wav"}
    assert sorted(p.name for p in (world["out"] / "Good - Song").iterdir()) == [
        "bass.wav", "confidence.csv", "drums.wav", "other.wav", "teacher.json", "vocals.wav",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("next(output.rglob('vocals.wav')).unlink()", "wrote no vocals"),
        ("[p.unlink() for p in output.rglob('*.wav')]", "no stems at all"),
        ("next(output.rglob('drums.wav')).write_bytes(b'no')", "drums.wav"),
        ("p = next(output.rglob('bass.wav')); p.write_bytes(p.read_bytes()[:100_000])", "bass.wav"),
        (
            "import soundfile as s, numpy as n; p = next(output.rglob('vocals.wav'));"
            "a, r = s.read(p); s.write(p, n.roll(a, 600, 0), r)",
            "27.2 ms beside the song",
        ),
        (
            "import soundfile as s; p = next(output.rglob('vocals.wav'));"
            "a, r = s.read(p); a[5] = float('nan'); s.write(p, a, r, subtype='FLOAT')",
            "NaN",
        ),
        ("import os; os.kill(os.getpid(), 9)", r"failed \(signal 9\)"),
    ],
)
def test_what_a_teacher_does_wrong_is_told_and_leaves_nothing(world, spoil, words):
    world["script"].write_text(TEACHER + spoil + "\n", "utf-8")
    found, _ = songs_to_label(world["todo"] / "Good - Song.wav")
    (result,) = label_songs(found, world["out"], parse(line_of(world)))
    assert result.rows == []
    assert re.search(words, result.error), result.error
    assert list(world["out"].iterdir()) == []


def test_an_interrupted_teacher_leaves_nothing(world, monkeypatch):
    found, _ = songs_to_label(world["todo"])
    monkeypatch.setattr(
        ExternalSeparator, "run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        label_songs(found, world["out"], parse(line_of(world)))
    assert list(world["out"].iterdir()) == []


def test_where_nothing_is_labelled_no_manifest_is_named(world):
    command = f"{sys.executable} -c 'raise SystemExit(1)' {{input}} {{output}}"
    code, text = run(world["todo"], "-o", world["out"], "--teacher", command)
    assert code == 2 and "0 of 3 songs labelled, nothing was written" in text
    assert not (world["out"] / "manifest.csv").exists()


def test_a_teacher_that_hangs_is_ended_when_its_time_is_over(world):
    command = f"{sys.executable} -c 'import time; time.sleep(60)' {{input}} {{output}}"
    words = ("-o", world["out"], "--teacher", command, "--timeout", 0.2)
    code, text = run(world["todo"], *words)
    assert code == 2 and text.count("took more than 0.2 s and was ended") == 3


def test_a_teacher_of_two_stems_and_one_of_vocals_alone(world):
    """Demucs' no_vocals is the accompaniment; where only vocals come, the rest is the rest."""
    keep_two = (
        "import soundfile as s; d = next(output.rglob('vocals.wav')).parent;"
        "a = sum(s.read(d / f'{n}.wav')[0] for n in ('drums', 'bass', 'other'));"
        "[(d / f'{n}.wav').unlink() for n in ('drums', 'bass', 'other')];"
    )
    for more in ("s.write(d / 'no_vocals.wav', a, 22050, subtype='FLOAT')", ""):
        world["script"].write_text(TEACHER + keep_two + more + "\n", "utf-8")
        found, _ = songs_to_label(world["todo"] / "Good - Song.wav")
        (result,) = label_songs(found, world["out"], parse(line_of(world, more or "x")))
        assert [row.stem for row in result.rows] == ["mixture", "accompaniment", "vocals"]
        stems = song_two()
        rest, _ = read(world["out"] / "Good - Song" / "accompaniment.flac")
        want = stems["drums"] + stems["bass"] + stems["other"]
        np.testing.assert_allclose(rest, np.clip(want, -1, 1), atol=2 / 32767)


def test_games_songs_are_summed_first(tmp_path: Path, world):
    """Guitar and the rest are one song to a teacher, as one file."""
    stems = song_two()
    folder = tmp_path / "game" / "x"
    write(folder / "guitar.wav", stems["other"], RATE)
    write(folder / "song.wav", stems["vocals"] + stems["drums"] + stems["bass"], RATE)
    (folder / "song.ini").write_text("[song]\nartist = Good\nname = Song\n")
    found, problems = songs_to_label(tmp_path / "game")
    assert problems == []
    (result,) = label_songs(found, world["out"], parse(line_of(world)))
    assert result.error == ""
    assert result.confidence is not None and result.confidence.residual_db.min() > 55
    assert {row.stem for row in result.rows} == set(songs.STEMS)


def test_an_output_that_cannot_be_made_is_an_error_before_any_work(world):
    found, _ = songs_to_label(world["todo"])
    with pytest.raises(AudioError, match="a part of its folder is a file"):
        label_songs(found, world["script"] / "below a file", parse(line_of(world)))
    with pytest.raises(InputError, match="kind 'wma'"):
        label_songs(found, world["out"], parse(line_of(world)), container="wma")
    assert not (world["truth"] / "asked.txt").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--split", "trian", "split 'trian'"),
        ("--format", "wma", "kind 'wma'"),
        ("--manifest", "m.txt", "end the name in"),
    ],
)
def test_wrong_words_are_told_before_the_songs_are_looked_for(tmp_path, option, value, words):
    """There are none: that would be said, had it come first."""
    code, text = run(tmp_path, "--model", "vocals", "-o", tmp_path / "out", option, value)
    assert code == -1 and words in text and not (tmp_path / "out").exists()


def test_labels_may_lie_beside_the_songs_and_names_may_meet(world):
    """A second run does not take what the first made for songs; A/B is not A_B."""
    (world["todo"] / "Bad - Song.wav").unlink()
    out = world["todo"] / "taught"
    words = (world["todo"], "--teacher", line_of(world), "-o", out)
    assert run(*words)[0] == 0
    code, text = run(*words)
    assert code == 0 and text.count("done before") == 2
    found, _ = songs_to_label(world["todo"], how=Hints(without=(out,)))
    names = ("Good/Song", "good_song")
    both = [[replace(row, track=name) for row in found[0]] for name in names]
    results = label_songs(both, world["out"], parse(line_of(world)))
    made = [{row.path.parent.name for row in result.rows if row.origin} for result in results]
    assert made == [{"Good_Song"}, {"good_song (2)"}]


def test_songs_that_have_vocals_are_not_labelled(world):
    _, problems = songs_to_label(world["truth"].parent)
    assert sum("has vocals already" in problem for problem in problems) == 3
    with pytest.raises(InputError, match="holds no song to label"):
        songs_to_label(world["truth"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python {input}", "no {output}"),
        ("python {output}", "no {input}"),
        ("python '{input} {output}", "quotes"),
        ("no-such-program-here {input} {output}", "no such program"),
        ("no-such-program-here --serve", "no such program"),
        ("python --serve {input}", "no {output}"),
    ],
)
def test_a_teacher_that_cannot_work_is_refused_before_it_starts(line, words):
    with pytest.raises(InputError, match=words):
        parse(line)


def test_teachers_have_names():
    python = shlex.quote(sys.executable)
    assert parse(f"{python} -m isolde separate {{input}} -o {{output}}").name == "isolde"
    assert parse(f"{python} a/htdemucs.py {{input}} {{output}}").name == "htdemucs"
    assert parse(f"{python} {{input}} {{output}}", name="x").name == "x"
    assert file_name('AC/DC: "What?" ') == "AC_DC_ _What__"
    assert file_name("..") == "song"


# The same teacher, but it stays: it counts how often it is started, breaks off in the first song.
STAYING = """
import json, shutil, sys
from pathlib import Path
truth = Path(sys.argv[2])
with (truth / "asked.txt").open("a", encoding="utf-8") as log:
    log.write("started\\n")
for line in sys.stdin:
    task, answer = json.loads(line), {}
    song = Path(task["input"]).stem
    if song == "Bad - Song":
        sys.exit()
    if song.startswith("Ä"):
        answer = {"error": "cannot separate this one"}
    else:
        shutil.copytree(truth / song, Path(task["output"]) / "model")
    print(json.dumps(answer), flush=True)
"""


def test_a_teacher_may_stay_for_all_songs(world):
    world["script"].write_text(STAYING, "utf-8")
    shutil.copytree(world["truth"] / "Good - Song", world["truth"] / "Too - Song")
    shutil.copy(world["todo"] / "Good - Song.wav", world["todo"] / "Too - Song.wav")
    words = (sys.executable, str(world["script"]), "--serve", str(world["truth"]))
    code, text = run(world["todo"], "--teacher", shlex.join(words), "-o", world["out"])
    assert code == 1 and "2 of 4 songs labelled" in text
    assert "failed: cannot separate this one" in text and "broke off" in text
    assert asked(world) == ["started", "started"]  # again after it broke off, and not for each
    rows = read_manifest(world["out"] / "manifest.csv")
    assert {r.origin for r in rows if r.stem == "vocals"} == {"teacher"}
    assert sorted({r.track for r in rows}) == ["Good - Song", "Too - Song"]


@pytest.mark.slow
def test_isolde_is_a_teacher(tmp_path: Path):
    """Our own separator by its command line; its two stems sum to the song to 16 bits."""
    stems = songs.make_song(1, seconds=3.0, sample_rate=44100)
    song = tmp_path / "in" / "A - B.wav"
    write(song, np.sum(list(stems.values()), axis=0), 44100)
    line = f"{shlex.quote(sys.executable)} -m isolde separate {{input}} -o {{output}}"
    code, text = run(tmp_path / "in", "--teacher", line, "-o", tmp_path / "out", "--split", "test")
    assert code == 0 and "1 of 1 songs labelled" in text
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert [(r.stem, r.split, r.origin) for r in rows] == [
        ("mixture", "test", ""), ("accompaniment", "test", "isolde"), ("vocals", "test", "isolde"),
    ]  # fmt: skip
    lines = read_confidence(tmp_path / "out" / "A - B" / "confidence.csv")
    assert [line["second"] for line in lines] == [0, 1, 2]
    assert min(line["residual_db"] for line in lines) > 55


def test_a_model_is_a_teacher_without_a_command(tmp_path: Path):
    """Its labels are what the model separates, named by it, and made once."""
    from isolde.separation.load import separate

    stems = songs.make_song(1, seconds=3.0, sample_rate=44100)
    song = tmp_path / "in" / "A - B.wav"
    write(song, np.sum(list(stems.values()), axis=0), 44100)
    words = (tmp_path / "in", "--model", "vocals", "-o", tmp_path / "out", "--format", "wav")
    code, text = run(*words)
    assert code == 0 and "1 of 1 songs labelled" in text
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert {r.origin for r in rows if r.stem != "mixture"} == {"vocals"}
    exact = separate(song, model="vocals")["vocals"]
    made, _ = read(tmp_path / "out" / "A - B" / "vocals.wav")
    assert null_depth(made, exact) < -60
    assert "done before" in run(*words)[1]
    for more in (("--teacher", "x {input} {output}"), ()):
        code, text = run(tmp_path / "in", *(("--model", "vocals") if more else ()), *more)
        assert code and "not both" in text
    ears = replace(find("vocals").card, name="ears", stems=(), residual="")
    silent = save(tmp_path, ears, find("vocals").path.read_bytes()).path
    code, text = run(tmp_path / "in", "--model", silent, "-o", tmp_path / "other")
    assert code and "separates nothing" in text


# --- confidence --------------------------------------------------------------------------------


def noise(seed: int) -> Float32:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, 4 * RATE))).astype(np.float32)


def test_confidence_tells_good_seconds_from_bad_ones():
    v, a = noise(1), noise(2)
    mixture = v + a
    mixture[:, 3 * RATE :] = 0
    vocals, rest = v.copy(), a.copy()
    vocals[:, RATE : 2 * RATE] *= 0.5  # loses half of the voice: 1 / 8 of the mixture's energy
    bleed = a[:, 2 * RATE : 3 * RATE]  # a second in which the band is shared by both
    vocals[:, 2 * RATE : 3 * RATE] += 0.5 * bleed
    rest[:, 2 * RATE : 3 * RATE] -= 0.5 * bleed
    vocals[:, 3 * RATE :] = rest[:, 3 * RATE :] = 0
    found = confidence_of(mixture, {"vocals": vocals, "drums": rest}, RATE)
    good, lost, shared, silent = found.confidence
    assert good > 0.95 and silent == 1
    assert found.residual_db[1] == pytest.approx(10 * np.log10(8), abs=0.2)
    assert lost == pytest.approx(found.residual_db[1] / 15, abs=0.05)
    # <v + a/2, a/2> / (|v + a/2| |a/2|) = (1/4) / (sqrt(5/4) / 2)
    assert found.correlation[2] == pytest.approx(0.447, abs=0.02)
    assert shared == pytest.approx(1 - 0.447, abs=0.03)
    assert found.vocals_db[0] == pytest.approx(-3.0, abs=0.2)


def test_confidences_come_back(tmp_path: Path):
    found = confidence_of(noise(1) + noise(2), {"vocals": noise(1), "other": noise(2)}, RATE)
    found.write(tmp_path / "c.csv")
    lines = read_confidence(tmp_path / "c.csv")
    assert len(lines) == 4
    for name in ("mixture_db", "residual_db", "vocals_db", "correlation", "confidence"):
        np.testing.assert_allclose([x[name] for x in lines], getattr(found, name), atol=6e-4)


def test_hints_reach_the_rows(world):
    found, _ = songs_to_label(world["todo"], how=Hints(artist="Me", licence="CC BY"))
    assert {(r.artist, r.licence) for rows in found for r in rows} == {("Me", "CC BY")}
    write_manifest([r for rows in found for r in rows], world["todo"] / "m.csv")
    assert all(r.path.exists() for r in read_manifest(world["todo"] / "m.csv"))
