"""BSSEval v4: museval's numbers where museval has any, the reference's frames, museval's files."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from helpers.sounds import musical_noise
from isolde.core.errors import InputError
from isolde.evaluation.metrics.bsseval import MEASURES, References, museval_json

RATE = 8000


def museval_or_skip() -> ModuleType:
    """museval's metrics.py, loaded alone: `import museval` wants ffmpeg, which BSSEval does not."""
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        pytest.skip("museval is not installed")
    path = Path(package.origin).with_name("metrics.py")
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def short_music(seed: int) -> np.ndarray:
    return musical_noise(seed)[:, : 2 * RATE + RATE // 3]


def coded(audio: np.ndarray) -> np.ndarray:
    """As lossy coding leaves it: the top fifth of the band 50 dB down."""
    spectrum = np.fft.rfft(audio, axis=1)
    spectrum[:, int(0.8 * spectrum.shape[1]) :] *= 10 ** (-50 / 20)
    return np.fft.irfft(spectrum, audio.shape[1], axis=1)


# where the references fill the band the equations are well posed; else 0.01 dB is what is asked
@pytest.mark.slow
@pytest.mark.parametrize(("change", "slack"), [(lambda audio: audio, 1e-5), (coded, 0.01)])
def test_bsseval_is_musevals_where_nothing_is_silent(change, slack: float):
    theirs_metrics = museval_or_skip()
    truth = {"vocals": change(short_music(29)), "accompaniment": change(short_music(30))}
    noise = change(short_music(31))
    guess = {k: v + 0.3 * noise + 0.1 * truth["vocals"] for k, v in truth.items()}
    ours = References(truth, sample_rate=RATE).score(guess)
    stack = [np.stack([s[k].T for k in truth]) for s in (truth, guess)]
    theirs = dict(
        zip(MEASURES, theirs_metrics.bss_eval(*stack, window=RATE, hop=RATE), strict=False)
    )
    for row, stem in enumerate(truth):
        for name in MEASURES:
            assert getattr(ours[stem], name) == pytest.approx(theirs[name][row], abs=slack)


@pytest.mark.slow
def test_bsseval_keeps_the_frames_of_the_reference():
    theirs_metrics = museval_or_skip()
    truth = {"vocals": musical_noise(22), "accompaniment": musical_noise(23)}
    truth["vocals"][:, :RATE] = 0
    guess = {k: v + 0.1 * musical_noise(24) for k, v in truth.items()}
    guess["vocals"][:, RATE : 2 * RATE] = 0  # a gate at work
    stack = [np.stack([s[k].T for k in truth]) for s in (truth, guess)]
    theirs = theirs_metrics.bss_eval(*stack, window=RATE, hop=RATE)[0]
    assert np.isnan(theirs[0]).tolist() == [True, True, False, False]  # the trap
    references = References(truth, sample_rate=RATE)
    ours = references.score(guess)
    assert np.isnan(ours["vocals"].sdr).tolist() == [True, False, False, False]
    assert ours["vocals"].sdr[1] == 0.0
    assert np.isnan(ours["vocals"].sir[1]) and not np.isnan(ours["accompaniment"].sir[1])
    assert ours["vocals"].sdr[2:] == pytest.approx(theirs[0, 2:], abs=1e-6)
    nothing = references.score({k: np.zeros_like(v) for k, v in truth.items()})
    assert nothing["vocals"].medians()["sdr"] == 0.0
    assert np.isnan(nothing["vocals"].medians()["sar"])


def test_bsseval_refuses_what_it_cannot_score():
    with pytest.raises(InputError, match="one second"):
        References({"vocals": musical_noise(1)[:, :99]}, sample_rate=RATE)
    with pytest.raises(InputError, match="must be the same"):
        whole = References({"vocals": musical_noise(1)}, sample_rate=RATE)
        whole.score({"voice": musical_noise(1)})


def test_musevals_files_are_musevals():
    schema = Path(importlib.util.find_spec("museval").origin).with_name("musdb.schema.json")
    nan = float("nan")
    frames = {
        "vocals": {"sdr": [1.23456789, nan], "isr": [2, 3], "sir": [100.0, -7], "sar": [4, 5]}
    }
    store = json.loads(json.dumps(museval_json(frames)))
    pytest.importorskip("jsonschema").validate(store, json.loads(schema.read_text()))
    first, second = store["targets"][0]["frames"]
    assert first["metrics"]["SDR"] == 1.23457 and second["time"] == 1.0
    assert np.isnan(second["metrics"]["SDR"]) and np.isnan(first["metrics"]["SIR"])
    assert second["metrics"]["SIR"] == -7
