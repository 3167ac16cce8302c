"""The pictures of where the rules break show what the guide says of them."""

import numpy as np
import pytest

from isolde.evaluation.metrics.ratios import usdr
from rules_pictures import MELODY, RATE, SECONDS, draw_failures, in_a_hall, kept, sing


def test_a_voice_has_its_pitch_and_the_hall_goes_on_sounding():
    voice = sing((440.0,))
    assert voice.shape == (1, SECONDS * RATE)
    assert np.sqrt(np.mean(voice**2)) == pytest.approx(0.1, rel=1e-3)
    spectrum = np.abs(np.fft.rfft(voice[0] * np.hanning(voice.shape[1])))
    assert np.argmax(spectrum) / SECONDS == pytest.approx(440, rel=2 ** (30 / 1200) - 1)
    impulse = np.zeros_like(voice)
    impulse[0, 0] = 1
    tail = in_a_hall(impulse)[0, 1:]
    early, late = (np.mean(tail[k * RATE : k * RATE + RATE // 2] ** 2) for k in (0, 2))
    assert 10 * np.log10(early / late) == pytest.approx(2 * 60 / 2.5, abs=1.5)


@pytest.mark.slow
def test_one_voice_is_kept_and_two_or_a_hall_are_not(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'figures'")
    pytest.importorskip("librosa", reason="needs the extra 'rules'")
    alone = sing(MELODY)
    hall = in_a_hall(alone)
    assert usdr(alone, kept(alone)[0]) > 3 + usdr(hall, kept(hall)[0])
    drawn = draw_failures(tmp_path)
    assert [path.name for path in drawn] == ["rules-two-voices.png", "rules-hall.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
