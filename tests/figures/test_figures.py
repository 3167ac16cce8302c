"""Pictures: what is drawn lies where it sounds, and no song is too long to draw."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from isolde.audio import write
from isolde.core.errors import AudioError, InputError, MissingExtraError
from isolde.core.signal.log_frequency import log_rows, picture_grid
from isolde.figures import draw_song
from isolde.figures.canvas import Canvas, Columns, canvas_of, height
from isolde.figures.dataset import draw_dataset
from isolde.figures.overview import draw_activity, thinned
from isolde.figures.pairs import draw_page
from isolde.figures.reports.song import write_song_report
from isolde.figures.separation import draw_separation, mask_columns, separation_figure
from isolde.figures.spectrogram import Marks, mark, marks_of
from isolde.figures.style import check_picture, encode, new_axes, new_figure
from isolde.models import catalogue

pytest.importorskip("matplotlib")

RATE = 22_050
PNG = b"\x89PNG\r\n\x1a\n"


def tone(hertz: float, seconds: float, *, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)[None]


# --- the canvas --------------------------------------------------------------------------------


@pytest.mark.parametrize("hertz", [110.0, 440.0, 3000.0])
def test_a_tone_is_drawn_in_the_row_of_its_frequency_at_its_level(hertz: float):
    canvas = canvas_of(tone(hertz, 2.0), RATE)
    level = canvas.level()
    middle = level[:, level.shape[1] // 2]
    rows = np.geomspace(canvas.low, canvas.high, len(middle))
    found = rows[middle.argmax()]
    # Rows are 32 cents apart; below some hundred Hz the window's bins of 11 Hz are wider.
    assert abs(found - hertz) < max(hertz * 0.02, 0.5 * RATE / 2048)
    # A sine of 0.5 is at -6 dB. At 3 kHz a row averages 5 bins, of which a tone fills 1.5, and
    # halfway between two rows it has half of its weight in each: 8.4 dB less at most.
    assert -15 < middle.max() < -5.5


def test_a_burst_is_drawn_at_its_time():
    audio = np.zeros((1, 4 * RATE), np.float32)
    audio[:, int(2.5 * RATE)] = 1.0
    canvas = canvas_of(audio, RATE)
    at = canvas.power().sum(axis=0).argmax() * canvas.column_seconds
    assert at == pytest.approx(2.5, abs=canvas.column_seconds + canvas.grid.frame_seconds)


def test_blocks_do_not_change_the_picture():
    rng = np.random.default_rng(0)
    audio = rng.normal(size=(2, 3 * RATE)).astype(np.float32) * 0.1
    whole = canvas_of(audio, RATE)
    parts = Canvas(RATE, 2)
    for start in range(0, audio.shape[1], 999):
        parts.feed(audio[:, start : start + 999])
    parts.flush()
    assert np.allclose(parts.power(), whole.power(), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("n", [1, 10, 19, 20, 21, 79, 1000])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_columns_stay_few_and_keep_the_mean(n: int, size: int):
    rng = np.random.default_rng(n)
    values = rng.uniform(size=(n, 3)).astype(np.float32)
    columns = Columns(3, columns=10)
    for start in range(0, n, size):
        columns.put(values[start : start + size])
    drawn = columns.values()
    assert drawn.shape[1] == -(-n // columns.span)
    assert drawn.shape[1] <= 20
    spans = [min(columns.span, n - i * columns.span) for i in range(drawn.shape[1])]
    assert np.allclose(drawn @ np.array(spans) / n, values.mean(axis=0), atol=1e-5)


def test_a_long_song_is_held_in_few_columns():
    canvas = Canvas(8000, 1, columns=50)
    second = np.zeros((1, 8000), np.float32)
    for _ in range(120):
        canvas.feed(second)
    canvas.flush()
    assert canvas.seconds == 120
    assert canvas.power().shape[1] <= 100
    assert canvas.power().shape[1] * canvas.column_seconds == pytest.approx(120, rel=0.05)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
def test_the_window_is_2048_samples_and_longer_only_above_48_khz(rate: int):
    grid = picture_grid(rate)
    assert grid.n_fft == 4 * grid.hop
    assert grid.n_fft == 2048 * max(1, round(rate / 48_000))


def test_rows_are_averages():
    rows = log_rows(21.5, 1025, 60.0, 16_000.0, 288)
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert rows.min() >= 0


def test_a_mask_is_drawn_over_the_same_axes():
    mask = np.zeros((1, 2, 172, 513), np.float32)
    mask[..., 100:, :] = 1  # the later part
    mask[..., :, :20] = 0  # not below 430 Hz
    picture = mask_columns(mask, RATE)
    frequencies = np.geomspace(60, RATE / 2, len(picture))
    assert picture.shape[1] == 172
    assert picture[frequencies > 500, 110:].min() > 0.99
    assert picture[frequencies < 380].max() == 0
    assert picture[:, :99].max() == 0


# --- the figures -------------------------------------------------------------------------------


def test_the_mask_that_nobody_gave_is_the_share_of_the_vocals():
    voice, other = tone(440.0, 1.0), tone(2000.0, 1.0)
    figure = separation_figure(canvas_of(voice + other, RATE), canvas_of(voice, RATE))
    shares = np.asarray(figure.axes[1].images[0].get_array())
    rows = np.geomspace(60, RATE / 2, len(shares))
    column = shares[:, shares.shape[1] // 2]
    assert column[np.abs(rows - 440).argmin()] > 0.95
    assert column[np.abs(rows - 2000).argmin()] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_separation_is_written_alike_every_time(tmp_path: Path, suffix: str):
    voice, other = tone(440.0, 0.5), tone(2000.0, 0.5)
    data = []
    for name in "ab":
        path = tmp_path / "new folder" / f"{name}.{suffix}"
        assert draw_separation(voice + other, voice, None, RATE, path) == path
        data.append(path.read_bytes())
    assert data[0] == data[1]
    assert data[0].startswith(PNG if suffix == "png" else b"<?xml")


def test_the_caller_arrays_are_not_changed(tmp_path: Path):
    voice = tone(440.0, 0.5)
    mask = np.full((1, 1, 45, 513), 0.5, np.float32)
    before = voice.copy(), mask.copy()
    draw_separation(voice, voice, mask, RATE, tmp_path / "a.png")
    assert np.array_equal(voice, before[0]) and np.array_equal(mask, before[1])


def test_the_pitch_and_its_harmonics_are_drawn_where_they_are():
    times = np.arange(100, dtype=np.float32) * 0.01
    f0 = np.full(100, 300.0, np.float32)
    f0[40:60] = 0
    bursts = np.zeros(100, np.bool_)
    bursts[45:50] = True
    ((axes,),) = new_axes(new_figure(4, 3), 1, 1)
    mark(axes, Marks(times, f0, bursts, 0.01), high=1000.0, harmonics=4)
    curves = {round(float(2 ** np.nanmedian(line.get_ydata()))) for line in axes.lines[1:]}
    assert curves == {300, 600, 900}, "1200 Hz lies above the picture"
    assert all(np.isnan(line.get_ydata()[40:60]).all() for line in axes.lines)
    (burst,) = axes.patches
    assert burst.get_x() == pytest.approx(0.445) and burst.get_width() == pytest.approx(0.05)


@pytest.mark.slow
def test_activity_is_drawn_with_and_without_probabilities(tmp_path: Path):
    voice = tone(440.0, 1.0)
    for probabilities in (None, np.linspace(0, 1, 87, dtype=np.float32)):
        path = tmp_path / f"{probabilities is None}.png"
        draw_activity(voice, voice, RATE, path, probabilities=probabilities, segments=[(0.5, 1.0)])
        assert path.read_bytes().startswith(PNG)
    with pytest.raises(InputError, match="shape"):
        draw_activity(voice, voice[:, :9], RATE, tmp_path / "x.png")


def test_thinning_keeps_the_mean_and_the_times():
    values = np.linspace(0, 1, 9600, dtype=np.float32)
    times, means = thinned(values, 0.01)
    assert len(means) == 1200
    assert np.allclose(means, times / times[-1] * (means[-1] - means[0]) + means[0], atol=1e-3)
    assert times[0] == pytest.approx(0.035)


def test_a_report_needs_no_other_file(tmp_path: Path):
    path = write_song_report(
        tmp_path / "a.html",
        title="R&B <song>",
        summary="a line",
        pictures=[("one", "what it shows", PNG)],
        stems={"vocals": tone(440.0, 1.0, rate=44_100)},
        sample_rate=44_100,
    )
    page = path.read_text("utf-8")
    assert "R&amp;B &lt;song&gt;" in page
    assert page.count("data:audio/mpeg;base64,") == 1
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page


# --- manners -----------------------------------------------------------------------------------


def test_bad_input_is_refused_before_anything_is_drawn(tmp_path: Path):
    voice = tone(440.0, 0.2)
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        draw_separation(voice, voice, None, RATE, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="shape"):
        draw_separation(voice, voice[:, 1:], None, RATE, tmp_path / "a.png")
    with pytest.raises(InputError, match="not empty"):
        canvas_of(np.zeros((2, 0), np.float32), RATE)
    with pytest.raises(InputError, match="not empty"):
        marks_of(np.zeros((2, 0), np.float32), RATE)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"isolde\[figures\]"):
        check_picture("a.png")


@pytest.mark.slow
def test_drawing_leaves_no_global_state_behind(tmp_path: Path):
    script = (
        "import sys, numpy as np\n"
        "from isolde.figures.separation import draw_separation\n"
        "x = np.ones((1, 4000), np.float32)\n"
        f"draw_separation(x, x, None, 8000, {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a$x_{$.wav", "a$x_{$.wav"),
        ("\udcff\x1b.wav", "\ufffd\ufffd.wav"),
        ("\u65e5.wav", "\u65e5.wav"),
    ],
)
def test_any_name_of_a_song_is_a_title(name: str, shown: str):
    figure = new_figure(3, 2)
    (axes,) = new_axes(figure, 1, 1)[0]
    axes.set_title(name)
    axes.set_xscale("log")
    fromstring(encode(figure, kind="svg"))
    assert axes.get_title() == shown
    assert encode(figure).startswith(PNG)


@pytest.mark.filterwarnings("error")
def test_any_name_of_a_pair_is_on_its_page(tmp_path: Path):
    told = {"track": "a$x_{$ \u65e5", "accepted": False, "reason": "nothing fits", "duration": 1.0}
    report = SimpleNamespace(**told, picture=None, spans=(), scores=None)
    draw_page(report, tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(PNG)
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        draw_page(report, tmp_path / "page.pdf")


def test_the_axis_counts_octaves():
    assert np.allclose(height(np.array([2.0, 4.0, 1024.0])), [1, 2, 10])


@pytest.mark.parametrize("at", [-1.0, float("nan")])
def test_a_moment_that_is_no_time_is_refused_before_the_song_is_read(tmp_path: Path, at: float):
    write(tmp_path / "song.wav", tone(440.0, 0.5), RATE)
    with pytest.raises(InputError, match="s: give the seconds"):
        draw_song(tmp_path / "song.wav", tmp_path / "a.png", figure="network", at=at, model="none")


def test_a_file_that_cannot_be_written_is_refused_before_the_song_is_read(tmp_path: Path):
    write(tmp_path / "song.wav", tone(440.0, 0.5), RATE)
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="a part of its folder is a file"):
        draw_song(tmp_path / "song.wav", tmp_path / "file" / "a.png", model="none")
    with pytest.raises(AudioError, match="a part of its folder is a file"):
        draw_dataset(tmp_path / "none.csv", tmp_path / "file" / "a.html")


def test_the_network_of_a_model_without_vocals_is_looked_into(tmp_path: Path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    found = catalogue.find("article")
    card = replace(found.card, name="drums", stems=("drums",))
    model = catalogue.save(tmp_path, card, found.path.read_bytes())
    write(tmp_path / "song.wav", tone(440.0, 1.5), RATE)
    drawn = draw_song(tmp_path / "song.wav", tmp_path / "a.png", figure="network", model=model.path)
    assert drawn.notes == [] and drawn.paths[0].read_bytes().startswith(PNG)
