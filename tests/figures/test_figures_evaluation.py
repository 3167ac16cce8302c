"""The page of an evaluation: needs no network, escapes names, and shows what was measured."""

import base64
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from isolde.audio import read
from isolde.core.errors import MissingExtraError
from isolde.core.stage import Float32
from isolde.evaluation import Evaluation
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.metrics.ratios import usdr
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Song, Stems
from isolde.figures.reports.evaluation import box_plot, ranked, write_evaluation_report
from isolde.figures.reports.page import sound_source

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

RATE = 22_050


class Made(Song):
    """A song that needs no file."""

    def load(self) -> Stems:
        time = np.arange(RATE) / RATE
        vocals = 0.2 * np.sin(2 * np.pi * (300 + 100 * int(self.artist)) * time)[None]
        rest = 0.1 * np.sin(2 * np.pi * 90 * time)[None]
        v, a = vocals.astype(np.float32), rest.astype(np.float32)
        return Stems(v + a, v, a, RATE)


def half(mixture: Float32, sample_rate: int) -> dict[str, Float32]:
    return {"vocals": 0.5 * mixture}


class Page(HTMLParser):
    """What a reader would see, and what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def evaluation(tmp_path: Path) -> Evaluation:
    name = "half <b>"
    results = [
        Result(f"</script>{i}", str(i), name, "model", metrics={"vocals_usdr": float(value)})
        for i, value in enumerate((3.0, 1.0, 2.0, math.nan))
    ]
    results.append(Result("broken", "9", name, "model", error="no <i>luck</i>"))
    songs = [Made(r.track, r.artist, ()) for r in results[:4]]
    main = Candidate(name, half)
    return Evaluation(results, "", tmp_path, name, {"command": "a & b"}, 1, songs, main)


@pytest.mark.slow
def test_the_report_needs_no_network_and_names_are_escaped(tmp_path):
    path = write_evaluation_report(tmp_path / "report.html", evaluation(tmp_path))
    text, page = path.read_text(encoding="utf-8"), Page()
    page.feed(text)
    assert page.links and all(link.startswith("data:") for link in page.links)
    assert page.tags.count("audio") == 15 and page.tags.count("img") == 10
    assert (
        not {"b", "i"} & set(page.tags) and "a & b" in page.text and "no <i>luck</i>" in page.text
    )
    for label, track, value in (("best", 0, 3), ("median", 2, 2), ("worst", 1, 1)):
        assert f"{label}: </script>{track}, vocals uSDR {value}.00 dB" in page.text
    embedded = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert embedded["candidates"] == ["half <b>"]
    values = {track: row["half <b>"]["vocals_usdr"] for track, row in embedded["values"].items()}
    assert values == {f"</script>{i}": v for i, v in enumerate((3.0, 1.0, 2.0, None))}


def test_the_best_the_median_and_the_worst_are_picked(tmp_path):
    done = evaluation(tmp_path)
    picked = [("best", "0"), ("median", "2"), ("worst", "1")]
    assert [(label, r.artist) for label, r in ranked(done.results, done.base)] == picked
    two = [(label, r.artist) for label, r in ranked(done.results[:2], done.base)]
    assert two == [("best", "0"), ("worst", "1")]
    assert ranked(done.results, "nobody") == []


@pytest.mark.parametrize(("rate", "kind"), [(22_050, "mpeg"), (21_000, "ogg")])
def test_the_sound_in_the_page_is_the_sound(tmp_path, rate, kind):
    time = np.arange(rate) / rate
    sound = (0.3 * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)
    source = sound_source(sound, sample_rate=rate)
    head, data = source.split(",", 1)
    assert head == f"data:audio/{kind};base64"
    decoded, found = read(io.BytesIO(base64.b64decode(data)))
    assert found == rate
    n = min(sound.shape[1], decoded.shape[1])
    delay = int(np.argmax(np.correlate(decoded[0, :n], sound[0, : n // 2], "valid")))
    part = slice(delay, delay + n // 2)
    assert usdr(sound[:, : n // 2], decoded[:, part]) > 10


def test_box_plots_show_what_there_is():
    from PIL import Image

    plots = [
        box_plot({"a": [0.0] * 50 + [10.0] * 51, "b": [math.nan], "c": [5.0] * 9}, label="dB"),
        box_plot({"a": [0.0] * 50 + [10.0] * 51, "c": [5.0] * 9}, label="dB"),
        box_plot({"a": [0.0] * 50 + [10.0] * 51, "c": [7.0] * 9}, label="dB"),
    ]
    images = [np.asarray(Image.open(io.BytesIO(plot)).convert("RGB")) for plot in plots]
    assert np.array_equal(images[0], images[1]), "what has no value has no row"
    assert not np.array_equal(images[1], images[2])
    assert Image.open(io.BytesIO(box_plot({"b": [math.nan]}, label="dB"))).width > 100


def test_without_jinja_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"isolde\[figures\]"):
        write_evaluation_report(tmp_path / "report.html", evaluation(tmp_path))
    assert list(tmp_path.iterdir()) == []
