"""`isolde evaluate` as it is typed: what it writes and refuses; workers change nothing."""

import importlib.util
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import isolde
from isolde.cli import app
from isolde.core.errors import InputError, MissingExtraError
from isolde.evaluation import command, robustness
from isolde.evaluation.candidates import baselines, models, oracles
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.identity import code_digest, separation_modules
from isolde.evaluation.distortions import Distortion, mono
from isolde.evaluation.runner import evaluate, read_results
from isolde.evaluation.songs import find_songs
from isolde.models import catalogue

RATE = 22_050


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two songs of 1.2 s: a tone that stops half way, and noise."""
    root = tmp_path_factory.mktemp("songs")
    time = np.arange(round(1.2 * RATE)) / RATE
    for seed in range(2):
        folder = root / f"Artist {seed} - Song"
        folder.mkdir()
        noise = 0.05 * np.random.default_rng(seed).standard_normal((time.size, 2))
        tone = 0.2 * np.sin(2 * np.pi * (300 + 100 * seed) * time) * (time < 0.6)
        stems = {"vocals": np.stack([tone, tone], axis=1), "other": noise}
        for name, audio in stems.items():
            soundfile.write(folder / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return root


def typed(*words: object):
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


@pytest.mark.slow
def test_one_command_writes_every_file(data, tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("scipy")
    done = typed("--data", data, "-o", tmp_path, "--limit", 1, "--bsseval", "--parquet", "-q")
    assert done.exit_code == 0, done.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("results.jsonl", "costs.jsonl", "run.json", "songs.csv", "songs.parquet", "museval"),
        *("summary.md", "summary.json", "report.html"),
    }
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text in done.output
    for heading in ("Summary", "BSSEval v4", "Voice activity", "Song by song against vocals"):
        assert f"## {heading}\n" in text
    assert len(list((tmp_path / "museval").rglob("*.json"))) == 8
    # the truth is called sung by the rule that labels it: the oracle's row is nearly perfect
    activity = text.split("## Voice activity")[1]
    oracle = next(x for x in activity.splitlines() if x.startswith("| oracle binary mask"))
    assert float(oracle.split(" | ")[1]) > 80
    head, _, vocals = text.splitlines()[2:5]
    latency = vocals.split(" | ")[head.split(" | ").index("latency, ms")]
    found = models.model("vocals").latency_seconds
    assert float(latency) == pytest.approx(1000 * found, abs=0.1)


def test_robustness_is_asked_for_by_an_option(data, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "standard", lambda: [Distortion("mono", mono)])
    done = typed("--data", data, "-o", tmp_path, "--robustness", "-q")
    assert done.exit_code == 0, done.output
    assert "| change | vocals | oracle power ratio mask |" in done.output
    losses = json.loads((tmp_path / "robustness.json").read_text())
    assert losses["mono"]["vocals"]["median"]["n"] == 2
    assert typed("--data", data, "-o", tmp_path, "--robustness", "--bsseval").exit_code == 2


@pytest.mark.slow
def test_a_bad_song_is_in_the_exit_code_and_in_the_table(data, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure_costs", lambda *_, **__: [])
    for name in ("Artist 0 - Song", "Artist 1 - Song"):
        shutil.copytree(data / name, tmp_path / "songs" / name)
    (tmp_path / "songs" / "Artist 1 - Song" / "other.wav").write_bytes(b"not audio")
    done = typed("--data", tmp_path / "songs", "-o", tmp_path / "out", "-q")
    assert done.exit_code == 1
    assert "1 (1 failed)" in done.output and "other.wav" in done.output


def plain(results):
    """What of results must not depend on who did the work: all but times."""
    times = ("cpu_seconds", "wall_seconds")
    return [{k: v for k, v in r.to_json().items() if k not in times} for r in results]


def test_results_are_the_same_whoever_does_the_work(data, tmp_path):
    songs = find_songs(data)
    candidates = [Candidate("centre", baselines.centre), oracles.oracles()[0]]
    here = evaluate(songs, candidates, results=tmp_path / "1.jsonl")
    pooled = evaluate(songs, candidates, results=tmp_path / "2.jsonl", jobs=2)
    assert plain(here) == plain(pooled)
    assert not any(result.error for result in here)


@pytest.mark.slow
def test_dask_does_the_work_too(data, tmp_path):
    distributed = pytest.importorskip("distributed")
    songs, candidates = find_songs(data), [Candidate("centre", baselines.centre)]
    here = evaluate(songs, candidates, results=tmp_path / "1.jsonl")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        there = evaluate(
            songs,
            candidates,
            results=tmp_path / "2.jsonl",
            scheduler=cluster.scheduler_address,
        )
    assert plain(here) == plain(there)


def test_every_thread_has_a_separator_of_its_own():
    """One that two threads feed in turns mixes up their songs."""
    rng = np.random.default_rng(0)
    songs = [rng.uniform(-0.5, 0.5, (2, RATE * 2)).astype(np.float32) for _ in range(2)]
    separate = models.model("vocals").separate
    alone = [separate(song, RATE)["vocals"] for song in songs]
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            both = threads.map(lambda song: separate(song, RATE)["vocals"], songs)
            for one, expected in zip(both, alone, strict=True):
                np.testing.assert_allclose(one, expected, atol=1e-6)


def test_a_model_and_songs_by_relative_paths_hold_elsewhere(data, tmp_path, monkeypatch):
    found = catalogue.find("vocals")
    catalogue.save(tmp_path / "mine", found.card, found.path.read_bytes())
    monkeypatch.chdir(tmp_path)
    name = next(Path("mine").glob("*.onnx"))
    settings = models.model(str(name)).separate.settings
    assert settings.model == str(tmp_path / name)


@pytest.mark.slow
def test_a_worker_with_threads_and_another_folder_measures_the_same(data, tmp_path, monkeypatch):
    """Songs at once in one process, and paths that are relative to where the command was typed."""
    distributed = pytest.importorskip("distributed")
    shutil.copytree(data, tmp_path / "songs")
    monkeypatch.chdir(tmp_path)
    songs, candidates = find_songs("songs"), [models.model("vocals")]
    here = evaluate(songs, candidates, results=tmp_path / "1.jsonl")
    (tmp_path / "elsewhere").mkdir()
    told: list[str] = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        with distributed.Client(cluster) as client:
            client.run(os.chdir, str(tmp_path / "elsewhere"))
        there = evaluate(
            songs,
            candidates,
            results=tmp_path / "2.jsonl",
            scheduler=cluster.scheduler_address,
            notify=told.append,
        )
    assert not any(result.error for result in there)
    assert plain(here) == plain(there)
    assert "dashboard" in told[0]


def test_the_rules_are_a_model_like_any_other(monkeypatch):
    pytest.importorskip("librosa")
    rules = models.model("rules")
    assert rules.kind == "model" and rules.model_bytes is None
    assert rules.latency_seconds == pytest.approx(11.05, abs=0.1)  # docs/guide/rules.md
    quiet = np.zeros((2, RATE), np.float32)
    assert set(rules.separate(quiet, RATE)) == {"vocals", "accompaniment"}

    def missing(*_: object, **__: object) -> None:
        raise MissingExtraError("librosa", extra="rules", purpose="the rules")

    models._loaded.cache_clear()
    monkeypatch.setattr(models, "make_separator", missing)
    with pytest.raises(MissingExtraError, match="librosa"):
        models.model("rules")


def test_the_options_of_a_model_come_in_any_order():
    settings = models.model("vocals:threshold=0.4,binary").separate.settings
    assert settings == models.model("vocals:binary,threshold=0.4").separate.settings
    assert (settings.mask, settings.threshold) == ("binary", 0.4)
    with pytest.raises(InputError, match="strength 2 needs a soft mask"):
        models.model("vocals:strength=2,binary")


def test_an_identity_follows_what_a_card_says_of_hearing(tmp_path):
    found = catalogue.find("vocals")
    identities = set()
    heard = ({"level_db": -14.0}, {"level_seconds": 0.5}, {"lowest_hz": 0.0})
    for number, change in enumerate(({}, *heard, {"limits": "x"})):
        folder = tmp_path / str(number)
        card = replace(found.card, **change)
        saved = catalogue.save(folder, card, found.path.read_bytes())
        identities.add(models.model(str(saved.path)).identity)
    assert len(identities) == 4  # what is said for people changes nothing


def test_an_identity_follows_the_code_and_not_its_comments(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "some_separator.py"
    digests = []
    for text in ("x = 1\n", '"""What."""\n\n# why\nx = 1\n', "x = 2\n"):
        module.write_text(text)
        code_digest.cache_clear()
        digests.append(code_digest("some_separator"))
    assert digests[0] == digests[1] != digests[2]
    with pytest.raises(ModuleNotFoundError):
        code_digest("no_such_module")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vocals", "vocals:gate", "rules"])
def test_the_fingerprint_lists_every_module_that_a_separation_runs_through(name):
    """What is called between a mixture at another rate and its stems is followed, call by call."""
    if name == "rules":
        pytest.importorskip("librosa")
    package, called = Path(isolde.__file__).parent, set()

    def follow(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(package):
            called.add(".".join(path.relative_to(package.parent).with_suffix("").parts))

    mixture = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 20_000)).astype(np.float32)
    separator = models.model(name).separate
    separator(mixture, 32_000)  # what is imported and compiled on the way is not followed
    models._loaded.cache_clear()
    sys.setprofile(follow)
    try:
        separator(mixture, 32_000)
    finally:
        sys.setprofile(None)
    listed = separation_modules(rules=name == "rules", gate="gate" in name)
    # They find a model and read its card, whose checksum is in the identity already.
    about = {
        "isolde.models.catalogue",
        "isolde.models.loading",
        "isolde.models.card",
        "isolde.models.card_files",
        "isolde.models.sources",
        "isolde.core.config",
        "isolde.core.stems",
    }
    assert {
        m for m in called if m.startswith(("isolde.core.signal.resample", "isolde.separation.load"))
    }
    assert {
        module
        for module in called - about
        if not module.startswith("isolde.evaluation")
        and not any(module == name or module.startswith(f"{name}.") for name in listed)
    } == set()


def script_of(name: str):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_script", path)
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_results_are_rekeyed_only_where_the_numbers_are_the_same(data, tmp_path):
    songs, path, rekey = find_songs(data), tmp_path / "r.jsonl", script_of("rekey").rekey

    def centre(identity):
        return Candidate("centre", baselines.centre, identity=identity)

    before = evaluate(songs, [centre("old")], results=path)
    path.write_text(path.read_text().replace(songs[0].stamp, "").replace(songs[1].stamp, "other"))
    (done,) = rekey(path, songs, [centre("new")], check=2)
    assert (done.n_results, {r.identity for r in read_results(path)}) == (1, {"old", "new"})
    path.write_text(path.read_text().replace('"other"', '""').replace('"new"', '"old"'))
    (done,) = rekey(path, songs, [centre("new")], check=2)
    assert (done.n_results, len(done.checked), done.worst) == (len(songs), min(2, len(songs)), 0.0)
    seen = []
    after = evaluate(songs, [centre("new")], results=path, progress=lambda *x: seen.append(x))
    assert seen == [] and [r.metrics for r in after] == [r.metrics for r in before]
    other = Candidate("centre", baselines.mixture, identity="newer")
    (done,) = rekey(path, songs, [other])
    assert done.n_results == 0 and done.worst > 0.1
    assert {r.identity for r in read_results(path)} == {"new"}


def test_the_script_of_the_docs_replaces_what_lies_between_the_marks(tmp_path):
    script = script_of("results")
    page, mark = tmp_path / "page.md", script.MARK.format("results")
    page.write_text(f"before\n{mark}\nold\n{script.END}\nafter\n")
    for _ in range(2):  # doing it again changes nothing
        script.paste(page, "results", "## Summary\n\nnew\n")
        assert page.read_text() == (
            f"before\n{mark}\n\n### Summary\n\nnew\n\n{script.END}\nafter\n"
        )
    with pytest.raises(SystemExit, match="no marks"):
        script.paste(page, "robustness", "new")
    for name in ("results", "robustness"):
        text = (script.DOCS / f"{name}.md").read_text(encoding="utf-8")
        assert 0 < text.index(script.MARK.format(name)) < text.index(script.END)
