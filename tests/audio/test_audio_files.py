"""Files come back as they went in: samples, length, place, rate, depth, tags, any part of them."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sounds import lag, sweep
from isolde.audio import (
    AudioInfo,
    AudioReader,
    AudioWriter,
    SongTags,
    info,
    read,
    subtype_for,
    write,
)
from isolde.audio import wav as wav_bytes
from isolde.audio.encoding.base import Sound
from isolde.audio.encoding.plainwav import WavEncoder
from isolde.core.errors import AudioError, InputError

LOSSLESS = [
    ("wav", "PCM_16", 2**-16),
    ("wav", "PCM_24", 2**-24),
    ("wav", "PCM_32", 2**-24),  # float32 itself has 24 bits
    ("wav", "FLOAT", 0.0),
    ("flac", "PCM_16", 2**-16),
    ("flac", "PCM_24", 2**-24),
]
LOSSY = ["ogg", "opus", "mp3"]
TAGS = {
    "title": "Für Élise - ß",
    "artist": "Bjørk",
    "album": "日本",
    "date": "1999",
    "genre": "Jazz",
    "tracknumber": "7",
    "comment": "fine",
}


@pytest.mark.parametrize(("kind", "subtype", "tolerance"), LOSSLESS)
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (192000, 6)])
def test_lossless_files_keep_every_sample(tmp_path, kind, subtype, tolerance, rate, channels):
    audio = sweep(rate, 9001, channels)
    path = tmp_path / f"x.{kind}"
    assert write(path, audio, rate, subtype=subtype) is None
    back, back_rate = read(path)
    assert back_rate == rate and back.shape == audio.shape and back.dtype == np.float32
    assert np.abs(back - audio).max() <= tolerance
    seen = info(path)
    assert (seen.sample_rate, seen.n_channels, seen.n_samples) == (rate, channels, 9001)
    assert (seen.container, seen.subtype) == (kind.upper(), subtype)
    # What was read from b bits is written to b bits without any change.
    write(tmp_path / f"y.{kind}", back, rate, subtype=subtype)
    assert (tmp_path / f"y.{kind}").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_integers_agree_with_libsndfile_to_the_bit(tmp_path, subtype):
    bits = int(subtype[-2:])
    whole = np.array([-(2 ** (bits - 1)), -1, 0, 1, 2 ** (bits - 1) - 1], np.int32)
    sf.write(tmp_path / "a.wav", whole << (32 - bits), 44100, subtype=subtype)
    audio, _ = read(tmp_path / "a.wav")
    write(tmp_path / "b.wav", audio, 44100, subtype=subtype)
    write(tmp_path / "b.flac", audio, 44100, subtype=subtype)
    for name in ("b.wav", "b.flac"):
        again, _ = sf.read(tmp_path / name, dtype="int32")
        assert np.array_equal(again >> (32 - bits), whole)


@pytest.mark.parametrize("kind", LOSSY)
@pytest.mark.parametrize("n", [100, 1000, 70001])
def test_lossy_files_keep_length_and_place(tmp_path, kind, n):
    audio = sweep(48000, n)
    write(tmp_path / f"x.{kind}", audio, 48000)
    back, rate = read(tmp_path / f"x.{kind}")
    assert rate == 48000 and back.shape == audio.shape
    seen = info(tmp_path / f"x.{kind}")
    assert seen.n_samples is None and abs(seen.seconds - n / 48000) < 0.05
    if n > 10000:
        assert lag(audio[0], back[0]) == 0 and lag(audio[1], back[1]) == 0
        error = 10 * np.log10(np.mean((back - audio) ** 2) / np.mean(audio**2))
        assert error < -15  # a codec at its default quality on an easy signal


@pytest.mark.parametrize("kind", ["wav", "flac", *LOSSY])
@settings(max_examples=10)
@given(data=st.data())
def test_any_range_in_any_blocks_is_that_part_of_the_whole(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / f"range.{kind}"
    rate, n = 48000, 60001
    if not path.exists():
        write(path, sweep(rate, n), rate)
    whole, _ = read(path)
    start = data.draw(st.integers(0, n - 1))
    end = data.draw(st.integers(start + 1, n))
    size = data.draw(st.sampled_from([777, 960, 1152, 4096, 12000, 65536, 10**6]))
    with AudioReader(path, start=start / rate, end=end / rate, block_samples=size) as reader:
        assert reader.n_samples == end - start
        blocks = list(reader)
    assert all(block.shape[1] == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks, axis=1), whole[:, start:end])


@pytest.mark.parametrize("kind", ["wav", "flac", *LOSSY])
def test_tags_survive_in_any_language(tmp_path, kind):
    write(tmp_path / f"x.{kind}", sweep(48000, 4800), 48000, tags=TAGS)
    seen = info(tmp_path / f"x.{kind}").tags
    assert {name: seen.get(name) for name in TAGS} == TAGS
    write(tmp_path / f"y.{kind}", sweep(48000, 4800), 48000, tags=seen)
    assert info(tmp_path / f"y.{kind}").tags == seen


@pytest.mark.parametrize("name", ["", "a=b", "größe", "a\nb"])
def test_tags_without_a_proper_name_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="its name must be ASCII"):
        write(tmp_path / "x.wav", np.zeros((1, 5), np.float32), 8000, tags={name: "blue"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["wav", "flac", *LOSSY])
def test_unicode_names_and_new_folders(tmp_path, kind):
    path = tmp_path / "Sigur Rós" / "日本 - ñ 🎵" / f"Svefn-g-englar.{kind.upper()}"
    write(path, sweep(48000, 480), 48000)
    assert read(path)[0].shape == (2, 480)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["wav", "ogg"])
def test_a_file_without_samples_can_be_written_but_is_no_song(tmp_path, kind):
    write(tmp_path / f"x.{kind}", np.zeros((2, 0), np.float32), 48000)
    for source in (tmp_path / f"x.{kind}", io.BytesIO((tmp_path / f"x.{kind}").read_bytes())):
        with pytest.raises(AudioError, match="holds no sound, not one sample"):
            read(source)


@pytest.mark.parametrize("kind", ["flac", "opus", "mp3"])
def test_no_samples_are_refused_where_they_cannot_be_held(tmp_path, kind):
    with pytest.raises(AudioError, match=f"{kind} cannot hold that: choose wav or ogg"):
        write(tmp_path / "new" / f"x.{kind}", np.zeros((2, 0), np.float32), 48000)
    assert list(tmp_path.iterdir()) == []


def test_read_resamples_on_the_way(tmp_path):
    write(tmp_path / "x.wav", sweep(48000, 48001), 48000, subtype="FLOAT")
    audio, rate = read(tmp_path / "x.wav", sample_rate=44100)
    assert rate == 44100 and audio.shape == (2, 44101)  # 44100.92 rounded
    again, _ = read(tmp_path / "x.wav", sample_rate=44100, start=0.5)
    assert again.shape == (2, 22051)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])  # the path is one; others encode slowly
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.{kind}"
        tracemalloc.start()
        with AudioWriter(path, sample_rate=24000, n_channels=1) as writer:
            for _ in range(seconds):
                writer.write(sweep(24000, 24000, 1))
        with AudioReader(path, start=seconds - 1.5, block_samples=24000) as reader:
            assert sum(block.shape[1] for block in reader) == 36000
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(3)  # imports and caches
    assert peak(27) < peak(6) + 500_000  # 21 s more would be 2 MB as float32


def test_wav_beyond_4_gb_is_rf64(tmp_path):
    n = 2**31 + 1000  # 16 bit mono: a little over 4 GiB, as a sparse file
    path = tmp_path / "huge.wav"
    with path.open("w+b") as file:
        encoder = WavEncoder(file, Sound(44100, 1, "PCM_16", SongTags()), seekable=True)
        encoder.write(np.full((1, 1), 0.5, np.float32))
        file.seek(2 * (n - 2), 1)
        encoder._n_samples = n - 1  # as if all that had been written
        encoder.write(np.full((1, 1), 0.25, np.float32))
        encoder.finish()
    with path.open("rb") as file:
        header = wav_bytes.parse_header(file.read)
        assert header.is_rf64 and header.n_samples == n
    assert sf.info(path).frames == n
    seen = info(path)
    assert (seen.container, seen.n_samples) == ("RF64", n)
    audio, _ = read(path, start=(n - 2) / 44100)
    assert audio.tolist() == [[0.0, 0.25]]


def test_bit_depth_is_kept_where_it_can_be():
    def like(subtype: str) -> AudioInfo:
        return AudioInfo("x", 44100, 2, 1, "WAV", subtype)

    wanted = {
        ("wav", "PCM_16"): "PCM_16",
        ("wav", "PCM_24"): "PCM_24",
        ("wav", "PCM_32"): "PCM_32",
        ("wav", "FLOAT"): "FLOAT",
        ("wav", "DOUBLE"): "FLOAT",
        ("wav", "PCM_U8"): "PCM_16",
        ("wav", "MPEG_LAYER_III"): "PCM_16",
        ("wav", "AAC"): "PCM_16",
        ("wav", "ALAC_20"): "PCM_24",
        ("flac", "PCM_24"): "PCM_24",
        ("flac", "FLOAT"): "PCM_24",
        ("flac", "PCM_32"): "PCM_24",
        ("flac", "VORBIS"): "PCM_16",
        (".mp3", "PCM_24"): "MPEG_LAYER_III",
        ("OGG", "FLOAT"): "VORBIS",
        ("opus", "PCM_16"): "OPUS",
        ("m4a", "PCM_24"): "AAC",
        ("alac", "PCM_16"): "ALAC_16",
        ("alac", "PCM_24"): "ALAC_24",
        ("alac", "FLOAT"): "ALAC_24",
        ("alac", "VORBIS"): "ALAC_16",
    }
    assert {key: subtype_for(key[0], like=like(key[1])) for key in wanted} == wanted
    assert subtype_for("wav") == "PCM_16"
    assert subtype_for("flac", like=like("PCM_16"), bit_depth="24") == "PCM_24"
    assert subtype_for("wav", bit_depth="32f") == "FLOAT"
    assert subtype_for("m4a", bit_depth="24") == "ALAC_24"


@pytest.mark.parametrize(
    ("kind", "depth", "message"),
    [
        ("flac", "32f", "choose 16, 24"),
        ("wav", "12", "choose 16, 24, 32, 32f"),
        ("mp3", "24", "no bit depth"),
        ("alac", "32", "choose 16, 24"),
        ("mp2", None, "choose one of wav, flac, ogg, opus, mp3, m4a, alac"),
    ],
)
def test_impossible_depths_list_the_possible_ones(kind, depth, message):
    with pytest.raises(InputError, match=message):
        subtype_for(kind, bit_depth=depth)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype", "message"),
    [
        ("x.mp3", 44100, 6, None, "mp3 cannot hold 6 channels, at most 2"),
        ("x.opus", 48000, 9, None, "opus cannot hold 9 channels, at most 8"),
        ("x.ogg", 384000, 2, None, "at most 200000"),
        ("x.flac", 44100, 9, None, "at most 8"),
        ("x.flac", 44100, 2, "FLOAT", "choose PCM_16, PCM_24"),
        ("x.wav", 0, 2, None, "0 Hz is too low"),
        ("x.wav", 22050.0, 2, None, "sample_rate is 22050.0: give it as a whole number"),
        ("x.opus", "48000", 2, None, "sample_rate is '48000'"),
        ("x.wav", True, 2, None, "sample_rate is True"),
        ("x.wav", 10**12, 2, None, "too high: give 10000000 Hz or less"),
        ("x.wav", 44100, 70_000, None, "wav cannot hold 70000 channels, at most 65535: give less"),
        ("x.wav", 44100, 2.0, None, "n_channels is 2.0"),
        ("x.xyz", 44100, 2, None, "choose one of wav"),
        ("x", 44100, 2, None, "no suffix"),
    ],
)
def test_what_a_format_cannot_hold_fails_at_once(tmp_path, name, rate, channels, subtype, message):
    with pytest.raises(InputError, match=message):
        AudioWriter(tmp_path / "new" / name, sample_rate=rate, n_channels=channels, subtype=subtype)
    assert list(tmp_path.iterdir()) == []


def test_wav_headers_of_others_are_understood(tmp_path):
    audio = sweep(44100, 1000, 2)
    for form in ("WAV", "WAVEX", "RF64"):
        for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT"):
            path = tmp_path / "other.wav"
            sf.write(path, audio.T, 44100, subtype=subtype, format=form)
            with path.open("rb") as file:
                header = wav_bytes.parse_header(file.read)
                samples = wav_bytes.unpack(file.read(header.data_bytes), header.subtype)
            assert (header.subtype, header.n_samples) == (subtype, 1000)
            wanted, _ = sf.read(path, dtype="float32")
            assert np.array_equal(samples.reshape(-1, 2), wanted)
