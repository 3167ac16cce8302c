"""What others read of our files: ffmpeg finds every format's samples, channels, tags and cover."""

import os
import shutil

import numpy as np
import pytest

from helpers.films import picture
from helpers.kinds import ffmpeg_decode
from helpers.sounds import lag, noise
from isolde.audio import AudioWriter, Cover, SongTags, info, read, read_tags, write
from isolde.audio.tags import known_tags
from isolde.core.errors import AudioError, InputError

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: apt-get install ffmpeg"
)
FORMATS = ["wav", "flac", "ogg", "opus", "mp3", "m4a", "alac"]
LOSSY = ["ogg", "opus", "mp3", "m4a"]
TAGS = {
    "title": "Für Élise - ß",
    "artist": "Bjørk",
    "album": "日本",
    "albumartist": "Die Ärzte",
    "date": "1999",
    "genre": "Jazz",
    "tracknumber": "7",
    "discnumber": "2",
    "comment": "fine",
    "composer": "L. v. B.",
    "copyright": "CC0",
    "license": "CC BY 4.0",
    "isrc": "DEA123456789",
    "mood": "blue",
}
OURS = {"software": "isolde 1.0", "model": "vocals", "model_license": "CC BY-NC-SA 4.0"}


def suffix(kind: str) -> str:
    return "m4a" if kind == "alac" else kind


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("n", [300, 70001])
def test_ffmpeg_reads_what_was_written_from_its_first_sample(tmp_path, kind, n):
    audio, path = noise(2, n), tmp_path / f"x.{suffix(kind)}"
    write(path, audio, 48000, container=kind)
    back = ffmpeg_decode(path, 2)
    # ffmpeg leaves the last frame of AAC whole (1024 samples), where the edit list ends within it.
    # Of Vorbis on a single page it gives whole packets.
    extra = {"m4a": 1024, "ogg": 128 * (n < 1000)}.get(kind, 0)
    assert n <= back.shape[1] <= n + extra
    assert lag(audio[0], back[0]) == 0
    back = back[:, :n]
    if kind in ("wav", "flac", "alac"):
        assert np.abs(back - audio).max() <= 2**-16
    elif n > 1000:
        share = np.sum(audio * back) ** 2 / (np.sum(audio**2) * np.sum(back**2))
        assert share > 0.6  # white noise up to 24 kHz: the codecs keep what is heard


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("kind", "channels"),
    [
        *((kind, n) for kind in ("ogg", "opus") for n in (3, 4, 5, 6, 7, 8)),
        *((kind, n) for kind in ("m4a", "alac", "flac") for n in (3, 6, 8)),
    ],
)
def test_each_channel_stays_at_its_loudspeaker(tmp_path, kind, channels):
    """The order is wav's: front left and right, centre, bass, then the backs and the sides."""
    rate, n = 48000, 12000
    tones = [1000, 1400, 1800, 2200, 2600, 3000, 3400, 3800][:channels]
    if channels >= 6:
        tones[3] = 60  # the bass channel holds nothing else
    audio = np.stack([0.2 * np.sin(2 * np.pi * f * np.arange(n) / rate) for f in tones])
    path = tmp_path / f"x.{suffix(kind)}"
    write(path, audio.astype(np.float32), rate, container=kind)
    back = ffmpeg_decode(path, channels)[:, 2000:10000]
    spectrum = np.abs(np.fft.rfft(back * np.hanning(8000), axis=1))
    assert spectrum.argmax(axis=1) * rate / 8000 == pytest.approx(tones, abs=6)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("image", ["PNG", "JPEG"])
def test_tags_and_cover_travel_to_every_format(tmp_path, kind, image):
    cover = Cover(picture(image, 800 if image == "PNG" else 100))  # one above a page of ogg
    assert (len(cover.data) > 65536) == (image == "PNG")
    first = SongTags({**TAGS, **OURS}, cover)
    path = tmp_path / f"x.{suffix(kind)}"
    write(path, noise(2, 4800), 48000, tags=first, container=kind)
    found = read_tags(path)
    assert dict(found.values) == TAGS  # without what is true of this file only
    assert found.cover == cover and found.cover.mime == f"image/{image.lower()}"
    assert found.cover.size == (48, 800 if image == "PNG" else 100)
    assert 4800 <= read(path)[0].shape[1] < 4800 + 1024 * (kind == "m4a") + 1


@pytest.mark.parametrize("kind", FORMATS)
def test_the_model_and_its_licence_are_written(tmp_path, kind):
    import av

    path = tmp_path / f"x.{suffix(kind)}"
    write(path, noise(2, 4800), 48000, tags=OURS, container=kind)
    with av.open(str(path)) as container:
        seen = {**container.streams.audio[0].metadata, **container.metadata}
    seen = {name.lower(): value for name, value in seen.items()}
    assert (seen["model"], seen["model_license"]) == ("vocals", "CC BY-NC-SA 4.0")
    assert "isolde 1.0" in (seen.get("software"), seen.get("encoder"), seen.get("tsse"))


@pytest.mark.parametrize("kind", ["flac", "ogg", "m4a"])
def test_a_cover_that_cannot_be_decoded_stops_nothing(tmp_path, kind):
    cover = Cover(b"\xff\xd8\xff<html>not found</html>")
    assert cover.size == (0, 0)
    write(tmp_path / f"x.{kind}", noise(2, 480), 48000, tags=SongTags({}, cover))
    assert read(tmp_path / f"x.{kind}")[0].shape[0] == 2


def test_more_tags_than_flac_holds_are_refused_at_once(tmp_path):
    tags = SongTags({"lyrics": "x" * 200_000}, Cover(b"\x89PNG\r\n\x1a\n" + bytes(16_700_000)))
    with pytest.raises(InputError, match="above 16 MB"):
        AudioWriter(tmp_path / "x.flac", sample_rate=48000, n_channels=2, tags=tags)
    assert list(tmp_path.iterdir()) == []


def test_a_tag_counts_before_its_older_names(tmp_path):
    both = {"date": "1999-05-01", "year": "1999", "description": "d", "comment": "c"}
    assert known_tags(both) == known_tags(dict(reversed(both.items())))
    assert known_tags(both) == {"date": "1999-05-01", "comment": "c"}
    assert known_tags({"YEAR": "1999"}) == {"date": "1999"}


def test_tags_of_one_file_only_stay_with_it(tmp_path):
    own = {"replaygain_track_gain": "-3 dB", "R128_TRACK_GAIN": "4", "ENCODER": "x", "model": "y"}
    write(tmp_path / "x.flac", noise(2, 480), 48000, tags={"TITLE": "T", **own})
    assert dict(read_tags(tmp_path / "x.flac").values) == {"title": "T"}


def test_files_without_tags_or_sense_have_none(tmp_path):
    write(tmp_path / "x.wav", noise(2, 480), 48000)
    (tmp_path / "y.wav").write_bytes(b"nonsense")
    assert read_tags(tmp_path / "x.wav") == read_tags(tmp_path / "y.wav") == SongTags()
    with pytest.raises(InputError, match="neither JPEG nor PNG"):
        Cover(b"GIF89a")


@pytest.mark.parametrize(("kind", "held"), [("opus", 48000), ("mp3", 48000), ("m4a", 88200)])
def test_a_rate_that_a_format_does_not_hold_is_converted_and_told(tmp_path, kind, held):
    rate = {"opus": 44100, "mp3": 96000, "m4a": 80000}[kind]
    n = 3 * rate + 17
    audio = (0.3 * np.sin(2 * np.pi * 997 * np.arange(n) / rate)).astype(np.float32)
    path = tmp_path / f"x.{kind}"
    with AudioWriter(path, sample_rate=rate, n_channels=1) as writer:
        for at in range(0, n, 10_000):
            writer.write(audio[None, at : at + 10_000])
    assert writer.notes() == [f"{kind} does not hold {rate} Hz: encoded at {held} Hz"]
    back, back_rate = read(path)
    assert back_rate == held
    assert abs(back.shape[1] - n * held / rate) < {"m4a": 1024, "mp3": 1152, "opus": 1}[kind]
    wanted = 0.3 * np.sin(2 * np.pi * 997 * np.arange(back.shape[1]) / held)
    middle = slice(held // 2, 2 * held)
    assert np.abs(back[0] - wanted)[middle].max() < 0.012  # a lag of one sample would give 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOSSY)
def test_quality_and_bitrate_decide_the_size(tmp_path, kind):
    rng = np.random.default_rng(0)
    audio = np.cumsum(rng.normal(0, 0.02, (2, 96000)), axis=1)
    audio = (audio - audio.mean(axis=1, keepdims=True)).astype(np.float32) * 0.1
    audio += noise(2, 96000, peak=0.05)
    sizes = []
    for i, options in enumerate([{"quality": 1}, {"quality": 5}, {"quality": 10}]):
        write(tmp_path / f"{i}.{kind}", audio, 48000, **options)
        sizes.append((tmp_path / f"{i}.{kind}").stat().st_size)
    assert 1.3 * sizes[0] < sizes[1] and 1.2 * sizes[1] < sizes[2]
    for rate in (96_000, 192_000):
        path = tmp_path / f"{rate}.{kind}"
        write(path, audio, 48000, bitrate=rate)
        assert path.stat().st_size * 8 / 2 == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("wav", {"quality": 5}, "lossless"),
        ("alac", {"bitrate": 128_000}, "lossless"),
        ("mp3", {"quality": 11}, "give 0"),
        ("mp3", {"bitrate": 128}, "0.128 kbit/s: give 8 to 2000"),
        ("mp3", {"bitrate": 10**11}, "of 100000000 kbit/s: give 8 to 2000"),
        ("ogg", {"bitrate": 128_000, "quality": 3}, "give one of them"),
    ],
)
def test_impossible_qualities_are_refused(tmp_path, kind, options, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "x.any", noise(2, 480), 48000, container=kind, **options)
    assert list(tmp_path.iterdir()) == []


@needs_ffmpeg
@pytest.mark.parametrize(("kind", "depth"), [("flac", 24), ("alac", 24), ("wav", 24), ("flac", 16)])
def test_integers_come_back_to_the_bit_by_ffmpeg(tmp_path, kind, depth):
    rng = np.random.default_rng(0)
    whole = rng.integers(-(2 ** (depth - 1)), 2 ** (depth - 1), (2, 9001))
    path = tmp_path / f"x.{suffix(kind)}"
    subtype = f"{'ALAC' if kind == 'alac' else 'PCM'}_{depth}"
    write(path, (whole / 2 ** (depth - 1)).astype(np.float32), 44100, subtype=subtype)
    assert info(path).seconds == pytest.approx(9001 / 44100, abs=1e-4)
    assert np.array_equal(ffmpeg_decode(path, 2) * 2.0 ** (depth - 1), whole)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_tag_that_is_no_utf8_does_not_fail_at_the_end(tmp_path, kind):
    path = tmp_path / f"x.{suffix(kind)}"
    write(path, noise(2, 4800), 48000, container=kind, tags={"title": "caf\udce9"})
    assert read_tags(path).values["title"] == "caf\ufffd"


@pytest.mark.skipif(os.name != "posix", reason="such names are of POSIX")
@pytest.mark.parametrize("name", ["Song: Part 1.mp3", "pipe:1.mp3", "concat:a|b.mp3", "100%d.mp3"])
def test_tags_are_read_from_a_file_of_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, noise(2, 4800), 48000, tags={"title": "T"})
    assert read_tags(name).values == {"title": "T"}  # FFmpeg takes what is before ":" for a way


def test_sound_that_another_rate_has_no_sample_for_is_none(tmp_path):
    with pytest.raises(AudioError, match=r"x\.opus: no sample was written"):
        write(tmp_path / "x.opus", noise(2, 1), 192_000)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "x.opus", noise(2, 2), 192_000)
    assert read(tmp_path / "x.opus")[0].shape == (2, 1)


@pytest.mark.parametrize(("n_channels", "bits"), [(3, 16), (6, 16), (6, 24), (8, 24)])
def test_an_alac_frame_that_ends_ffmpeg_is_refused(tmp_path, n_channels: int, bits: int):
    """One or two samples of several channels end the whole process in FFmpeg's encoder."""
    path = tmp_path / "a.m4a"
    for n in (1, 4097, 8194):
        with pytest.raises(AudioError, match=f"{n} samples of {n_channels} channels as alac"):
            write(path, noise(n_channels, n), 44100, subtype=f"ALAC_{bits}", container="alac")
    assert list(tmp_path.iterdir()) == []
    write(path, noise(n_channels, 4099), 44100, subtype=f"ALAC_{bits}", container="alac")
    assert read(path)[0].shape == (n_channels, 4099)
