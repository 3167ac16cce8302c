"""Window networks of known answers as stages: what comes out, when, and whatever the blocks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import windows
from helpers.blocks import outputs_of
from helpers.sounds import noise, null_depth
from isolde.core.errors import InputError, ModelError
from isolde.core.signal.spectrum import analyse
from isolde.core.stage import Float32
from isolde.models.additions import check_model
from isolde.models.card_files import card_for
from isolde.models.catalogue import Model, find
from isolde.models.masker import make_masker
from isolde.models.overview import latency_of
from isolde.models.window.recognition import Hints
from isolde.models.window.stages import WindowEstimator, WindowMasker, check_window
from isolde.models.window.transform import Transform

RATE = 44100


def mdx(folder: Path, gain: float = 1.0, **hints: object) -> Model:
    """An MDX-Net of 29,696 samples and margins of 1024, which hears all bins."""
    path = windows.mdx_net(folder / "vocals.onnx", gain=gain, n_bins=1025)
    return Model(card_for(path, Hints(n_fft=2048, **hints)), path)


def estimator(model: Model, n_channels: int = 2) -> WindowEstimator:
    return WindowEstimator(model.session(), model.card, n_channels=n_channels)


def run(stage: WindowEstimator, audio: Float32, sizes: list[int]) -> Float32:
    return np.concatenate(outputs_of(stage, audio, sizes), axis=2)


@pytest.mark.parametrize("n", [1, 20_000, 29_696, 70_000])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_an_mdx_net_that_changes_nothing_gives_the_mixture(tmp_path: Path, n: int, n_channels: int):
    audio = noise(n_channels, n)
    (given,) = run(estimator(mdx(tmp_path), n_channels), audio, [5000])
    assert given.shape == audio.shape
    assert null_depth(audio, given) < -110


def test_gain_compensation_and_mirroring_of_an_mdx_net(tmp_path: Path):
    audio = noise(2, 40_000)
    for hints, expected in (({}, 0.5), ({"compensate": 1.1}, 0.55), ({"denoise": True}, 0.5)):
        (given,) = run(estimator(mdx(tmp_path, 0.5, **hints)), audio, [40_000])
        assert null_depth(expected * audio, given) < -100


def test_denoise_leaves_nothing_of_what_does_not_follow_the_sign(tmp_path: Path):
    """f(x) = |x|: the mean of f(x) and -f(-x) is 0."""
    shape = ["batch", 4, 1025, 32]
    path = windows.write_graph(
        tmp_path / "vocals.onnx",
        {"input": shape},
        {"output": shape},
        [("Abs", ["input"], "output")],
    )
    loud = []
    for denoise in (False, True):
        model = Model(card_for(path, Hints(n_fft=2048, denoise=denoise)), path)
        loud.append(float(np.abs(run(estimator(model), noise(2, 30_000), [30_000])).max()))
    assert loud[0] > 0.1 and loud[1] == 0


def test_above_its_band_an_mdx_net_gives_nothing(tmp_path: Path):
    path = windows.mdx_net(tmp_path / "vocals.onnx", n_bins=512)  # of 1025: up to 11,025 Hz
    model = Model(card_for(path, Hints(n_fft=2048)), path)
    seconds = np.arange(40_000) / RATE
    for hertz, depth in ((9_000, (-np.inf, -60)), (13_000, (-0.1, 0.1))):
        tone = np.sin(2 * np.pi * hertz * seconds)[None].astype(np.float32).repeat(2, axis=0)
        (given,) = run(estimator(model), tone, [40_000])
        inner = slice(3000, -3000)
        assert depth[0] < null_depth(tone[:, inner], given[:, inner]) < depth[1]


def test_each_part_of_ht_demucs_goes_where_it_belongs(tmp_path: Path):
    """Drums and bass are half the wave each, the vocals the spectrum, at the song's level."""
    path = windows.ht_demucs(tmp_path / "h.onnx")
    model = Model(card_for(path), path)
    assert model.card.stems == ("vocals", "drums", "bass") and model.card.residual == "other"
    audio = noise(2, 50_000, peak=0.05)
    vocals, drums, bass = run(estimator(model), audio, [7000])
    assert null_depth(audio, vocals) < -35  # of noise, the spectra lack the last of 2049 bins
    for given in (drums, bass):
        assert null_depth(0.5 * audio, given) < -45  # the mean of the song is in every stem


def test_silence_stays_silence_in_ht_demucs(tmp_path: Path):
    path = windows.ht_demucs(tmp_path / "h.onnx")
    given = run(estimator(Model(card_for(path), path)), np.zeros((2, 20_000), np.float32), [20_000])
    assert not given.any()


def test_a_network_of_samples_delays_by_what_it_says(tmp_path: Path):
    path = windows.waves(tmp_path / "vocals.onnx", delay=7)
    card = card_for(path, Hints(overlap=0.0))
    audio = noise(2, 8192)
    (given,) = run(estimator(Model(card, path)), audio, [8192])
    np.testing.assert_array_equal(given[:, 7:], audio[:, :-7])
    assert not given[:, :7].any()


def test_block_sizes_change_nothing_and_an_impulse_keeps_its_place(tmp_path: Path):
    audio = np.zeros((2, 70_000), np.float32)
    audio[:, 33_333] = 1
    results = [run(estimator(mdx(tmp_path)), audio, s) for s in ([70_000], [1, 999, 0, 12_345])]
    np.testing.assert_array_equal(*results)
    assert np.argmax(np.abs(results[0][0, 0])) == 33_333


def test_declared_latency_is_the_true_one_and_the_cards(tmp_path: Path):
    for model in (mdx(tmp_path), _delayed(tmp_path), _hybrid(tmp_path)):
        stage = estimator(model)
        assert stage.latency == round(RATE * latency_of(model.card))
        fed = out = worst = 0
        for size in [stage.latency - 3, *[1] * 8, stage.hop - 6, *[1] * 8]:
            before = out
            out += stage.feed(np.zeros((2, size), np.float32)).shape[2]
            fed += size
            if size == 1:
                worst = max(worst, fed - before)  # answer `before` was still owed until now
        assert worst == stage.latency


def _delayed(folder: Path) -> Model:
    path = windows.waves(folder / "vocals_waves.onnx", delay=0)
    return Model(card_for(path), path)


def _hybrid(folder: Path) -> Model:
    path = windows.ht_demucs(folder / "h.onnx")
    return Model(card_for(path), path)


def masks_of(model: Model, audio: Float32) -> Float32:
    stage = WindowMasker(model.session(), model.card, n_channels=audio.shape[0])
    spectra = analyse(audio, stage.grid)
    return np.concatenate([stage.feed(spectra), stage.flush()], axis=2)


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_masks_are_shares_of_power(tmp_path: Path, n_channels: int):
    """Twice the magnitude is four times the power: 4 / (4 + 1)."""
    path = windows.spleeter(tmp_path / "s.onnx", {"vocals": 2, "accompaniment": 1})
    audio = noise(n_channels, 150_000)
    masks = masks_of(Model(card_for(path), path), audio)
    assert masks.shape == (1, n_channels, 148, 1024)
    np.testing.assert_allclose(masks, 0.8, rtol=0, atol=1e-5)


FOUR = {"vocals": 1, "drums": 1, "bass": 2, "other": 2}


def cascade(folder: Path) -> Model:
    """Four stems, of what a network leaves that takes 0.8 of everything for the vocals."""
    first = windows.spleeter(folder / "first.onnx", {"vocals": 2, "accompaniment": 1})
    second = windows.spleeter(folder / "second.onnx", FOUR)
    return Model(replace(card_for(second), follows=str(first)), second)


def test_a_network_shares_out_what_the_one_before_it_leaves(tmp_path: Path):
    model = cascade(tmp_path)
    masker = make_masker(model, n_channels=2)
    spectra = analyse(noise(2, 150_000), masker.grid)
    masks = np.concatenate([masker.feed(spectra), masker.flush()], axis=2)
    wanted = {"vocals": 0.8 + 0.2 * 0.1, "drums": 0.2 * 0.1, "bass": 0.2 * 0.4}
    assert masker.stems == tuple(wanted) and masker.residual == "other"
    for mask, share in zip(masks, wanted.values(), strict=True):
        np.testing.assert_allclose(mask, share, rtol=0, atol=1e-5)
    live = make_masker(model.live, n_channels=2)
    again = np.concatenate([live.feed(spectra), live.flush()], axis=2)
    np.testing.assert_allclose(again, masks, rtol=0, atol=1e-5)
    assert live.latency < masker.latency


def test_what_a_model_is_counts_the_one_that_it_follows(tmp_path: Path):
    model = cascade(tmp_path)
    files = [tmp_path / "second.onnx", tmp_path / "first.onnx"]
    assert model.n_bytes == sum(file.stat().st_size for file in files)
    assert len(set(model.checksums)) == 2
    (tmp_path / "second.json").write_text(model.card.to_json())
    assert find(tmp_path / "second.onnx").card.follows == str(files[1])
    check_model(model)
    files[1].write_bytes(b"no graph")
    with pytest.raises(ModelError, match="first"):
        check_model(model)


def test_a_model_that_cannot_follow_another_is_refused(tmp_path: Path):
    model = cascade(tmp_path)
    whole = windows.mdx_net(tmp_path / "vocals.onnx", gain=1.0, n_bins=1025)
    other = windows.open_unmix(tmp_path / "vocals_umx.onnx", gain=0.5)
    (tmp_path / "second.json").write_text(model.card.to_json())
    for path in (other, model.path):  # another grid, and one that follows a third
        with pytest.raises(ModelError, match="which gives no mask"):
            make_masker(replace(model, card=replace(model.card, follows=str(path))), n_channels=2)
    with pytest.raises(ModelError, match="leave 'follows' out"):
        replace(card_for(whole, Hints(n_fft=2048)), follows="vocals")


def test_one_output_alone_is_a_share_of_the_mixture(tmp_path: Path):
    audio = noise(2, 60_000)
    for gain, expected in ((0.5, 0.5), (3.0, 1.0)):
        path = windows.open_unmix(tmp_path / "vocals.onnx", gain=gain)
        card = card_for(path)
        assert card.window is not None and card.window.size == 512
        masks = masks_of(Model(card, path), audio)
        assert masks.shape[-1] == 2049
        assert np.quantile(masks, 0.01) == pytest.approx(expected, abs=1e-4)


def test_the_transform_and_its_inverse_are_exact():
    for n_fft, n_frames in ((7680, 20), (4096, 9)):  # 7680 is no multiple of the hop
        n = 1024 * (n_frames - 1)
        stage = Transform(n, n_fft=n_fft, hop=1024, before=n_fft // 2, n_frames=n_frames)
        audio = noise(2, n)
        spectra = stage.forward(audio)
        assert spectra.shape == (2, n_frames, n_fft // 2 + 1)
        assert null_depth(audio, stage.inverse(spectra)) < -120


def test_a_card_that_does_not_fit_its_file_is_refused(tmp_path: Path):
    model = mdx(tmp_path)
    assert model.card.window is not None
    wrong = replace(model.card, window=replace(model.card.window, size=64))
    with pytest.raises(ModelError, match="cannot compute"):
        check_window(model.session(), wrong)
    with pytest.raises(InputError, match="0 channels"):
        estimator(model, 0)
    with pytest.raises(InputError, match="overlap"):
        replace(model.card.window, overlap=0.9)
    with pytest.raises(ModelError, match="drums"):
        replace(model.card, stems=("drums",))
    with pytest.raises(ModelError, match="needs 'window'"):
        replace(model.card, kind="stream")


def test_a_network_that_gives_nan_is_refused(tmp_path: Path):
    shape = [1, 2, 8192]
    path = windows.write_graph(
        tmp_path / "vocals.onnx", {"mix": shape}, {"stem": shape}, [("Sqrt", ["mix"], "stem")]
    )
    with pytest.raises(ModelError, match="NaN"):
        check_window(Model(card_for(path), path).session(), card_for(path))


def test_a_network_that_begins_to_give_nan_says_so(tmp_path: Path):
    """The root of what is negative: it hears nothing negative before the second block."""
    path = windows.write_graph(
        tmp_path / "vocals.onnx", {"a": [1, 2, 4096]}, {"b": [1, 2, 4096]}, [("Sqrt", ["a"], "b")]
    )
    stage = estimator(Model(card_for(path), path))
    stage.feed(np.abs(noise(2, 4096)))
    with pytest.raises(ModelError, match="'vocals' gives NaN or infinity"):
        run(stage, noise(2, 8192), [4096])


@pytest.mark.parametrize("form", ["magnitudes", "spectra", "hybrid"])
def test_a_graph_with_more_inputs_than_its_card_says_is_refused_in_one_line(
    tmp_path: Path, form: str
):
    shape = ["batch", 2, 64, 1024]
    inputs = {name: shape for name in ("a", "b", "c")}
    nodes = [("Add", ["a", "b"], "x"), ("Add", ["b", "c"], "y")]
    path = windows.write_graph(tmp_path / "net.onnx", inputs, {"x": shape, "y": shape}, nodes)
    known = card_for(windows.spleeter(tmp_path / "one.onnx", {"vocals": 1.0}))
    assert known.window is not None
    card = replace(known, window=replace(known.window, form=form))
    with pytest.raises(ModelError, match="the card does not fit the file"):
        check_window(Model(card, path).session(), card)
