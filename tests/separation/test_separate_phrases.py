"""Phrases cut while a song is separated: the right samples, the right names, all or nothing."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

import demo_song as songs
from helpers.shell import Shell
from helpers.sounds import noise
from isolde.activity import ActivityDetector, find_activity
from isolde.audio import AudioInfo, read, write
from isolde.core.errors import AudioError
from isolde.separation import (
    FileSettings,
    SeparationSettings,
    Song,
    files,
    phrases,
    separate_file,
)
from isolde.separation.load import make_separator
from isolde.separation.phrases import FADE, RULE, PhraseSink
from isolde.separation.presence import make_listening_separator

RATE = 22050
HOP = 256  # of the frames of activity at this rate
FRAME_SECONDS = HOP / RATE


class Ears:
    """Hears a voice where the mixture is loud, three frames late."""

    frame_seconds = FRAME_SECONDS

    def __init__(self, n_channels: int = 2) -> None:
        self.rest = np.zeros((n_channels, HOP // 2), np.float32)  # frame t is centred on t * HOP
        self.late: list[float] = []

    def feed(self, block: np.ndarray) -> np.ndarray:
        audio = np.concatenate([self.rest, block], axis=1)
        n = audio.shape[1] // HOP
        self.rest = audio[:, n * HOP :]
        loud = np.abs(audio[:, : n * HOP].reshape(audio.shape[0], n, HOP)).max(axis=(0, 2))
        self.late += list((loud > 0.1).astype(float))
        ready = self.late[: max(0, len(self.late) - 3)]
        self.late = self.late[len(ready) :]
        return np.array(ready, np.float32)

    def flush(self) -> np.ndarray:
        rest, self.late = self.late, []
        return np.array([*rest, 0.0], np.float32)


def song(seconds: float, sung: list[tuple[float, float]]) -> np.ndarray:
    """Noise, loud where somebody sings."""
    audio = 0.01 * noise(2, int(seconds * RATE))
    for start, end in sung:
        audio[:, int(start * RATE) : int(end * RATE)] += 0.5
    return audio.astype(np.float32)


def about(n_channels: int = 2) -> AudioInfo:
    return AudioInfo("song", RATE, n_channels, None, "wav", "FLOAT", {})


def cut(
    folder: Path, audio: np.ndarray, sizes: list[int], settings: FileSettings, behind: int = 0
) -> list[Path]:
    """The files of a stem that is the mixture itself, `behind` samples late."""
    with PhraseSink(folder, about(), settings, Ears()) as sink:
        at, given = 0, 0
        while at < audio.shape[1]:
            size = sizes[at % len(sizes)]
            sink.hear(audio[:, at : at + size])
            at = min(audio.shape[1], at + size)
            ready = max(given, at - behind)
            sink.write(audio[:, given:ready])
            given = ready
        sink.write(audio[:, given:])
    return [p.path for p in sink.phrases]


FLOAT = FileSettings(phrases=True, bit_depth="32f")


@pytest.mark.parametrize(("sizes", "behind"), [([HOP], 0), ([5000, 77], 8000), ([10**6], 3000)])
@pytest.mark.parametrize("long", [0.5, 20.0])
def test_phrases_are_the_samples_of_the_stem_at_the_times_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int], behind: int, long: float
):
    monkeypatch.setattr(phrases, "LONG", long)
    sung = [(1.0, 3.2), (5.0, 5.15), (6.0, 6.9), (7.2, 9.0)]
    audio = song(10, sung)
    files = cut(tmp_path / "vocals", audio, sizes, FLOAT, behind)
    # 0.15 s with its pads of 0.2 s lasts 0.55 s; a pause of 0.3 s less the pads is bridged
    wanted = [(0.8, 3.4), (4.8, 5.35), (5.8, 9.2)]
    assert len(files) == len(wanted)
    for number, (path, (start, end)) in enumerate(zip(files, wanted, strict=True), 1):
        first, times = path.stem.split("_")
        told = [float(t) for t in times.split("-")]
        assert int(first) == number
        # a frame at each edge
        assert told == pytest.approx([start, end], abs=1.01 * FRAME_SECONDS)
        samples, rate = read(path)
        a, b = (int(t * RATE + 0.5) for t in told)
        assert rate == RATE and abs(samples.shape[1] - (b - a)) <= 22  # names tell milliseconds
        fade = round(FADE * RATE)
        near = audio[0, a + fade - 22 : a + fade + 23]
        a += int(np.abs(near - samples[0, fade]).argmin()) - 22
        inner = slice(fade, samples.shape[1] - fade)
        assert np.array_equal(samples[:, inner], audio[:, a : a + samples.shape[1]][:, inner])
        assert np.abs(samples[:, [0, -1]]).max() < 1e-3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vocals"]


def test_memory_holds_seconds_not_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(phrases, "LONG", 2.0)
    audio = song(30, [(0.0, 12.0), (20.0, 30.0)])
    held = []
    with PhraseSink(tmp_path / "vocals", about(), FLOAT, Ears()) as sink:
        for at in range(0, audio.shape[1], 4096):
            sink.hear(audio[:, at : at + 4096])
            sink.write(audio[:, at : at + 4096])
            held.append(sink._held.shape[1])
    assert len(sink.phrases) == 2
    # a phrase is held for LONG, then blocks, pads and what may yet be bridged
    assert max(held) < (2.0 + RULE.pad_onset + RULE.pad_offset + 0.5) * RATE


def test_times_count_from_the_start_of_the_song(tmp_path: Path):
    settings = FileSettings(phrases=True, start=60.0)
    files = cut(tmp_path / "vocals", song(4, [(1, 2)]), [4096], settings)
    assert float(files[0].name[4:12]) == pytest.approx(60.8, abs=1.01 * FRAME_SECONDS)


def test_another_sample_rate_is_said_once(tmp_path: Path):
    settings = FileSettings(phrases=True, container="opus")
    with PhraseSink(tmp_path / "vocals", about(), settings, Ears()) as sink:
        sink.hear(song(6, [(0, 2), (3, 5)]))
        sink.write(song(6, []))
    assert len(sink.phrases) == 2
    assert sink.notes() == ["opus does not hold 22050 Hz: encoded at 48000 Hz"]


def test_nobody_sings(tmp_path: Path):
    with PhraseSink(tmp_path / "a" / "vocals", about(), FLOAT, Ears()) as sink:
        sink.hear(song(2, []))
        sink.write(song(2, []))
    assert sink.phrases == [] and "nobody" in sink.notes()[0]
    assert not (tmp_path / "a" / "vocals").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), AudioError("no")])
def test_an_interruption_leaves_nothing(tmp_path: Path, error: BaseException):
    audio = song(6, [(0, 2), (3, 5)])
    with (
        pytest.raises(type(error)),
        PhraseSink(tmp_path / "a" / "b" / "vocals", about(), FLOAT, Ears()) as sink,
    ):
        sink.hear(audio)
        sink.write(audio)
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
):
    audio, moved, replace = song(6, [(0, 2), (3, 5)]), [], os.replace

    def full(source: Path, target: Path) -> None:
        name = Path(target).name
        if name == "vocals" or phrases._NAME.fullmatch(name):
            if len(moved) == after:
                raise OSError(errno.ENOSPC, "No space left on device")
            moved.append(target)
        replace(source, target)

    monkeypatch.setattr(phrases.os, "replace", full)
    with pytest.raises(AudioError, match="disk is full"):
        cut(tmp_path / "a" / "vocals", audio, [4096], FLOAT)
    assert len(moved) == after
    assert not list(tmp_path.iterdir())


def test_only_phrases_are_overwritten_and_only_if_asked(tmp_path: Path):
    folder = tmp_path / "vocals"
    first = cut(folder, song(6, [(0, 2), (3, 5)]), [4096], FLOAT)
    (folder / "notes.txt").write_text("mine")
    before = {p: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(AudioError, match="exists already"):
        cut(folder, song(6, [(1, 2)]), [4096], FLOAT)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    again = FileSettings(phrases=True, overwrite=True)
    second = cut(folder, song(6, [(1, 2)]), [4096], again)
    assert len(first) == 2 and len(second) == 1
    assert sorted(p.name for p in folder.iterdir()) == [second[0].name, "notes.txt"]


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loud parts of noise pass for a voice."""

    def listening(settings: SeparationSettings, *, n_channels: int, activity: None, **about: int):
        return make_separator(settings, n_channels=n_channels, **about), Ears(n_channels)

    monkeypatch.setattr(files, "make_listening_separator", listening)


@pytest.mark.usefixtures("ears")
@pytest.mark.slow
def test_the_command_writes_phrases_and_other_stems_where_asked(isolde: Shell, tmp_path: Path):
    write(tmp_path / "song.wav", song(4, [(1, 3)]), RATE)
    code, out, err = isolde("separate", "song.wav", "-o", "a", "--only-vocal-parts")
    assert (code, err) == (0, [])
    assert len(out) == 1 and out[0].startswith("a/song/vocals/001_0000.")
    assert sorted(p.name for p in Path("a/song").iterdir()) == ["vocals"]
    both = ("--stem", "vocals", "--stem", "accompaniment")
    code, out, _ = isolde("separate", "song.wav", "-o", "b", "--only-vocal-parts", *both)
    assert code == 0 and len(out) == 2 and out[1] == "b/song/accompaniment.wav"
    assert isolde("separate", "song.wav", "-o", "c")[0] == 0
    whole, rest = read("c/song/vocals.wav")[0], read("c/song/accompaniment.wav")[0]
    assert np.array_equal(rest, read(out[1])[0])
    piece = read(out[0])[0]
    start = float(Path(out[0]).name[4:12])
    near = whole[:, int((start + 0.5) * RATE) - 30 :][:, :2000]
    window = piece[:, int(0.5 * RATE) :][:, :1000]
    assert any(np.array_equal(near[:, k : k + 1000], window) for k in range(60))
    code, _, err = isolde("separate", "song.wav", "-o", "b", "--only-vocal-parts")
    assert code == 2 and "exists" in err[0]


@pytest.mark.usefixtures("ears")
def test_phrases_that_cannot_be_completed_leave_no_other_stem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(sink: PhraseSink, *, final: bool) -> None:
        if final:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PhraseSink, "_cut", full)
    write(tmp_path / "song.wav", song(1, [(0.2, 0.8)]), RATE)
    settings = FileSettings(
        output=tmp_path / "out", phrases=True, stems=("vocals", "accompaniment")
    )
    with pytest.raises(AudioError, match="disk is full"):
        separate_file(Song(tmp_path / "song.wav", "song"), settings)
    assert [p.name for p in tmp_path.iterdir()] == ["song.wav"]


def test_phrases_need_the_vocals_and_a_file(isolde: Shell, tmp_path: Path):
    write(tmp_path / "song.wav", song(2, []), RATE)
    stem = ("--stem", "accompaniment")
    code, _, err = isolde("separate", "song.wav", "-o", "a", "--only-vocal-parts", *stem)
    assert code == 2 and "vocals" in err[0]
    code, out, err = isolde("separate", "song.wav", "-o", "a", "--only-vocal-parts")
    assert code == 0 and out == [] and "nobody" in err[0]
    code, _, err = isolde("separate", "-", "--only-vocal-parts")
    assert code == 2 and "stream" in err[0]


@pytest.mark.usefixtures("ears")
def test_what_was_written_survives_json(tmp_path: Path):
    write(tmp_path / "song.wav", song(4, [(1, 3)]), RATE)
    settings = FileSettings(output=tmp_path / "out", phrases=True)
    done = separate_file(Song(tmp_path / "song.wav", "song"), settings)
    again = type(done).from_dict(done.to_dict())
    assert again.files == done.files and all(f.is_file() for f in done.files)
    assert [p.start for p in again.phrases] == pytest.approx([p.start for p in done.phrases])


@pytest.mark.parametrize("gate", [False, True])
def test_a_separators_own_masks_tell_what_its_model_tells_alone(gate: bool):
    """One network runs for both, and the stems stay as they are."""
    audio = sum(songs.make_song(3, seconds=6.0, sample_rate=RATE).values())
    settings = SeparationSettings("vocals", gate=gate)
    separator, detector = make_listening_separator(settings, sample_rate=RATE, n_channels=2)
    vocals, told = [], []
    for at in range(0, audio.shape[1], 30_000):
        block = audio[:, at : at + 30_000]
        vocals.append(separator.feed(block)["vocals"])
        told.append(detector.feed(block))
    vocals.append(separator.flush()["vocals"])
    told.append(detector.flush())
    plain = make_separator(settings, sample_rate=RATE, n_channels=2)
    alone = [plain.feed(audio)["vocals"], plain.flush()["vocals"]]
    np.testing.assert_allclose(np.concatenate(vocals, 1), np.concatenate(alone, 1), atol=1e-6)
    expected = find_activity(audio, sample_rate=RATE, model="vocals")
    assert detector.frame_seconds == expected.frame_seconds
    np.testing.assert_allclose(np.concatenate(told), expected.probabilities, atol=1e-4)


def test_what_gives_no_masks_is_heard_by_another_model():
    settings = SeparationSettings("rules")
    _, detector = make_listening_separator(settings, sample_rate=RATE, n_channels=1)
    assert isinstance(detector, ActivityDetector)
    asked = SeparationSettings("vocals")
    _, other = make_listening_separator(asked, sample_rate=RATE, n_channels=1, activity="vocals")
    assert isinstance(other, ActivityDetector)
