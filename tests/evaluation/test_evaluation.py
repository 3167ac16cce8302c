"""The machinery of a table: songs, candidates, runs that resume, tables, peers by command line."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.songs import three_songs
from isolde.core.errors import AudioError, InputError
from isolde.datasets import scan
from isolde.datasets.manifest import write_manifest
from isolde.datasets.mixing.library import Library
from isolde.evaluation import command, exports, tables
from isolde.evaluation.candidates import baselines
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.runner import evaluate, measure_song, read_results
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Stems, find_songs
from isolde.evaluation.summaries import paired

RATE = 8000


def leaky(mixture, sample_rate, *, gain):
    """A separator that gives the mixture at a gain: its uSDR follows from the energies."""
    return {"vocals": (gain * mixture).astype(np.float32)}


def broken(mixture, sample_rate):
    raise ValueError("the network\nis gone")


def killed(mixture, sample_rate):
    if mixture.max() > 0.9:  # by one song only, see below
        os._exit(9)
    return {"vocals": mixture}


def truth(stems: Stems):
    return {"vocals": stems.vocals}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_songs(tmp_path / "data", RATE)


def test_songs_are_found_with_their_artists(data):
    songs = find_songs(data)
    assert [song.track for song in songs] == [
        "Ann - Song 0",
        "Ann - Song 2",
        "Ben - Song 1",
    ]
    assert [song.artist for song in songs] == ["Ann", "Ann", "Ben"]
    assert [song.track for song in find_songs(data, limit=2)] == [
        "Ann - Song 0",
        "Ann - Song 2",
    ]
    stems = songs[0].load()
    assert stems.mixture.shape == (2, RATE * 3 // 2) and stems.seconds == 1.5
    assert np.array_equal(stems.mixture, stems.vocals + stems.accompaniment)


def test_a_mixture_file_is_the_mixture(data):
    folder = data / "test" / "Ben - Song 1"
    limited = np.full((RATE * 3 // 2, 2), 0.25)
    soundfile.write(folder / "mixture.wav", limited, RATE, subtype="FLOAT")
    stems = find_songs(data)[2].load()
    assert np.all(stems.mixture == 0.25)
    for stem in ("drums", "other"):
        (folder / f"{stem}.wav").unlink()
    pair = find_songs(data)[2].load()
    assert np.array_equal(pair.accompaniment, pair.mixture - pair.vocals)


@pytest.mark.slow
def test_the_manifest_that_a_scan_writes_names_the_same_songs(data, tmp_path, isolde):
    code, _, err = isolde("data", "scan", data, "-o", "songs.csv")
    assert code == 0, err
    songs = find_songs(tmp_path / "songs.csv")
    assert [(s.track, s.artist) for s in songs] == [(s.track, s.artist) for s in find_songs(data)]
    for one, other in zip(songs, find_songs(data), strict=True):
        a, b = one.load(), other.load()
        assert np.array_equal(a.vocals, b.vocals) and np.array_equal(a.mixture, b.mixture)
        assert a.parts.keys() == b.parts.keys() == {"drums", "other"}
    code, out, _ = isolde("evaluate", "--data", "songs.csv", "--models", ",", "--limit", 1)
    assert code == 0 and any("mixture" in line for line in out)


def test_every_reader_gives_a_song_the_same_artist(tmp_path):
    """Evaluation took "Artist 1" of "Artist 1_take"; training took what is before the "_"."""
    for name in ("Ann - Song", "singer_4_05", "03 - Title"):
        for stem in ("vocals", "drums"):
            path = tmp_path / "album" / name / f"{stem}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros((900, 1)), RATE)
    (tmp_path / "album" / "tags.csv").write_text("song,artist\n03 - Title,Some One\n")
    measured = {song.track: song.artist for song in find_songs(tmp_path)}
    trained = {e.track: e.artist for e in Library([tmp_path], tmp_path / "cache").entries}
    assert measured == trained
    assert measured == {"Ann - Song": "Ann", "singer_4_05": "singer", "03 - Title": "Some One"}


def test_songs_without_a_truth_are_left_out_and_named(data):
    root, lines = data / "test", []
    (root / "Ann - Song 0" / "vocals.wav").unlink()
    rows = [
        replace(row, origin="htdemucs" if row.track == "Ann - Song 2" else "")
        for row in scan([root]).rows
    ]
    write_manifest(rows, root / "m.csv")
    assert [s.track for s in find_songs(root / "m.csv", report=lines.append)] == ["Ben - Song 1"]
    assert lines == [
        "'Ann - Song 0': has the stems drums, other: needs vocals and at least one other",
        "'Ann - Song 2': its stems are estimates by htdemucs, and no truth to measure against",
    ]


def test_an_accompaniment_beside_its_parts_counts_once(data):
    folder = data / "test" / "Ben - Song 1"
    loaded = find_songs(data)[2].load()
    soundfile.write(folder / "accompaniment.wav", loaded.accompaniment.T, RATE, subtype="FLOAT")
    again = find_songs(data)[2].load()
    assert np.array_equal(again.accompaniment, loaded.accompaniment)
    assert np.array_equal(again.mixture, loaded.mixture)
    assert again.parts.keys() == {"drums", "other"}


def test_data_that_cannot_be_used_is_refused_with_its_name(data, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        find_songs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no songs"):
        find_songs(tmp_path / "empty")
    short = data / "test" / "Ben - Song 1" / "drums.wav"
    soundfile.write(short, np.zeros((9, 2)), RATE)
    with pytest.raises(AudioError, match=r"Ben.*\(drums\.wav 8000 Hz, 2 channels, 9 samples"):
        find_songs(data)[2].load()
    short.write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"drums\.wav"):
        find_songs(data)[2].load()


@pytest.mark.slow
def test_numbers_in_the_file_are_those_of_the_arrays(data, tmp_path):
    songs = find_songs(data)
    candidates = [
        Candidate("half", partial(leaky, gain=0.5)),
        Candidate("truth", oracle=truth, kind="oracle"),
        *baselines.floors(classical=False),
    ]
    results = evaluate(songs, candidates, results=tmp_path / "r.jsonl")
    by = {(result.candidate, result.track): result for result in results}
    assert len(by) == len(results) == 15 and not any(result.error for result in results)
    for song in songs:
        stems = song.load()
        v, a = stems.vocals.astype(float), stems.accompaniment.astype(float)
        half = 10 * np.log10(np.sum(v**2) / np.sum((v - 0.5 * (v + a)) ** 2))
        row = by["half", song.track]
        # 1e-4: the mixture is a float32 sum, the gain is applied in float32
        assert row.metrics["vocals_usdr"] == pytest.approx(half, abs=1e-4)
        assert by["silence", song.track].metrics["vocals_usdr"] == 0.0
        assert by["mixture", song.track].metrics["accompaniment_usdr"] == 0.0
        assert by["truth", song.track].metrics["vocals_usdr"] == 100.0
        assert np.isnan(row.metrics["silence_dbfs"]) and row.metrics["silence_seconds"] == 0
        assert row.seconds == 1.5 and row.cpu_seconds >= 0 and len(row.frames["vocals_usdr"]) == 2
    again = read_results(tmp_path / "r.jsonl")
    order = {(result.candidate, result.track): result for result in again}
    for key, result in by.items():
        assert order[key].to_json() == result.to_json()


@pytest.mark.slow
def test_a_run_resumes_and_measures_only_what_is_missing_failed_or_changed(data, tmp_path):
    songs, path = find_songs(data), tmp_path / "r.jsonl"
    seen = []

    def progress(done, todo, result):
        seen.append((done, todo, result.candidate))

    def candidates(gain):
        return [Candidate("leaky", partial(leaky, gain=gain), identity=str(gain))]

    evaluate(songs[:2], candidates(0.5), results=path, progress=progress)
    assert seen == [(1, 2, "leaky"), (2, 2, "leaky")]
    text = path.read_text()
    path.write_text(text + text[:25])  # killed while writing
    seen.clear()
    evaluate(songs, candidates(0.5), results=path, progress=progress)
    assert seen == [(1, 1, "leaky")]
    assert path.read_text().startswith(text) and path.read_text().count("\n") == 3
    seen.clear()
    results = evaluate(songs, candidates(0.25), results=path, progress=progress)
    assert len(seen) == 3 and {result.identity for result in results} == {"0.25"}
    path.write_text("nonsense\n" + text)
    with pytest.raises(InputError, match="line 1"):
        read_results(path)


def test_results_of_other_audio_are_not_taken_for_these(data, tmp_path):
    seen = []
    again = partial(
        evaluate,
        candidates=[Candidate("leaky", partial(leaky, gain=0.5))],
        results=tmp_path / "r.jsonl",
        progress=lambda done, todo, result: seen.append(result.track),
    )
    before = again(find_songs(data))
    again([song.absolute() for song in find_songs(data)])
    assert len(seen) == 3  # the same songs, by whatever paths
    path = data / "test" / "Ben - Song 1" / "vocals.wav"
    audio, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * audio, rate, subtype="FLOAT")
    after = again(find_songs(data))
    assert seen[3:] == ["Ben - Song 1"] and after[:2] == before[:2]
    assert after[2].metrics != before[2].metrics
    other = three_songs(tmp_path / "other", RATE)
    again(find_songs(other))
    assert len(seen) == 7


def slow(mixture, sample_rate, *, barrier):
    barrier.wait(5)
    return {"vocals": mixture}


def test_threads_that_measure_at_once_tell_no_cpu_time(data):
    """The clock of the process counts them all."""
    songs = find_songs(data)[:2]
    candidate = Candidate("slow", partial(slow, barrier=threading.Barrier(2)))
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(measure_song, [(song, [candidate]) for song in songs]))
    assert [result["cpu_seconds"] for (result,) in both] == [None, None]
    (alone,) = measure_song((songs[0], [Candidate("leaky", partial(leaky, gain=0.5))]))
    assert alone["cpu_seconds"] >= 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_song_or_candidate_costs_nobody_else(data, tmp_path, jobs):
    songs = find_songs(data)
    (data / "test" / "Ben - Song 1" / "drums.wav").write_bytes(b"not audio")
    candidates = [Candidate("mixture", baselines.mixture), Candidate("broken", broken)]
    results = evaluate(songs, candidates, results=tmp_path / "r.jsonl", jobs=jobs)
    errors = {(result.candidate, result.track[-6:]): result.error for result in results}
    assert errors["mixture", "Song 0"] is None and errors["mixture", "Song 2"] is None
    assert "drums.wav" in errors["mixture", "Song 1"]
    assert errors["broken", "Song 0"] == "ValueError: the network is gone"
    table = tables.summary_table(results).markdown()
    assert "2 (1 failed)" in table and "0 (3 failed)" in table
    text = command.summary_text(results, made={}, base="mixture")
    assert text.count("drums.wav") == 1 and "* all candidates, Ben - Song 1: " in text
    assert text.count("* broken, ") == text.count("the network is gone") == 2


@pytest.mark.slow
def test_a_worker_that_dies_is_reported_and_costs_one_song(data, tmp_path):
    loud = np.full((RATE * 3 // 2, 2), 0.95)
    soundfile.write(data / "test" / "Ben - Song 1" / "mixture.wav", loud, RATE, subtype="FLOAT")
    candidates = [Candidate("killed", killed)]
    results = evaluate(find_songs(data), candidates, results=tmp_path / "r.jsonl", jobs=2)
    assert [result.error and "died" in result.error for result in results] == [None, None, True]


@pytest.mark.parametrize("wrong", ["shape", "nan", "name"])
def test_wrong_estimates_are_refused(data, wrong):
    def separate(mixture, sample_rate):
        if wrong == "shape":
            return {"vocals": mixture[:, :-1]}
        if wrong == "nan":
            return {"vocals": mixture * np.float32(np.nan)}
        return {"voice": mixture}

    with pytest.raises(InputError):
        Candidate("wrong", separate)(find_songs(data)[0].load())


def test_a_candidate_cannot_change_the_song(data):
    def vandal(mixture, sample_rate):
        mixture[:] = 0
        return {"vocals": mixture}

    stems = find_songs(data)[0].load()
    before = stems.mixture.copy()
    Candidate("vandal", vandal)(stems)
    assert np.array_equal(stems.mixture, before)


def row(candidate: str, track: str, value: float, kind: str = "model", **more) -> Result:
    metrics = {"vocals_usdr": value, "silence_dbfs": float("nan")}
    return Result(track, "A", candidate, kind, seconds=10.0, metrics=metrics, **more)


def test_the_table_shows_median_mean_interval_and_counts():
    results = [row("ours", str(i), v, cpu_seconds=0.5) for i, v in enumerate((1, 2, 6))]
    results += [row("floor", str(i), 0.0, kind="floor") for i in range(3)]
    results += [row("best", str(i), v, kind="oracle") for i, v in enumerate((9, float("nan"), 9))]
    lines = tables.summary_table(results).markdown().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| ours", "| floor", "| best"]
    assert "2.00 (3.00) [1.00, 6.00]" in lines[2] and "| 20 | 3 |" in lines[2]
    assert "9.00 (9.00) [9.00, 9.00] n=2" in lines[4]
    assert "inf" not in "".join(lines) and "nan" not in "".join(lines)
    comparison = paired(results, against="floor")["ours"]
    assert (comparison.wins, comparison.losses) == (3, 0)
    assert comparison.p_value == 0.25
    markdown = tables.paired_table({"ours": comparison}, against="floor").markdown()
    assert "+2.00 [1.00, 6.00]" in markdown and "3 / 0" in markdown
    records = json.loads(exports.summary_json(results))
    assert records[0]["medians"]["vocals_usdr"]["value"] == 2.0
    assert records[0]["medians"]["silence_dbfs"]["value"] is None


def test_songs_to_learn_from_are_told(data, tmp_path, isolde):
    rows = scan([data]).rows
    sides = dict(zip(sorted({row.track for row in rows}), ("train", "test", "train"), strict=True))
    write_manifest([replace(row, split=sides[row.track]) for row in rows], tmp_path / "songs.csv")
    code, _, err = isolde("evaluate", "--data", "songs.csv", "--models", ",")
    assert code == 0 and err[0].startswith("isolde: 2 of 3 songs are to learn from ('train'): ")
    code, _, err = isolde("evaluate", "--data", data, "--models", ",", "-o", "other")
    assert code == 0 and "learn" not in "".join(err)
