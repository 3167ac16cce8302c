"""The shipped detector: gain, blocks, latency, and a voice that comes and goes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import demo_song as songs
from demo_song import voice
from demo_song.score import Score, Syllable
from helpers.blocks import outputs_of
from isolde.activity import MODEL, ActivityDetector, Segment, find_activity, load_frame_detector
from isolde.activity.masks import MaskDetector
from isolde.activity.segments import frames_of
from isolde.core.errors import InputError, ModelError
from isolde.models import catalogue

RATE = 22050
GRID = catalogue.find(MODEL).card.grid
SEED, SECONDS = 3, 12.0


@cache
def song():
    """A synthetic band with a voice in two phrases."""
    stems = songs.make_song(SEED, seconds=SECONDS, sample_rate=RATE)
    return sum(stems.values()), stems["vocals"]


@cache
def found():
    return find_activity(song()[0], sample_rate=RATE)


def excerpt():
    return song()[0][:, : 3 * RATE]


def run(detector, audio, block):
    return np.concatenate(outputs_of(detector, audio, [block]))


@pytest.mark.slow
def test_one_probability_for_each_frame():
    p = found().probabilities
    on_grid = song()[0].shape[1] * GRID.sample_rate // RATE
    assert p.shape == (GRID.n_frames(on_grid),) and p.dtype == np.float32
    assert p.min() >= 0 and p.max() <= 1


def test_it_finds_the_phrases_of_a_synthetic_voice():
    truth = tuple(Segment(a, b, 1.0) for a, b in songs.activity(SEED, seconds=SECONDS))
    n = len(found().probabilities)
    flags = frames_of(truth, n, GRID.frame_seconds)
    right = ((found().probabilities > 0.5) == flags).mean()
    # half of the frames hold voice; the network has never heard a synthetic one
    assert right > 0.75
    assert found().probabilities[flags].mean() > 2 * found().probabilities[~flags].mean()


SUNG = ((1.0, 2.4), (3.1, 4.0), (4.9, 7.2))  # seconds, on and off within 5 ms


def sung_now_and_then(singer):
    """Vowels on a few notes, one after the other, switched on and off by SUNG; (2, n)."""
    rng, seconds = np.random.default_rng(singer), 8.2
    ends = np.minimum(np.cumsum(rng.uniform(0.3, 0.8, 30)), seconds)
    syllables = [
        Syllable(a, b, 55 + 9 * (singer % 2) + rng.choice([0, 2, 4, 5, 7]), "",
                 (str(rng.choice(["a", "e", "o"])),), 0.9, False)
        for a, b in zip([0.0, *ends], ends, strict=False) if b > a
    ]  # fmt: skip
    score = Score(singer, seconds, 0.5, 55, (0, 4), ("man", "woman")[singer % 2], tuple(syllables))
    sound = np.broadcast_to(voice.sing(score, RATE), (2, round(seconds * RATE)))
    times = np.arange(sound.shape[1]) / RATE
    edges = [np.clip((times - a) / 0.005 + 0.5, 0, 1) * np.clip((b - times) / 0.005 + 0.5, 0, 1)
             for a, b in SUNG]  # fmt: skip
    return (0.1 * sound / np.sqrt(np.mean(sound**2)) * sum(edges)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("singer", "backing_db"), [(0, None), (1, None), (0, -20), (3, -20)])
def test_starts_and_ends_are_found_within_50_ms(singer, backing_db):
    audio = sung_now_and_then(singer)
    if backing_db is not None:
        stems = songs.make_song(singer + 4, seconds=SECONDS, sample_rate=RATE)
        band = (stems["drums"] + stems["bass"] + stems["other"])[:, : audio.shape[1]]
        audio += band * np.float32(0.1 * 10 ** (backing_db / 20) / np.sqrt(np.mean(band**2)))
    segments = find_activity(audio, sample_rate=RATE).segments
    assert len(segments) == len(SUNG)
    for segment, (start, end) in zip(segments, SUNG, strict=True):
        # the target; the windows of 93 ms alone smear by 40 ms
        assert abs(segment.start - start) < 0.05 and abs(segment.end - end) < 0.05


@pytest.mark.parametrize("db", [-12, 12])
def test_gain_changes_nothing(db):
    louder = excerpt() * np.float32(10 ** (db / 20))
    here = find_activity(excerpt(), sample_rate=RATE).probabilities
    there = find_activity(louder, sample_rate=RATE).probabilities
    assert np.abs(here - there).max() < 0.01  # the target; the level is divided out exactly


@pytest.mark.parametrize(("rate", "block"), [(RATE, 997), (44100, 4410)])
def test_any_blocks_give_the_same(rate, block):
    audio = excerpt()[:, :RATE]
    whole = find_activity(audio, sample_rate=rate).probabilities
    detector = ActivityDetector(sample_rate=rate, n_channels=2)
    # the graph sums in another order when it is given other numbers of frames
    assert run(detector, audio, block) == pytest.approx(whole, abs=1e-5)
    detector.reset()
    assert run(detector, audio, block) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(
    ("model", "rate"), [("vocals-live", RATE), ("vocals-live", 44100), (MODEL, RATE)]
)
def test_latency_is_kept_and_tight(model, rate):
    detector = ActivityDetector(sample_rate=rate, n_channels=1, model=model)
    hop, block = detector.frame_seconds * rate, 101
    audio = np.zeros((1, int(detector.latency + 10 * hop)), np.float32)
    out, waits = 0, []
    for start in range(0, audio.shape[1], block):
        new = len(detector.feed(audio[:, start : start + block]))
        fed = min(start + block, audio.shape[1])
        waits += [fed - k * hop for k in range(out, out + new)]
        out += new
        assert out >= (fed - detector.latency) / hop - 1e-9  # all that is due has come
    # no promise that is much too careful: the slowest came within a block (and a soxr step)
    assert max(waits) <= detector.latency + block
    if model == "vocals-live" and rate == RATE:  # a network of windows gives many frames at once
        assert max(waits) > detector.latency - block


def test_silence_and_nothing_hold_no_voice():
    silence = find_activity(np.zeros(RATE, np.float32), sample_rate=RATE)
    assert not silence.segments and silence.probabilities.max() < 0.3
    nothing = find_activity(np.zeros((2, 0), np.float32), sample_rate=RATE)
    assert nothing.probabilities.shape == (0,) and not nothing.segments


def test_bad_input_is_refused():
    detector = ActivityDetector(sample_rate=RATE, n_channels=2)
    with pytest.raises(InputError):
        detector.feed(np.zeros((1, 10), np.float32))
    with pytest.raises(InputError, match="NaN"):
        detector.feed(np.full((2, 10), np.nan, np.float32))
    with pytest.raises(InputError):
        find_activity(np.zeros(10, np.float32))
    with pytest.raises(InputError, match="sample_rate is 8000: a file has its own"):
        find_activity("song.wav", sample_rate=8000)


def test_a_network_that_gives_nan_tells_no_silence(monkeypatch):
    monkeypatch.setattr(MaskDetector, "feed", lambda *_: np.full(3, np.nan, np.float32))
    with pytest.raises(ModelError, match="'vocals-large' gives NaN or infinity: damaged"):
        find_activity(np.zeros(RATE, np.float32), sample_rate=RATE, model="vocals-large")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (None, {}, "a source of type NoneType: give a path"),
        ([0.0, 0.1], {"sample_rate": RATE}, "a source of type list"),
        (np.zeros((2, 9), np.int16), {"sample_rate": RATE}, "type int16 is no audio"),
        (np.zeros((2, 9), np.float32), {"sample_rate": RATE, "threads": -1}, "-1 threads"),
        (np.zeros((2, 9), np.float32), {"sample_rate": RATE, "threads": "a"}, "threads is 'a'"),
        ("song.wav", {"threads": 1.5}, "threads is 1.5: give a whole number"),
        ("song.wav", {"progress": 1}, "progress is 1: give a function"),
    ],
)
def test_what_separate_would_refuse_is_refused(source, options, message: str):
    with pytest.raises(InputError, match=message):
        find_activity(source, **options)


def test_a_stream_that_has_ended_says_so_until_it_is_reset():
    detector = ActivityDetector(sample_rate=RATE, n_channels=2)
    first = run(detector, excerpt(), 9999)
    for call in (detector.flush, lambda: detector.feed(excerpt())):
        with pytest.raises(InputError, match="begin another with reset"):
            call()
    detector.reset()
    assert np.array_equal(run(detector, excerpt(), 9999), first)


def test_a_model_without_masks_of_vocals_is_refused(tmp_path):
    found = catalogue.find("article")
    drums = replace(found.card, name="drums", stems=("drums",))
    model = catalogue.save(tmp_path, drums, found.path.read_bytes())
    with pytest.raises(ModelError, match="'drums' gives no masks of vocals"):
        load_frame_detector(model.path, n_channels=2)


def test_command_line(tmp_path):
    from typer.testing import CliRunner

    from isolde.audio import write
    from isolde.cli import app

    write(tmp_path / "a song.wav", song()[0][:, : 5 * RATE], RATE)
    result = CliRunner().invoke(app, ["activity", str(tmp_path / "a song.wav"), "--format", "lrc"])
    assert result.exit_code == 0 and result.stdout.startswith("[ti:a song]\n[00:0")
    out = tmp_path / "x.csv"
    result = CliRunner().invoke(
        app,
        [
            "activity",
            str(tmp_path / "a song.wav"),
            str(tmp_path / "no.wav"),
            "-o",
            str(tmp_path / "out"),
        ],
    )
    assert result.exit_code == 2  # one of two failed
    assert (tmp_path / "out" / "a song.csv").read_text().startswith("track,start,end")
    assert not out.exists()
