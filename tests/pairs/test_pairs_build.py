"""Level, colour, scores and files of a pair, against what was put in."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from helpers.sounds import PAIR_RATE as RATE
from helpers.sounds import band, voice
from isolde import audio
from isolde.core.errors import InputError, MissingExtraError
from isolde.datasets.naming import kind_by_name
from isolde.pairs import build_folder, build_pair, pair_arrays
from isolde.pairs.fir import convolve
from isolde.pairs.gain import apply, estimate, match_channels, third_octaves, triangles
from isolde.pairs.match import holds_more, line_of, two_sides
from isolde.pairs.report import PairReport
from isolde.pairs.score import score, spans
from isolde.pairs.song import activity, cut_out
from isolde.pairs.timing.align import align, prepare
from isolde.pairs.timing.drift import warp
from isolde.pairs.timing.offset import COARSE_RATE, Haystack


def sdr(truth: np.ndarray, guess: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(truth**2) / np.sum((truth - guess) ** 2)))


def bell(x: np.ndarray, f: float, db: float) -> np.ndarray:
    """A minimum-phase equaliser band (RBJ cookbook), Q 1."""
    amp, w = 10 ** (db / 40), 2 * np.pi * f / RATE
    alpha = np.sin(w) / 2
    b = np.array([1 + alpha * amp, -2 * np.cos(w), 1 - alpha * amp])
    a = np.array([1 + alpha / amp, -2 * np.cos(w), 1 - alpha / amp])
    return lfilter(b / a[0], a / a[0], x, axis=1).astype(np.float32)


# --- level and colour --------------------------------------------------------------------------


def test_an_equaliser_and_a_flipped_polarity_are_found():
    v, a = voice(20, 1), band(20, 2)
    stood = -0.5 * bell(bell(v, 700, 6.0), 2500, -5.0)
    colour = estimate(stood + a, v, RATE)
    assert colour.inverted
    # third octaves follow a bell of Q 1 to some per cent; without phase it would be 9 dB
    assert sdr(stood, apply(v, colour, RATE)) > 25
    assert sdr(stood, -0.5 * v) < 12


def test_a_plain_gain_comes_back_as_one_number():
    v, a = voice(20, 3), band(20, 4)
    colour = estimate(0.3 * v + a, v, RATE)
    assert colour.level_db == pytest.approx(20 * np.log10(0.3), abs=0.1)
    assert sdr(0.3 * v, apply(v, colour, RATE)) > 35  # the bands agree on one gain


def test_treble_that_a_codec_took_away_does_not_take_the_rest_with_it():
    from scipy.signal import firwin, oaconvolve

    v, a = voice(20, 31), band(20, 32)
    low = firwin(255, 5000, fs=RATE)[None]
    mix = oaconvolve(0.5 * v + a, low, axes=1)[:, 127:-127].astype(np.float32)
    heard = oaconvolve(0.5 * v, low, axes=1)[:, 127:-127].astype(np.float32)
    assert sdr(heard, apply(v, estimate(mix, v, RATE), RATE)) > 20


def test_a_little_of_the_backing_in_the_voice_does_not_pull_the_bass_up():
    v, a = voice(20, 33), band(20, 34)
    colour = estimate(0.5 * v + a, v + 0.03 * a, RATE)
    bass = np.abs(colour.gains[0, colour.nodes < 150])
    assert bass.max() < 1.0  # least squares alone would ask for up to 1 / 0.03


def test_every_channel_has_its_own_gain():
    v, a = voice(15, 5), band(15, 6)
    mix = np.concatenate([0.8 * v + a, 0.2 * v + a])
    both = match_channels(v, 2)
    got = apply(both, estimate(mix, both, RATE), RATE)
    assert np.sqrt(np.sum(got[0] ** 2) / np.sum(got[1] ** 2)) == pytest.approx(4.0, rel=0.03)


def test_the_filter_moves_nothing():
    v = voice(4, 7)
    nodes = third_octaves(RATE)
    from isolde.pairs.gain import Colour

    flat = Colour(nodes, np.ones((1, len(nodes)), np.complex64), 0.0, False)
    np.testing.assert_allclose(apply(v, flat, RATE), v, atol=1e-5)


def test_the_basis_sums_to_one_everywhere():
    basis = triangles(np.linspace(0, RATE / 2, 999), third_octaves(RATE))
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, atol=1e-12)


# --- a whole pair ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_pair_comes_back_normalised_and_sums_to_the_mix():
    v, a = voice(24, 8), band(24, 9)
    stood = 0.6 * bell(v, 1000, 4.0)
    partner = warp(v, RATE, RATE / (1 + 700e-6), 0.0)
    report, arrays = pair_arrays(stood + a, partner, mix_rate=RATE, partner_rate=RATE)
    assert report.accepted and arrays is not None
    assert report.kind == "vocal"
    assert sdr(stood, arrays.vocals) > 25
    np.testing.assert_allclose(arrays.vocals + arrays.accompaniment, stood + a, atol=1e-6)
    assert report.drift_ppm == pytest.approx(700, abs=2)
    assert report.accepted_seconds > 22


def test_a_voice_in_a_mix_without_bass_is_still_a_voice():
    v, a = voice(20, 96, rests=0.4), voice(20, 97, rests=0)
    report, _ = pair_arrays(v + a, v, mix_rate=RATE, partner_rate=RATE)
    assert report.accepted and report.kind == "vocal"


@pytest.mark.slow
def test_mix_minus_instrumental_is_the_vocal():
    v, a = voice(24, 10), band(24, 11)
    v[:, 8 * RATE : 12 * RATE] = 0
    partner = warp(0.7 * a, RATE, RATE / (1 - 400e-6), 0.0)
    report, arrays = pair_arrays(v + a, partner, mix_rate=RATE, partner_rate=RATE)
    assert report.kind == "instrumental" and arrays is not None
    assert sdr(v, arrays.vocals) > 20
    assert report.null_db > 15  # in the seconds where the singer rests


@pytest.mark.slow
def test_seconds_that_do_not_fit_are_rejected_with_the_reason():
    v, a = voice(40, 12, rests=0), band(40, 13)
    stood = v.copy()
    stood[:, 20 * RATE : 27 * RATE] = voice(7, 99, rests=0)  # another take in the middle
    report, arrays = pair_arrays(stood + a, v[:, : 35 * RATE], mix_rate=RATE, partner_rate=RATE)
    assert arrays is not None and report.scores is not None
    wrong = report.scores.accepted[21:26]
    assert not wrong.any()
    assert report.scores.accepted[2:19].all()
    reasons = {s.reason for s in report.spans if not s.accepted}
    assert any("does not hold it" in r for r in reasons)
    assert any("has nothing for this time" in r for r in reasons)
    assert sum(s.end - s.start for s in report.spans) == pytest.approx(40.0)


@pytest.mark.slow
def test_other_bars_of_a_song_made_of_samples_are_refused():
    """The same recording really is in both, to the microsecond, but it is not the same song."""
    sample, rate = voice(12, 70, rests=0), RATE
    mix = np.concatenate([sample, voice(14, 71, rests=0)], axis=1) + band(26, 72)
    other = np.concatenate([voice(6, 73, rests=0), sample, voice(14, 74, rests=0)], axis=1)
    report, arrays = pair_arrays(mix, other, mix_rate=rate, partner_rate=rate, kind="vocal")
    assert arrays is None and "another part" in report.reason
    assert report.denied > 0.4  # 14 of 26 s
    right = np.concatenate([sample, mix[:, 12 * rate :] - band(26, 72)[:, 12 * rate :]], axis=1)
    report, arrays = pair_arrays(mix, right, mix_rate=rate, partner_rate=rate, kind="vocal")
    assert arrays is not None and report.denied < 0.01


@pytest.mark.slow
def test_two_files_that_share_a_few_seconds_are_no_pair():
    """The end of one is the start of the other: true, but no song and its vocal."""
    v, a = voice(40, 78, rests=0), band(40, 79)
    mix = np.concatenate([v[:, -5 * RATE :], voice(25, 80, rests=0)], axis=1) + a[:, : 30 * RATE]
    report, arrays = pair_arrays(mix, v, mix_rate=RATE, partner_rate=RATE, kind="vocal")
    assert arrays is None and "falls into the mix" in report.reason
    excerpt = (v + a)[:, 15 * RATE : 23 * RATE]  # but a part of the song is
    report, arrays = pair_arrays(excerpt, v, mix_rate=RATE, partner_rate=RATE, kind="vocal")
    assert arrays is not None
    verse = v[:, 15 * RATE : 23 * RATE]  # and so is a part of the vocal
    report, arrays = pair_arrays(v + a, verse, mix_rate=RATE, partner_rate=RATE, kind="vocal")
    assert arrays is not None


@pytest.mark.slow
def test_a_leak_of_the_voice_is_no_edit_of_the_song():
    """An intro in which a later verse leaks 26 dB down, as headphones do: it sets no level."""
    v, a = voice(24, 75, rests=0), band(24, 76)
    intro = 0.05 * v[:, 8 * RATE : 16 * RATE] + 0.01 * band(8, 77)
    mix = np.concatenate([intro, v + a], axis=1)
    found = align(mix, v, mix_rate=RATE, partner_rate=RATE)
    assert len(found.pieces) == 2  # the leak is heard where it is ...
    report, arrays = pair_arrays(mix, v, mix_rate=RATE, partner_rate=RATE, kind="vocal")
    assert arrays is not None and len(report.pieces) == 1  # ... and known for what it is
    assert report.pieces[0].offset == pytest.approx(8.0, abs=20e-6)
    assert sdr(v, arrays.vocals[:, 8 * RATE :]) > 20


def test_a_filter_in_blocks_is_the_filter():
    rng = np.random.default_rng(3)
    audio, taps = rng.standard_normal((2, 1000)).astype(np.float32), rng.standard_normal((2, 33))
    whole = convolve(audio, taps)
    assert whole.shape == (2, 1032)
    np.testing.assert_allclose(convolve(audio, taps, block=97), whole, atol=1e-5)
    np.testing.assert_allclose(whole[1], np.convolve(audio[1], taps[1]), atol=1e-5)


def test_scores_tell_presence_absence_and_silence():
    v, a = voice(12, 14, rests=0), band(12, 15)
    v[:, 8 * RATE :] = 0
    mix = a.copy()
    mix[:, : 4 * RATE] += v[:, : 4 * RATE]
    scores = score(mix, v, RATE, covered=np.ones(12))
    assert np.abs(scores.gain[1:3] - 1).max() < 0.2
    assert np.abs(scores.gain[5:7]).max() < 0.3
    assert (scores.cancellation_db[1:3] > 1).all() and (scores.cancellation_db[5:7] < 0).all()
    assert list(scores.accepted) == [True] * 4 + [False] * 4 + [True] * 4
    assert [(s.start, s.end, s.accepted) for s in spans(scores, 12.0)] == [
        (0.0, 4.0, True),
        (4.0, 8.0, False),
        (8.0, 12.0, True),
    ]


def test_without_scipy_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match=r"isolde\[data\]"):
        pair_arrays(voice(3, 1), voice(3, 1), mix_rate=RATE, partner_rate=RATE)


def test_an_unknown_kind_is_an_input_error():
    with pytest.raises(InputError, match="choir"):
        pair_arrays(voice(3, 1), voice(3, 1), mix_rate=RATE, partner_rate=RATE, kind="choir")


# --- files -------------------------------------------------------------------------------------


def test_activity_and_cutting():
    x = np.zeros((1, 4 * RATE), np.float32)
    x[:, RATE : 2 * RATE] = voice(1, 2)[:, :RATE] + 0.1
    on = activity(x, RATE)
    assert len(on) == 200
    assert on[52:98].all() and not on[:48].any() and not on[105:].any()
    from isolde.pairs.score import Span

    parts = [Span(0, 1, True, ""), Span(1, 3, False, ""), Span(3, 4, True, "")]
    kept = cut_out(np.ones((2, 4 * RATE), np.float32), parts, RATE)
    assert kept.shape == (2, 2 * RATE)
    assert kept[0, RATE] == 0 and kept[0, 0] == 1  # faded at the join only


def test_build_pair_writes_a_song_that_sums_and_a_report(tmp_path: Path):
    v, a = voice(12, 16), band(12, 17)
    audio.write(tmp_path / "Song.wav", v + a, RATE, subtype="FLOAT")
    audio.write(tmp_path / "Song vocals.flac", 0.5 * v, RATE)
    report = build_pair(tmp_path / "Song.wav", tmp_path / "Song vocals.flac", tmp_path / "out")
    folder = tmp_path / "out" / "Song"
    stems = {f.stem: audio.read(f)[0] for f in folder.glob("*.wav")}
    assert set(stems) == {"mixture", "vocals", "accompaniment"}
    np.testing.assert_allclose(
        stems["vocals"] + stems["accompaniment"], stems["mixture"], atol=1e-6
    )
    assert sdr(v[:, : stems["vocals"].shape[1]], stems["vocals"]) > 25
    values = json.loads((folder / "report.json").read_text())
    assert values["accepted"] is True and abs(values["offset"]) < 1e-4
    assert values["gain_db"] == pytest.approx(6.02, abs=0.2)
    lines = (folder / "activity.txt").read_text().split()
    assert len(lines) == pytest.approx(stems["vocals"].shape[1] / RATE / 0.02, abs=1)
    back = PairReport.from_dict(values)
    assert back.to_dict()["pieces"] == report.to_dict()["pieces"]
    assert back.summary() == report.summary()


@pytest.mark.slow
def test_a_rejected_pair_leaves_its_reason_and_no_song(tmp_path: Path):
    audio.write(tmp_path / "a.wav", voice(12, 18) + band(12, 19), RATE)
    audio.write(tmp_path / "b.wav", voice(12, 20), RATE)
    out = tmp_path / "out"
    report = build_pair(tmp_path / "a.wav", tmp_path / "b.wav", out)
    assert not report.accepted
    assert [p.name for p in out.iterdir()] == ["a.rejected.json"]
    # and an earlier success is taken away when the pair is rejected now
    audio.write(tmp_path / "c.wav", voice(12, 18), RATE)
    build_pair(tmp_path / "a.wav", tmp_path / "c.wav", out)
    assert (out / "a" / "vocals.wav").exists()
    build_pair(tmp_path / "a.wav", tmp_path / "b.wav", out)
    assert [p.name for p in out.iterdir()] == ["a.rejected.json"]


@pytest.mark.slow
def test_a_folder_is_sorted_out_by_content(tmp_path: Path):
    """Names say nothing or lie; one partner has no mix; the second run does nothing anew."""
    root = tmp_path / "in"
    for k, (name, partner) in enumerate([("alpha", "7"), ("beta", "alpha")]):
        v, a = voice(14, 60 + k), band(14, 70 + k)
        audio.write(root / "mixes" / f"{name}.wav", v + a, RATE)
        audio.write(root / "other" / f"{partner}.wav", 0.8 * v, RATE)
    audio.write(root / "other" / "stray.wav", voice(14, 80), RATE)
    out = tmp_path / "out"
    lines: list[str] = []
    first = build_folder(root, out, workers=1, report=lines.append)
    assert first.accepted == 2 and first.errors == {}
    assert {(Path(r.mix).stem, Path(r.partner).stem) for r in first.pairs} == {
        ("alpha", "7"),
        ("beta", "alpha"),
    }
    assert [Path(p).name for p in first.unmatched] == ["stray.wav"]
    assert len((out / "pairs.csv").read_text().splitlines()) == 3
    before = (out / "alpha" / "vocals.wav").stat().st_mtime_ns
    again = build_folder(root, out, workers=1)
    assert (out / "alpha" / "vocals.wav").stat().st_mtime_ns == before
    assert [r.to_dict() for r in again.pairs] == [r.to_dict() for r in first.pairs]
    (out / "beta" / "vocals.wav").unlink()
    build_folder(root, out, workers=1)
    assert (out / "beta" / "vocals.wav").is_file()


@pytest.mark.slow
def test_the_library_of_training_songs_reads_the_output(tmp_path: Path):
    from isolde.datasets.mixing.library import Library

    v, a = voice(12, 93), band(12, 94)
    audio.write(tmp_path / "a.wav", v + a, RATE)
    audio.write(tmp_path / "v.wav", v, RATE)
    build_pair(tmp_path / "a.wav", tmp_path / "v.wav", tmp_path / "out", track="Ann - Song")
    build_pair(tmp_path / "a.wav", tmp_path / "v.wav", tmp_path / "out", track="x", kind="vocal")
    audio.write(tmp_path / "w.wav", voice(12, 95), RATE)
    build_pair(tmp_path / "a.wav", tmp_path / "w.wav", tmp_path / "out", track="no")
    library = Library([tmp_path / "out"], tmp_path / "cache")
    assert library.failed == []  # the rejected pair left nothing that looks like a song
    assert [e.track for e in library.entries] == ["Ann - Song", "x"]
    assert all(e.vocals is not None and e.accompaniment is not None for e in library.entries)
    assert library.entries[0].activity.mean() > 0.5


def test_which_of_two_is_the_mix_is_told_by_the_sound():
    v, a = voice(14, 90), band(14, 91)
    mix, part = prepare(v + a, RATE), prepare(0.5 * v, RATE)
    for one, other, expected in ((mix, part, True), (part, mix, False)):
        line = line_of(Haystack(one.white, COARSE_RATE), other, bank=(0.0,))
        assert line is not None
        assert holds_more(one, other, line) is expected


def test_two_folders_are_two_sides_and_one_is_one(tmp_path: Path):
    for name in ("x/1.wav", "x/2.WAV", "y/3.ogg", "y/.hidden.wav", "y/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    one, other = two_sides(tmp_path)
    assert [p.name for p in one] == ["1.wav", "2.WAV"] and [p.name for p in other] == ["3.ogg"]
    (tmp_path / "4.wav").touch()
    one, other = two_sides(tmp_path)
    assert one == other and len(one) == 4
    with pytest.raises(InputError, match="not a folder"):
        two_sides(tmp_path / "none")


def test_names_that_say_what_they_are():
    assert kind_by_name("songs/Hit (Acapella).mp3") == "vocal"
    assert kind_by_name("instrumentals/Hit.mp3") == "instrumental"
    assert kind_by_name("songs/Hit.mp3") == "auto"


@pytest.mark.slow
def test_the_page_is_drawn_for_accepted_and_rejected(tmp_path: Path):
    pytest.importorskip("matplotlib")
    from isolde.figures.pairs import draw_page

    v, a = voice(10, 21), band(10, 22)
    good, _ = pair_arrays(v + a, v, mix_rate=RATE, partner_rate=RATE)
    bad, _ = pair_arrays(v + a, voice(10, 23), mix_rate=RATE, partner_rate=RATE)
    for report, name in ((good, "good.png"), (bad, "bad.png")):
        draw_page(report, tmp_path / name)
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / name).stat().st_size > 20_000


@pytest.mark.slow
def test_a_mono_mix_is_no_instrumental():
    """What it leaves of the song is the difference of the channels, and no voice."""
    sung = voice(20, 5)[:1]
    backing = np.concatenate([band(20, 6)[:1], band(20, 7)[:1]])
    mix = backing + sung
    mono = np.repeat(mix.mean(axis=0, keepdims=True), 2, axis=0)
    for partner, accepted in ((mono, False), (backing, True)):
        report, arrays = pair_arrays(
            mix, partner, mix_rate=RATE, partner_rate=RATE, kind="instrumental"
        )
        assert report.accepted is accepted and (arrays is None) is not accepted
        assert ("mono mix" in report.reason) is not accepted


def test_a_song_is_not_its_own_vocal():
    """A copy of a song, beside it in a folder, gave a pair whose vocals were all of it."""
    mix = voice(14, 60) + band(14, 70)
    report, arrays = pair_arrays(mix, 0.7 * mix, mix_rate=RATE, partner_rate=RATE, kind="vocal")
    assert arrays is None and "the song itself" in report.reason


def test_a_voice_over_a_quiet_backing_is_not_the_song_itself():
    """It leaves one per cent of the mix, but where the voice rests, all of it."""
    sung, backing = voice(14, 60), band(14, 70)
    backing *= 0.1 * np.sqrt(np.mean(sung**2) / np.mean(backing**2))
    report, arrays = pair_arrays(sung + backing, sung, mix_rate=RATE, partner_rate=RATE)
    assert report.accepted and arrays is not None, report.reason
    assert sdr(backing, arrays.accompaniment) > 10
