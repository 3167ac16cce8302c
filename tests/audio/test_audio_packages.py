"""Formats of other packages: what they get, what they cannot break."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.sounds import noise
from isolde.audio import AudioWriter, Container, Sound, formats, subtype_for, write
from isolde.audio.formats import container_named, format_faults, installed_formats
from isolde.core import packages
from isolde.core.errors import AudioError, InputError


class RawEncoder:
    """Samples one after another, as they are; `fails` names the method that raises."""

    fails = ""

    def __init__(self, stream, sound: Sound) -> None:
        self.stream, self.sound = stream, sound
        self._maybe("init")

    def _maybe(self, name: str) -> None:
        if self.fails == name:
            raise KeyError(f"no {name}\nin two lines")

    def write(self, block) -> None:
        self._maybe("write")
        self.stream.write(block.T.tobytes())
        block[:] = 7  # its own copy

    def finish(self) -> None:
        self._maybe("finish")
        self.stream.write(f"{self.sound.bitrate}".encode())

    def discard(self) -> None:
        self._maybe("discard")


def raw(name: str = "raw", suffix: str = ".raw32", **fields) -> Container:
    values = {"subtypes": ("RAW",), "max_channels": 2, "encoder": RawEncoder, **fields}
    return Container(name, suffix, **values)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Make packages give things; each is a list, or an error that loading it raises."""

    def put(*given: object) -> None:
        class Entry:
            def __init__(self, number: int, things: object) -> None:
                self.value, self.things = f"package{number}:formats", things

            def load(self):
                if isinstance(self.things, Exception):
                    raise self.things
                return lambda: self.things

        entries = [Entry(number, things) for number, things in enumerate(given)]
        monkeypatch.setattr(
            packages.metadata,
            "entry_points",
            lambda group: entries if group == "isolde.formats" else [],
        )
        formats._packages.cache_clear()

    yield put
    formats._packages.cache_clear()


def test_a_package_gets_what_is_to_be_written(install, tmp_path: Path):
    install([raw()])
    audio = noise(2, 3000)
    write(tmp_path / "song.raw32", audio, 44100, bitrate=64_000)
    written = (tmp_path / "song.raw32").read_bytes()
    assert written.endswith(b"64000")
    assert np.frombuffer(written[:-5], np.float32).reshape(-1, 2).T == pytest.approx(audio)
    assert container_named("RAW") == container_named(".raw32") == installed_formats()["raw"]
    with pytest.raises(InputError, match="3 channels"):
        write(tmp_path / "three.raw32", noise(3, 30), 44100)
    with pytest.raises(InputError, match="raw has no bit depth"):
        subtype_for("raw", bit_depth="16")


def test_a_packages_rate_is_resampled_to(install, tmp_path: Path):
    install([raw(rates=(48000,))])
    note = write(tmp_path / "song.raw32", noise(1, 4410), 44100)
    assert note and "encoded at 48000 Hz" in note
    assert (tmp_path / "song.raw32").stat().st_size == 4 * 4800 + len("None")


@pytest.mark.parametrize("where", ["init", "write", "finish"])
def test_an_encoder_that_fails_is_one_line_and_leaves_nothing(install, tmp_path: Path, where: str):
    failing = type("Failing", (RawEncoder,), {"fails": where})
    install([raw(encoder=failing)])
    with pytest.raises(
        AudioError, match=f"'raw', of another package.*KeyError.*no {where}"
    ) as told:
        write(tmp_path / "new" / "song.raw32", noise(1, 100), 44100)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_cannot_be_discarded_hides_no_error(install, tmp_path: Path):
    install([raw(encoder=type("Failing", (RawEncoder,), {"fails": "discard"}))])
    with (
        pytest.raises(RuntimeError, match="ours"),
        AudioWriter(tmp_path / "song.raw32", sample_rate=44100, n_channels=1),
    ):
        raise RuntimeError("ours")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (ImportError("no theirs"), "ImportError: no theirs"),
        (["raw"], "is no isolde.audio.Container"),
        (7, "TypeError"),
        ([raw(encoder=None)], "no encoder"),
        ([raw(subtypes=())], "no subtype"),
        ([raw("wav")], "name of isolde's"),
        ([raw("Raw File")], "take a-z"),
        ([raw(suffix="raw")], "suffix without a dot"),
    ],
)
def test_a_package_that_fails_is_named_and_stops_no_other(install, given: object, said: str):
    install(given, [raw("good", ".good")])
    assert list(installed_formats()) == ["good"]
    (fault,) = format_faults()
    assert "'package0:formats'" in fault and said in fault
    assert container_named("wav").encoder is None
    assert container_named("good").suffix == ".good"
    with pytest.raises(InputError, match=r"alac, good; the formats of .*package0"):
        container_named("absent")
