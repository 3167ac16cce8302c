"""The shipped `spleeter`: what its two U-Nets answer, and what it makes of a song."""

import numpy as np
import pytest

import demo_song as songs
from helpers.sounds import decibel, null_depth
from isolde.core.stage import Float32
from isolde.models.catalogue import find
from isolde.separation.load import load_separator, separate

RATE = 44100
GOLDEN = {"vocals": (0.0059209, 0.0408065), "accompaniment": (2.0004659, 2.6636679)}
"""Mean and deviation of what the wheel's networks answer below."""


@pytest.fixture(scope="module")
def song() -> dict[str, Float32]:
    """Six seconds with known stems; a window is longer, so that it costs one call."""
    return songs.make_song(3, seconds=6.0, sample_rate=RATE)


@pytest.mark.slow
def test_the_voice_is_found_and_the_stems_sum_to_the_song(song: dict[str, Float32]):
    mixture = sum(song.values())
    stems = separate(mixture, sample_rate=RATE, model="spleeter", threads=2)
    assert np.abs(sum(stems.values()) - mixture).max() < 5e-7
    gained = null_depth(song["vocals"], mixture) - null_depth(song["vocals"], stems["vocals"])
    assert gained > 5
    low = decibel(float(np.mean(_above(stems["vocals"], 11_500) ** 2)))
    assert low > decibel(float(np.mean(_above(song["vocals"], 11_500) ** 2))) - 20


def _above(audio: Float32, hertz: float) -> Float32:
    """What lies above a frequency."""
    spectrum = np.fft.rfft(audio, axis=1)
    spectrum[:, : int(hertz * audio.shape[1] / RATE)] = 0
    return np.fft.irfft(spectrum, audio.shape[1], axis=1)


def test_its_graph_answers_what_spleeter_answers():
    """The wheel's own networks, in float32 by PyTorch (tools/spleeter), on these magnitudes."""
    rng = np.random.default_rng(1)
    magnitudes = (10 * rng.random((1, 2, 64, 1024)) ** 4).astype(np.float32)
    session = find("spleeter").session(threads=2)
    answers = dict(zip(session.outputs, session.run({"magnitudes": magnitudes}), strict=True))
    for stem, (mean, spread) in GOLDEN.items():
        # int8 kernels move a magnitude by a few parts in a thousand
        assert answers[stem].mean() == pytest.approx(mean, rel=0.02)
        assert answers[stem].std() == pytest.approx(spread, rel=0.02)


def test_silence_gives_silence_and_its_card_says_what_mit_asks():
    stems = separate(np.zeros((1, 9000), np.float32), sample_rate=48000, model="spleeter")
    assert not any(stem.any() for stem in stems.values())
    card = find("spleeter").card
    assert card.licence == "MIT" and "Hennequin" in card.citation


def test_the_stems_of_pieces_are_those_of_the_whole(song: dict[str, Float32]):
    mixture = sum(song.values())[:, : 2 * RATE]
    whole = separate(mixture, sample_rate=RATE, model="spleeter", threads=2)["vocals"]
    separator = load_separator("spleeter", sample_rate=RATE, n_channels=2, threads=2)
    blocks = (mixture[:, at : at + 10_007] for at in range(0, mixture.shape[1], 10_007))
    assert null_depth(whole, separator.whole(blocks)["vocals"]) < -100
