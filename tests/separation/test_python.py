"""The Python interface: what it refuses before any work, what it tells, and what comes back."""

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import isolde
from helpers.maskers import Shelf
from helpers.sounds import noise
from isolde.audio import AudioReader, info, read, write
from isolde.core.errors import AbortedError, InputError
from isolde.separation.stages.separator import Separator

RATE = 22050


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isolde.separate(np.zeros((441_000, 2), np.float32), sample_rate=44100), "x.T"),
        (lambda: isolde.separate(np.ones((2, 9), np.int32), sample_rate=RATE), "x / 2147483648$"),
        (lambda: isolde.separate([0.0, 0.1], sample_rate=44100), "type list"),
        (lambda: isolde.separate(noise(2, 9)), "sample_rate is None"),
        (lambda: isolde.separate(noise(2, 9), sample_rate="44100"), "sample_rate is '44100'"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=RATE, threshold="1"), "threshold is '1'"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=RATE, threads=1.5), "1.5: give a whole"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=RATE, threads=-1), "-1 threads"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=2**63), "Hz is too high"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=RATE, gate="no"), "gate is 'no': give"),
        (lambda: isolde.separate(noise(2, 9), sample_rate=RATE, progress=1), "progress is 1: give"),
        (lambda: isolde.separate("x.wav", sample_rate=8000), "sample_rate is 8000: a file has its"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_work(call, message: str, monkeypatch):
    monkeypatch.setattr("isolde.separation.load.make_separator", None)
    with pytest.raises(InputError, match=message):
        call()


def test_live_is_true_or_false():
    with pytest.raises(InputError, match="live is 'yes': give True or False"):
        isolde.load_separator(sample_rate=RATE, n_channels=2, live="yes")


def test_an_empty_name_of_a_model_is_said_to_be_empty():
    with pytest.raises(isolde.IsoldeError, match="the name of the model is empty"):
        isolde.separate(noise(2, 9), sample_rate=RATE, model="")


def test_an_empty_path_is_said_to_be_empty():
    with pytest.raises(isolde.IsoldeError, match="the path of the song is empty"):
        isolde.separate("")


def test_stems_are_a_mapping_that_knows_its_rate_and_writes_itself(tmp_path: Path):
    mixture = noise(2, 5000)
    stems = isolde.separate(mixture, sample_rate=np.int64(RATE))
    assert list(stems) == ["vocals", "accompaniment"] and len(stems) == 2
    assert stems.sample_rate == RATE and stems.notes == ()
    assert np.abs(sum(stems.values()) - mixture).max() < 2e-7
    paths = stems.write(tmp_path / "out")
    assert list(paths) == list(stems)
    for stem, path in paths.items():
        samples, rate = read(path)
        assert rate == RATE and np.array_equal(samples, stems[stem])
    with pytest.raises(isolde.IsoldeError, match=r"exists already.*overwrite=True"):
        stems.write(tmp_path / "out")
    assert stems.write(tmp_path / "out", overwrite=True) == paths
    flac = stems.write(tmp_path / "out", container="flac", bit_depth="24")
    assert info(flac["vocals"]).subtype == "PCM_24"
    mono = isolde.separate(mixture[0], sample_rate=RATE)
    assert mono["vocals"].shape == (5000,)
    assert info(mono.write(tmp_path / "mono")["vocals"]).n_channels == 1


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        ({"../up": noise(1, 9)}, RATE, "'../up' cannot be the name of a stem"),
        ({"vocals": noise(1, 9).astype(np.int16)}, RATE, "type int16 is no audio"),
        ({"vocals": np.zeros((441_000, 2), np.float32)}, RATE, "x.T"),
        ({"vocals": None}, RATE, "type NoneType"),
        ({"vocals": noise(1, 9)}, 0, "0 Hz is too low"),
        ({"vocals": noise(1, 9)}, 44100.0, "sample_rate is 44100.0"),
    ],
)
def test_stems_that_could_not_be_written_are_refused(samples, rate, message: str):
    with pytest.raises(InputError, match=message):
        isolde.Stems(samples, sample_rate=rate)


def test_stems_are_not_written_into_a_folder_with_the_name_of_a_file(tmp_path: Path):
    stems = isolde.Stems({"vocals": noise(1, 9)}, sample_rate=RATE)
    with pytest.raises(InputError, match=r"out\.mp3: has the name of a file: give the folder"):
        stems.write(tmp_path / "out.mp3")
    (tmp_path / "out.mp3").mkdir()
    assert stems.write(tmp_path / "out.mp3")["vocals"].is_file()


def test_a_url_is_said_to_be_one():
    with pytest.raises(isolde.IsoldeError, match=r"^https://a\.org/x\.mp3: is a URL: copy"):
        isolde.separate("https://a.org/x.mp3?key=secret")


def test_a_whole_song_may_be_one_array():
    separator, mixture = Separator.with_masks(Shelf(), sample_rate=RATE, n_channels=2), noise(2, 99)
    first = separator.whole(mixture)
    separator.reset()
    again = separator.whole([mixture])
    assert all(np.array_equal(first[stem], again[stem]) for stem in first)


def test_stems_without_a_format_are_not_written(tmp_path: Path):
    with pytest.raises(InputError, match="the format is None: give its name"):
        isolde.Stems({"vocals": noise(1, 9)}, sample_rate=RATE).write(tmp_path, container=None)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_stems_are_copied_whole_and_are_equal_to_themselves_alone(again):
    stems = isolde.Stems({"vocals": noise(1, 9)}, sample_rate=RATE, tags={"title": "Liebestod"})
    other = again(stems)
    assert np.array_equal(other["vocals"], stems["vocals"]) and dict(other.tags) == dict(stems.tags)
    assert (other.sample_rate, other.notes) == (RATE, ())
    assert stems == stems and stems != other and len({stems, other}) == 2
    with pytest.raises(TypeError):
        stems.tags["title"] = "Mild und leise"


def test_what_is_public_is_listed_before_it_is_loaded():
    listed = "import isolde; print(*dir(isolde))"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True)
    assert set(isolde.__all__) <= set(done.stdout.split())


def test_a_separator_says_what_it_is():
    separator = Separator.with_masks(Shelf(), sample_rate=RATE, n_channels=2)
    told = f"2 channels, 22050 Hz, {separator.latency} samples late"
    assert repr(separator) == f"<Separator vocals, accompaniment: {told}>"


def test_writing_beyond_full_scale_warns(tmp_path: Path):
    loud = isolde.Stems({"vocals": np.full((1, 100), 1.5, np.float32)}, sample_rate=RATE)
    with pytest.warns(isolde.IsoldeWarning, match="peak"):
        loud.write(tmp_path, bit_depth="16")


def test_what_the_command_warns_of_is_a_warning_and_a_note(tmp_path: Path):
    audio = noise(1, 5000)
    audio[0, 100] = np.nan
    import soundfile

    soundfile.write(tmp_path / "nan.wav", audio.T, RATE, subtype="FLOAT")
    with pytest.warns(isolde.IsoldeWarning, match="NaN"):
        stems = isolde.separate(tmp_path / "nan.wav")
    assert len(stems.notes) == 1 and "1 samples are NaN" in stems.notes[0]
    write(tmp_path / "good.flac", noise(1, 500), RATE, tags={"title": "Mild und leise"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stems = isolde.separate(tmp_path / "good.flac")
    assert stems.tags["title"] == "Mild und leise"


def test_samples_louder_than_any_sound_are_refused_in_arrays_and_silent_in_files(tmp_path: Path):
    import soundfile

    with pytest.raises(InputError, match="the mixture holds NaN, infinity or values beyond"):
        isolde.separate(np.full((2, 44_100), 1e300), sample_rate=44_100)
    audio = noise(2, 44_100)
    audio[:, 100:200] = 1e30
    soundfile.write(tmp_path / "huge.wav", audio.T, 44_100, subtype="FLOAT")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stems = isolde.separate(tmp_path / "huge.wav")
    assert [(w.category, str(w.message)) for w in caught] == [
        (isolde.IsoldeWarning, stems.notes[0])
    ]
    assert "200 samples are NaN or infinite, or beyond 1e+15" in stems.notes[0]
    assert all(np.isfinite(samples).all() for samples in stems.values())


def test_the_loudest_sound_is_separated_without_a_warning():
    audio = 1e15 * noise(2, 44_100, peak=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stems = isolde.separate(audio, sample_rate=44_100, model="vocals")
    assert all(np.isfinite(samples).all() for samples in stems.values())


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"sample_rate": "a", "n_channels": 2}, "sample_rate is 'a'"),
        ({"sample_rate": 44_100, "n_channels": 2.5}, "n_channels is 2.5"),
        ({"sample_rate": 44_100, "n_channels": 0}, "0 channels hold no music"),
    ],
)
def test_a_separator_of_another_form_is_refused(form, message: str):
    with pytest.raises(InputError, match=message):
        isolde.load_separator("vocals", **form)
    with pytest.raises(InputError, match=message):
        Separator.with_masks(Shelf(), **form)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.full((1, 100), 3000, np.int16), "type int16 is no audio: give float samples"),
        ([[0.0, 0.1]], "samples of type list: give a NumPy array"),
        (np.full((1, 100), 1e30, np.float32), "the mixture holds NaN, infinity or values beyond"),
    ],
)
def test_a_block_that_separate_would_refuse_is_refused_by_feed(block, message: str):
    separator = Separator.with_masks(Shelf(), sample_rate=RATE, n_channels=1)
    with pytest.raises(InputError, match=message):
        separator.feed(block)


def test_progress_is_told_and_may_end_the_work(tmp_path: Path):
    mixture, seen = noise(1, 200_000), []
    isolde.separate(mixture, sample_rate=RATE, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) == 4
    with pytest.raises(isolde.AbortedError):
        isolde.separate(mixture, sample_rate=RATE, progress=lambda share: share < 0.5)
    write(tmp_path / "song.wav", mixture, RATE)

    class MyError(Exception):
        pass

    def stop(share: float) -> None:
        raise MyError

    with pytest.raises(MyError):
        isolde.separate(tmp_path / "song.wav", progress=stop)


def test_a_stream_that_has_ended_says_so_until_it_is_reset():
    separator = Separator.with_masks(Shelf(), sample_rate=RATE, n_channels=1)
    first = separator.whole([noise(1, 3000)])
    for call in (separator.flush, lambda: separator.feed(noise(1, 10))):
        with pytest.raises(InputError, match="begin another with reset"):
            call()
    separator.reset()
    again = separator.whole([noise(1, 3000)])
    assert all(np.array_equal(first[stem], again[stem]) for stem in first)


def test_an_unknown_model_is_answered_by_those_that_separate():
    with pytest.raises(isolde.IsoldeError, match="rules") as told:
        isolde.separate(noise(1, 9), sample_rate=RATE, model="nope")
    offered = str(told.value).split("take one of ")[1].split(", or the path")[0].split(", ")
    assert {"vocals", "stems", "open", "rules"} <= set(offered) and "activity" not in offered


def test_the_models_are_listed():
    cards = {card.name: card for card in isolde.list_models()}
    assert cards["vocals"].stems == ("vocals",)
    assert [card.name for card in isolde.models()] == list(cards)
    assert isolde.models.__name__ == "isolde.models"


def test_progress_is_told_where_a_file_tells_no_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path / "song.wav", noise(2, 9000), RATE)
    monkeypatch.setattr(AudioReader, "about_samples", None)
    seen: list[float] = []
    isolde.separate(tmp_path / "song.wav", progress=seen.append)
    assert seen and set(seen) == {0.0}
    with pytest.raises(AbortedError):
        isolde.separate(tmp_path / "song.wav", progress=lambda share: False)
