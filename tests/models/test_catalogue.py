"""Where models come from: the package, the user's folder, other packages, paths."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import windows
from isolde.core import packages
from isolde.core.errors import AudioError, InputError, ModelError
from isolde.models import catalogue, listing, sources
from isolde.models.additions import add_model, remove_model
from isolde.models.card_files import card_for
from isolde.models.overview import latency_of, overview
from isolde.models.window.recognition import Hints
from isolde.separation.load import load_separator


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of models that is not there yet."""
    monkeypatch.setenv(sources.FOLDER, str(tmp_path / "own" / "models"))
    return tmp_path / "own" / "models"


def test_the_users_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(sources.FOLDER)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert sources.user_folder() == Path("/data/isolde/models")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert sources.user_folder() == Path.home() / ".local" / "share" / "isolde" / "models"


def test_a_file_is_added_found_by_name_and_removed(tmp_path: Path, folder: Path):
    path = windows.mdx_net(tmp_path / "Some_Voc_FT.onnx", n_bins=1025)
    hints = Hints(stems=("vocals",), n_fft=2048, licence="CC BY 4.0")
    added = add_model(path, name="voc-ft", hints=hints)
    assert added.path == folder / "voc-ft.onnx"
    assert added.path.read_bytes() == path.read_bytes()
    found = catalogue.find("voc-ft")
    assert found.card.licence == "CC BY 4.0" and found.card.window == added.card.window
    found.session()  # verifies the checksum
    assert [row.name for row in overview() if row.origin == "added"] == ["voc-ft"]
    with pytest.raises(InputError, match="'voc-ft' is that of a model that was added"):
        add_model(path, name="voc-ft", hints=hints)
    assert sorted(p.name for p in remove_model("voc-ft")) == ["voc-ft.json", "voc-ft.onnx"]
    with pytest.raises(ModelError, match="not known"):
        catalogue.find("voc-ft")


def test_a_graph_that_takes_several_frames_at_once_is_as_late_as_its_first_frame_waits():
    card = catalogue.find("vocals-live").card
    later = latency_of(replace(card, step=card.step + 3)) - latency_of(card)
    assert later == pytest.approx(3 * card.grid.frame_seconds)


def test_a_model_that_cannot_be_added_leaves_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    path = windows.waves(tmp_path / "net.onnx", delay=0)
    with pytest.raises(AudioError, match="the disk is full"):
        add_model(path, hints=Hints(stems=("vocals",)))
    assert not folder.exists()


def test_a_file_with_a_card_keeps_it(tmp_path: Path):
    path = windows.spleeter(tmp_path / "mine.onnx", {"vocals": 1, "accompaniment": 1})
    add_model(path, name="first")
    card = sources.user_folder() / "first.json"
    values = json.loads(card.read_text())
    (tmp_path / "mine.json").write_text(json.dumps({**values, "limits": "none", "name": "mine"}))
    assert add_model(path).card.limits == "none"
    with pytest.raises(InputError, match="card beside it"):
        add_model(path, name="third", hints=Hints(n_fft=2048))


def test_what_cannot_be_added_leaves_nothing_behind(tmp_path: Path, folder: Path):
    (tmp_path / "text.onnx").write_text("no graph")
    nan = windows.write_graph(
        tmp_path / "vocals.onnx", {"a": [1, 2, 4096]}, {"b": [1, 2, 4096]}, [("Sqrt", ["a"], "b")]
    )
    for path, message in (
        (tmp_path / "text.onnx", "loaded"),
        (nan, "NaN"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(ModelError, match=message):
            add_model(path, name="bad")
    good = windows.waves(tmp_path / "good" / "vocals.onnx", delay=0)
    for name in ("vocals", "rules", "best", "../out", "a b"):
        with pytest.raises(InputError, match="name"):
            add_model(good, name=name)
    assert not folder.exists()


def test_a_graph_whose_weights_are_in_another_file_is_not_added(tmp_path: Path, folder: Path):
    onnx = pytest.importorskip("onnx")
    path = windows.mdx_net(tmp_path / "whole.onnx")
    (tmp_path / "parts").mkdir()
    parts = tmp_path / "parts" / "net.onnx"
    onnx.save_model(
        onnx.load(path), parts, save_as_external_data=True, location="net.data", size_threshold=0
    )
    hints = Hints(stems=("vocals",), n_fft=1024)
    card_for(parts, hints)  # can be loaded where it is
    with pytest.raises(ModelError, match="give a whole"):
        add_model(parts, hints=hints)
    assert not folder.exists()


def test_a_graph_that_does_not_fit_its_card_is_not_added(tmp_path: Path, folder: Path):
    model = catalogue.find("vocals-live")
    shutil.copy(model.path, tmp_path / "mine.onnx")
    card = replace(model.card, stems=("vocals", "drums"))
    (tmp_path / "mine.json").write_text(card.to_json())
    with pytest.raises(ModelError, match="its card has 2 stems"):
        add_model(tmp_path / "mine.onnx")
    assert not folder.exists()


def test_a_card_needs_no_checksum(tmp_path: Path):
    model = catalogue.find("vocals-live")
    shutil.copy(model.path, tmp_path / "mine.onnx")
    (tmp_path / "mine.json").write_text(replace(model.card, sha256="").to_json())
    assert catalogue.find(tmp_path / "mine.onnx").graph().width == model.graph().width


def test_members_of_an_ensemble_are_checked_and_found_from_another_folder(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    windows.waves(tmp_path / "nets" / "vocals.onnx", delay=0)
    monkeypatch.chdir(tmp_path)
    added = add_model(windows.ensemble(tmp_path, {"nets/vocals.onnx": 2.0, "vocals": 1.0}))
    monkeypatch.chdir("/")
    members = catalogue.members_of(catalogue.find("both").card)
    assert [model.card.name for model, _ in members] == ["vocals", "vocals"]
    assert added.card.members[0].model == str(tmp_path / "nets" / "vocals.onnx")
    drums = windows.waves(tmp_path / "drums.onnx", delay=0)
    with pytest.raises(
        ModelError, match="names 'drums', which is another ensemble or gives no vocals"
    ):
        add_model(windows.ensemble(tmp_path, {str(drums): 1.0}), name="other")


def test_members_of_an_ensemble_have_one_sample_rate(tmp_path: Path, folder: Path):
    paths = [windows.waves(tmp_path / k / "vocals.onnx", delay=0) for k in ("low", "high")]
    card = card_for(paths[1])
    assert card.window is not None
    other = replace(card, window=replace(card.window, sample_rate=48_000))
    paths[1].with_suffix(".json").write_text(other.to_json())
    with pytest.raises(ModelError, match="sample rates of 44100 and 48000 Hz"):
        add_model(windows.ensemble(tmp_path, {str(path): 1.0 for path in paths}))
    assert not folder.exists()


def test_the_name_of_a_model_is_that_of_its_file(tmp_path: Path, folder: Path):
    add_model(windows.waves(tmp_path / "vocals.onnx", delay=0), name="old")
    for path in folder.iterdir():
        path.rename(path.with_stem("new"))
    (folder / "._new.json").write_bytes(b"what another system keeps beside a file")
    assert catalogue.find("new").card.name == "new"
    assert [row.name for row in overview() if row.origin == "added"] == ["new"]
    assert listing.read_models().faults == []
    assert len(remove_model("new")) == 2


def test_a_name_that_no_file_can_have_is_not_known():
    with pytest.raises(ModelError, match="x' is not known: take one of"):
        catalogue.find("x" * 300)


def test_only_what_was_added_can_be_removed():
    with pytest.raises(InputError, match="came with isolde"):
        remove_model("vocals")
    with pytest.raises(InputError, match="was not added"):
        remove_model("nonesuch")


def test_a_changed_file_is_refused(tmp_path: Path):
    added = add_model(windows.waves(tmp_path / "vocals.onnx", delay=0), name="mine")
    data = bytearray(added.path.read_bytes())
    data[-1] ^= 1
    added.path.write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        load_separator("mine", sample_rate=44100, n_channels=2)


def test_a_package_gives_models_through_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    graph = windows.waves(tmp_path / "net.onnx", delay=0)
    card = json.loads(card_for(graph, Hints(stems=("vocals",))).to_json())

    class Entry:
        value = "theirs:models"

        @staticmethod
        def load():
            return lambda: [({**card, "name": "theirs"}, graph)]

    monkeypatch.setattr(packages.metadata, "entry_points", lambda group: [Entry] * (group != ""))
    assert catalogue.find("theirs").path == graph
    assert [row.name for row in overview() if row.origin == "package"] == ["theirs"]

    class Broken(Entry):
        @staticmethod
        def load():
            raise ImportError("no theirs")

    monkeypatch.setattr(packages.metadata, "entry_points", lambda group: [Broken])
    assert catalogue.find("vocals").card.name == "vocals"  # asks no package
    with pytest.raises(ModelError, match=r"theirs:models.*ImportError: no theirs"):
        catalogue.find("theirs")
    with pytest.raises(InputError, match="'theirs' is that of an installed package's model"):
        monkeypatch.setattr(packages.metadata, "entry_points", lambda group: [Entry])
        add_model(graph, name="theirs", hints=Hints(stems=("vocals",)))
    monkeypatch.setattr(packages.metadata, "entry_points", lambda group: [Broken, Entry])
    assert catalogue.find("theirs").path == graph  # of the one that is well


def test_one_that_cannot_be_used_is_told_and_stops_no_other(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    graph = windows.waves(tmp_path / "net.onnx", delay=0)
    add_model(graph, name="mine", hints=Hints(stems=("vocals",)))
    card = json.loads((folder / "mine.json").read_text())

    class Entry:
        value = "theirs:models"

        @staticmethod
        def load():
            names = ("vocals", "mine", "wrong")
            wrong = [({**card, "name": name, "stems": "vocals"}, graph) for name in names]
            return lambda: [*wrong, ({**card, "name": "lost"}, tmp_path / "lost.onnx")]

    monkeypatch.setattr(packages.metadata, "entry_points", lambda group: [Entry])
    (folder / "text.json").write_text("{")
    (folder / "rules.json").write_text("{}")
    (folder / "alone.json").write_text(json.dumps({**card, "name": "alone"}))
    members = [{"model": "nonesuch", "weight": 1}]
    mean = {**card, "name": "mean", "kind": "ensemble", "members": members, "window": None}
    (folder / "mean.json").write_text(json.dumps(mean))
    assert [row.name for row in overview() if row.origin != "shipped"] == ["mine"]
    faults = listing.read_models().faults
    assert [line.partition(": ")[0] for line in faults] == [
        *(str(folder / f"{name}.json") for name in ("alone", "mean", "rules", "text")),
        *(f"model '{name}' of a package" for name in ("vocals", "mine", "wrong", "lost")),
    ]
    assert "'nonesuch' is not known" in faults[1]


def test_the_latency_of_the_table_is_the_separators():
    for name in catalogue.names():
        card = catalogue.find(name).card
        if card.stems and card.kind == "stream":
            separator = load_separator(name, sample_rate=44100, n_channels=2)
            assert separator.latency == round(44100 * latency_of(card))
