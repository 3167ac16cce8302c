"""Stem files and films: what other programs find in them, and that nothing else is touched."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.films import make_film, packets, picture, sound_of
from helpers.sounds import lag
from isolde.audio import AudioInfo, AudioReader, Cover, SongTags, read_tags
from isolde.audio.encoding import mp4
from isolde.audio.encoding.base import Sound
from isolde.audio.remux import FilmWriter
from isolde.audio.stemfile import StemFileWriter
from isolde.core.errors import AudioError, InputError

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: apt-get install ffmpeg"
)
STEMS = ("vocals", "drums", "bass", "other")


def stems_of(n: int) -> dict[str, np.ndarray]:
    """Tones of their own, so that no encoder mixes them up."""
    t = np.arange(n) / 44100
    return {
        stem: np.stack([0.1 * np.sin(2 * np.pi * f * t), 0.1 * np.cos(2 * np.pi * f * t)]).astype(
            np.float32
        )
        for stem, f in zip(STEMS, (440, 550, 660, 770), strict=True)
    }


def write_stems(path: Path, subtype: str, stems: dict[str, np.ndarray], **tags) -> None:
    sound = Sound(44100, 2, subtype, SongTags(tags, Cover(picture())))
    with StemFileWriter(path, stems=list(stems), sound=sound) as writer:
        for at in range(0, 60_000, 7_000):
            writer.write({stem: audio[:, at : at + 7_000] for stem, audio in stems.items()})


def index_of(path: Path) -> list[tuple[bytes, bytes]]:
    boxes = dict(mp4.children(path.read_bytes()))
    return mp4.children(boxes[b"moov"])


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [(".stem.mp4", "AAC"), (".stem.m4a", "ALAC_16"), (".stem.mp4", "ALAC_24")],
)
def test_stempeg_reads_the_mix_and_four_stems(tmp_path, suffix, subtype):
    stempeg = pytest.importorskip("stempeg", reason="pip install '.[dev]'")
    path, stems = tmp_path / f"x{suffix}", stems_of(60_000)
    write_stems(path, subtype, stems, title="T")
    found, rate = stempeg.read_stems(str(path))
    order = ["drums", "bass", "other", "vocals"]
    wanted = [sum(stems.values()), *(stems[stem] for stem in order)]
    assert rate == 44100 and found.shape[0] == 5 and 60_000 <= found.shape[1] < 61_024
    tolerance = {"AAC": 0.03, "ALAC_16": 2**-16, "ALAC_24": 2**-23}[subtype]
    for audio, back in zip(wanted, found, strict=True):
        assert np.abs(back[1000:59_000].T - audio[:, 1000:59_000]).max() <= tolerance
    assert stempeg.Info(str(path)).title_streams == ["mix", *order]


def test_the_stem_box_names_and_colours_the_stems(tmp_path):
    path = tmp_path / "x.stem.mp4"
    write_stems(path, "AAC", stems_of(60_000), title="T", model="stems", artist="A")
    index = index_of(path)
    udta = dict(mp4.children(dict(index)[b"udta"]))
    box = json.loads(udta[b"stem"])
    assert box["version"] == 1
    assert [stem["name"] for stem in box["stems"]] == ["drums", "bass", "other", "vocals"]
    assert len({stem["color"] for stem in box["stems"]}) == 4
    assert all(len(stem["color"]) == 7 and stem["color"][0] == "#" for stem in box["stems"])
    assert not box["mastering_dsp"]["compressor"]["enabled"]
    assert not box["mastering_dsp"]["limiter"]["enabled"]
    tracks = [dict(mp4.children(body)) for name, body in index if name == b"trak"]
    enabled = [track[b"tkhd"][3] & 1 for track in tracks]  # ISO/IEC 14496-12, 8.3.2
    assert enabled == [1, 0, 0, 0, 0]
    tags = read_tags(path)
    assert dict(tags.values) == {"title": "T", "artist": "A"} and tags.cover == Cover(picture())


def test_stem_files_hold_four_stereo_stems_or_nothing(tmp_path):
    path, sound = tmp_path / "x.stem.mp4", Sound(44100, 2, "AAC", SongTags())
    with pytest.raises(InputError, match="four stems, not 2"):
        StemFileWriter(path, stems=["vocals", "accompaniment"], sound=sound)
    with pytest.raises(InputError, match="is stereo, not of 1"):
        StemFileWriter(path, stems=STEMS, sound=Sound(44100, 1, "AAC", SongTags()))
    blocks = stems_of(5000)
    with pytest.raises(KeyboardInterrupt), StemFileWriter(path, stems=STEMS, sound=sound) as writer:
        for wrong, message in (
            ({"vocals": blocks["vocals"]}, "without samples for drums, bass, other"),
            ({stem: audio[:1] for stem, audio in blocks.items()}, r"give \(2, n_samples\)"),
            ({**blocks, "bass": blocks["bass"][:, 1:]}, "blocks of different lengths"),
        ):
            with pytest.raises(InputError, match=message):
                writer.write(wrong)
        writer.write(blocks)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    path.touch()
    with pytest.raises(AudioError, match="exists already"):
        StemFileWriter(path, stems=STEMS, sound=sound)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "rate", "late"),
    [
        ("x.mp4", "mpeg4", 44100, 0.0),
        ("x.mp4", "mpeg4", 48000, 0.5),
        ("x.mov", "mpeg4", 48000, 0.0),
        ("x.mkv", "mpeg4", 44100, 0.0),
        ("x.mkv", "libx264", 48000, 0.0),  # whose first packets have no time of decoding there
        ("x.webm", "libvpx", 48000, 0.0),
    ],
)
def test_the_picture_of_a_film_is_untouched_and_its_sound_in_time(
    tmp_path, name, codec, rate, late
):
    n = 2 * rate
    noise = np.random.default_rng(0).normal(0, 0.1, (2, n)).astype(np.float32)
    film, target = tmp_path / name, tmp_path / f"new{Path(name).suffix}"
    make_film(film, codec=codec, sound=noise, rate=rate, late=late)
    with AudioReader(film) as reader:
        with FilmWriter(film, target, info=reader.info, titles=["vocals"]) as writer:
            for block in reader:
                writer.write({"vocals": -block})
    assert packets(target, "video") == packets(film, "video")
    (old, old_start), (new, new_start) = sound_of(film), sound_of(target)
    moved = round((new_start - old_start) * rate)  # silence before late sound is sound now
    n = min(old.shape[1], new.shape[1] + moved) - 4000
    assert abs(lag(old[0, :n], -new[0, -moved if moved < 0 else 0 :][:n])) <= 1
    with av.open(str(target)) as container:
        assert len(container.streams.audio) == 1
        assert container.metadata["title"] == "Film"
        if Path(name).suffix != ".mov":  # whose languages are numbers
            assert container.streams.audio[0].metadata["language"] in ("deu", "ger")


def test_stems_stand_beside_the_sound_that_was_there(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 96000)).astype(np.float32)
    film, target = tmp_path / "x.mp4", tmp_path / "new.mp4"
    make_film(film, codec="mpeg4", sound=noise, rate=48000)
    with AudioReader(film) as reader:
        titles = ["vocals", "accompaniment"]
        with FilmWriter(film, target, info=reader.info, titles=titles, mode="add") as writer:
            for block in reader:
                writer.write({"vocals": block * 0.5, "accompaniment": -block})
    assert packets(target, "video") == packets(film, "video")
    assert packets(target, "audio") == packets(film, "audio")
    with av.open(str(target)) as container:
        names = [track.metadata["handler_name"] for track in container.streams.audio]
    assert names[1:] == titles
    assert lag(sound_of(film)[0][0], -sound_of(target, 2)[0][0]) == 0
    with pytest.raises(AudioError, match="exists already"):
        FilmWriter(film, target, info=reader.info, titles=titles)
    with pytest.raises(InputError, match=r"is replaced in \.mp4"):
        FilmWriter(film, tmp_path / "new.avi", info=reader.info, titles=titles)


def two_sounds(path: Path) -> None:
    """A film whose first sound has few bits, and whose second has many; both are its default."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 88200)).astype(np.float32)
    make_film(path.with_stem("one"), codec="mpeg4", sound=noise, rate=44100)
    writer_of = {"info": AudioReader(path.with_stem("one")).info, "titles": ["second"]}
    with FilmWriter(path.with_stem("one"), path, mode="add", bitrate=256_000, **writer_of) as film:
        film.write({"second": 0.5 * noise})
    data = bytearray(path.read_bytes())
    for at in (i for i in range(len(data)) if data[i : i + 4] == b"tkhd"):
        data[at + 7] |= 1  # enabled; ISO/IEC 14496-12, 8.3.2
    path.write_bytes(data)


def test_the_track_is_replaced_that_was_separated(tmp_path):
    film, target = tmp_path / "x.mp4", tmp_path / "new.mp4"
    two_sounds(film)
    with av.open(str(film)) as container:  # FFmpeg's own choice is another
        assert container.streams.best("audio").index != container.streams.audio[0].index
    with AudioReader(film) as reader:
        assert lag(next(iter(reader))[0], sound_of(film)[0][0, :65536]) == 0
        with FilmWriter(film, target, info=reader.info, titles=["vocals"]) as writer:
            writer.write({"vocals": np.zeros((2, 44100), np.float32)})
    kept = [sound_of(target, i)[0] for i in range(2)]
    assert np.abs(kept[0]).max() <= 0.01  # players take the first sound: it keeps its place
    assert np.array_equal(kept[1], sound_of(film, 1)[0])


@pytest.mark.parametrize("error", [av.error.InvalidDataError(1, "damaged"), KeyboardInterrupt()])
def test_a_picture_that_breaks_off_while_it_is_completed_leaves_nothing(tmp_path, error):
    film, target = tmp_path / "x.mp4", tmp_path / "new.mp4"
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    make_film(film, codec="mpeg4", sound=noise, rate=44100)
    with AudioReader(film) as reader:
        writer = FilmWriter(film, target, info=reader.info, titles=["vocals"])

    class Source:
        """The film, of which no more can be read."""

        streams = writer._source.streams
        close = writer._source.close

        def demux(self, _streams: object) -> None:
            raise error

    writer._source, writer._packets = Source(), writer._demux()
    with pytest.raises((AudioError, KeyboardInterrupt)) as fault, writer:
        pass
    assert isinstance(error, KeyboardInterrupt) or "picture cannot be read" in str(fault.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_films_that_are_completed_have_no_name_before_they_are_closed(tmp_path):
    """So that of two films none appears where the disk is too small for both."""
    film = tmp_path / "x.mp4"
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 96000)).astype(np.float32)
    make_film(film, codec="mpeg4", sound=noise, rate=48000)
    with AudioReader(film) as reader:
        info = reader.info
    with pytest.raises(RuntimeError), FilmWriter(film, tmp_path / "a.mp4", info=info, titles=["a"]):
        with FilmWriter(film, tmp_path / "b.mp4", info=info, titles=["b"]) as second:
            second.write({"b": noise})
            second.complete()
            assert not (tmp_path / "b.mp4").exists()
            with pytest.raises(InputError, match="it was complete"):
                second.write({"b": noise})
            raise RuntimeError
    assert list(tmp_path.iterdir()) == [film]


@pytest.mark.parametrize(("rate", "held"), [(37800, 44100), (7000, 7350), (96000, 48000)])
def test_sound_of_a_rate_that_aac_does_not_hold_is_converted(tmp_path, rate, held):
    film, target = tmp_path / "x.mov", tmp_path / "new.mov"
    noise = np.random.default_rng(0).normal(0, 0.1, (2, rate)).astype(np.float32)
    make_film(film, codec="mpeg4", sound=noise[:, : 2 * rate], rate=rate, sound_codec="pcm_f32le")
    with AudioReader(film) as reader:
        with FilmWriter(film, target, info=reader.info, titles=["vocals"]) as writer:
            for block in reader:
                writer.write({"vocals": block})
    with AudioReader(target) as reader:
        assert reader.info.sample_rate == held


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bitrate": 1000}, "give 8 to 2000"),
        ({"bitrate": -3}, "give 8 to 2000"),
        ({"quality": 11}, "give 0"),
        ({"quality": 3, "bitrate": 64_000}, "give one of them"),
    ],
)
def test_impossible_qualities_of_a_film_are_refused(tmp_path, options, message):
    info = AudioInfo("x.mp4", 48000, 2, None, "MP4", "AAC")
    with pytest.raises(InputError, match=message):
        FilmWriter(tmp_path / "x.mp4", tmp_path / "new.mp4", info=info, titles=["a"], **options)
    assert list(tmp_path.iterdir()) == []
